//! Canaries: secret values that are used in every way, and then searched for in everything that is written.

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use trigrun_testkit::{
    due, keys,
    raw_http::{RawResponse, request},
    target::Script,
};

use super::with_secret;
use crate::{
    case::{Case, Suite},
    system::{Canaries, PASSWORD, System, once, text},
};

/// Long and improbable, so that its base64 is known wherever it begins.
const VALUE: &str = "canary-6b1f-of-a-secret-that-only-the-target-may-see";
const IN_A_URL: &str = "canary-93d0-in-the-url-of-a-channel";

pub fn cases() -> Vec<Case> {
    vec![
        Case::dialling(Suite::Secrets, "no canary in the logs, at level trace", |system| async move {
            let canaries = canaries(&system).await?;
            is_absent(canaries, &system.logs()?, &canaries.execution)
        }),
        Case::dialling(Suite::Secrets, "no canary in the spans", |system| async move {
            let canaries = canaries(&system).await?;
            let exported = async || find(&system.spans.bytes(), canaries.execution.as_bytes());
            due::until("a span of the execution is exported", Duration::from_secs(20), exported).await?;
            is_absent(canaries, &system.spans.bytes(), &canaries.execution)
        }),
        Case::dialling(
            Suite::Secrets,
            "no canary in the commands that Redis receives",
            |system| async move {
                let canaries = canaries(&system).await?;
                is_absent(canaries, &system.commands.bytes(), &canaries.workspace)
            },
        ),
        Case::dialling(Suite::Secrets, "no canary in a dump of Postgres", |system| async move {
            let canaries = canaries(&system).await?;
            let mut dump = system.dump()?;
            // Bytes are written in hexadecimal.
            let text = String::from_utf8_lossy(&dump).into_owned();
            let bytes = text.split(['\t', '\n']).filter_map(|cell| cell.strip_prefix("\\\\x")).map(from_hex);
            dump.extend(bytes.flatten());
            is_absent(canaries, &dump, "channel of the canary")
        }),
        Case::dialling(Suite::Secrets, "no canary in any response of the API", |system| async move {
            let canaries = canaries(&system).await?;
            is_absent(canaries, &responses(&system, canaries).await?, &canaries.execution)
        }),
    ]
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digit = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).filter_map(digit).collect()
}

/// Uses everything once, in requests that succeed and in requests that fail.
async fn canaries(system: &Arc<System>) -> anyhow::Result<&Canaries> {
    system.canaries.get_or_try_init(|| use_all(system)).await
}

async fn use_all(system: &System) -> anyhow::Result<Canaries> {
    system.trace_executor().await?;
    let tenant = system.sign_up(&format!("canary{}", system.number())).await?;
    let call = async |method: &str, path: &str, body: Value| {
        call_traced(system, &tenant.token, (method, path), &body).await
    };
    call("POST", "/v1/secrets", json!({ "name": "canary", "value": "another" })).await?.expect(201)?;
    call("PUT", "/v1/secrets/canary", json!({ "value": VALUE })).await?.expect(200)?;
    // Echoed, in an invalid response, and closed; over TLS and HTTP/2; to a port without a server; to a forbidden address.
    let target = &system.targets()?.plain;
    target.respond(
        "/canary/echo",
        Script::status(500).header("x-echo", VALUE).body(format!("{VALUE} {VALUE}")),
    );
    target
        .respond("/canary/broken", Script::raw(format!("HTTP/1.1 200 OK\r\nx-{VALUE}\r\n\r\n").into_bytes()));
    target.respond("/canary/closed", Script::Close);
    system.targets()?.tls.respond("/canary/echo", Script::status(200).header("x-echo", VALUE).body(VALUE));
    let mut execution = String::new();
    for url in [
        "https://target.test/canary/echo",
        "http://93.184.216.34/canary/broken",
        "http://93.184.216.34/canary/closed",
        "http://93.184.216.34:81/canary/refused",
        "http://hosts.attack.example/canary/blocked",
        "http://93.184.216.34/canary/echo",
    ] {
        let mut request = with_secret("", "canary");
        request["url"] = json!(url);
        request["method"] = json!("POST");
        request["body"] = json!("{{execution_id}}");
        let created = call("POST", "/v1/jobs", once(request)).await?.expect(201)?;
        execution = text(&created["execution_id"])?;
        system.ended_as(&tenant.token, &json!(execution)).await?;
    }
    let targets = system.targets()?;
    let sent = targets.tls.hits().into_iter().chain(targets.plain.hits());
    let sent = sent.filter(|hit| hit.header("authorization").is_some_and(|value| value.ends_with(VALUE)));
    let (by_http_2, by_http_1): (Vec<_>, Vec<_>) =
        sent.partition(|hit| hit.header("host").is_some_and(|host| host.starts_with("target.test")));
    ensure!(by_http_2.len() == 1 && by_http_1.len() == 3, "{by_http_2:?} {by_http_1:?} were sent");
    for url in [format!("http://93.184.216.34/{IN_A_URL}"), format!("http://93.184.216.34:81/{IN_A_URL}")] {
        let name = format!("channel of the canary {}", system.number());
        let channel = json!({ "name": name, "type": "webhook", "config": { "url": url } });
        let channel = text(&call("POST", "/v1/notification-channels", channel).await?.expect(201)?["id"])?;
        let test = call("POST", &format!("/v1/notification-channels/{channel}/test"), Value::Null).await?;
        let notification = format!("/v1/notifications/{}", text(&test.expect(202)?["id"])?);
        let attempted = async || {
            let notification = call("GET", &notification, Value::Null).await;
            notification.is_ok_and(|response| response.json()["attempts"][0].is_object())
        };
        due::until("the channel is notified", Duration::from_secs(20), attempted).await?;
    }
    let signing = call("POST", "/v1/workspace/signing-secret/rotate", Value::Null).await?.expect(200)?;
    let extra = call("POST", "/v1/tokens", json!({ "name": "canary" })).await?.expect(201)?;
    let rotated = call("POST", &format!("/v1/tokens/{}/rotate", text(&extra["id"])?), Value::Null).await?;
    let guest = format!("guest{}@example.com", system.number());
    let invited = call("POST", "/v1/members", json!({ "email": guest })).await?.expect(201)?;
    // Invalid requests, whose responses say what is invalid.
    call("POST", "/v1/secrets", json!({ "name": "wrong name", "value": VALUE })).await?.expect(422)?;
    call("POST", "/v1/secrets", json!({ "name": "canary", "value": VALUE })).await?.expect(409)?;
    call("POST", "/v1/secrets", json!({ "name": "a", "valeu": VALUE })).await?.expect(422)?;
    call("POST", "/v1/secrets", json!({ "name": "a", "value": [VALUE] })).await?.expect(422)?;
    call("PUT", "/v1/secrets/not%20a%20name", json!({ "value": VALUE })).await?.expect(422)?;
    let log_in = json!({ "email": tenant.email, "password": format!("{PASSWORD}!") });
    call_traced(system, "", ("POST", "/v1/auth/login"), &log_in).await?.expect(401)?;
    let broken = format!("{{\"name\": \"a\", \"value\": \"{VALUE}\"");
    let api = system.traced_api;
    system.call_at(api, &tenant.token, ("POST", "/v1/secrets"), broken.as_bytes()).await?.expect(400)?;
    let again = json!({ "email": tenant.email, "password": PASSWORD });
    let again = call_traced(system, "", ("POST", "/v1/auth/login"), &again).await?.expect(200)?;
    let (cookie, csrf) = use_from_a_browser(system, &tenant.email).await?;
    let master = keys::master().split(':').nth(1).context("no master key")?;
    let hidden = vec![
        ("the secret", VALUE.to_owned()),
        ("the URL of a channel", IN_A_URL.to_owned()),
        ("the master key", master.trim_end_matches('=').to_owned()),
        ("the password", PASSWORD.to_owned()),
        ("the API token", tenant.token.clone()),
        ("a session", text(&again["token"])?),
        ("a cookie", cookie),
        ("a CSRF token", csrf),
        ("a token", text(&extra["token"])?),
        ("a rotated token", text(&rotated.expect(200)?["token"])?),
        ("an invitation", text(&invited["invitation"])?),
        ("the signing secret", text(&signing["secret"])?),
        ("the signing secret before", text(&signing["previous"]["secret"])?),
    ];
    Ok(Canaries { hidden, execution, workspace: tenant.workspace.clone(), tenant })
}

/// Logs in, and uses the session; returns the value of the cookie, and the CSRF token.
async fn use_from_a_browser(system: &System, email: &str) -> anyhow::Result<(String, String)> {
    let log_in = json!({ "email": email, "password": PASSWORD, "session": "cookie" });
    let page = call_traced(system, "", ("POST", "/v1/auth/login"), &log_in).await?;
    let csrf = text(&page.expect(200)?["csrf"])?;
    let cookie = page.header("set-cookie").and_then(|set| set.split(';').next()).context("no cookie")?;
    let headers = [format!("cookie: {cookie}"), format!("trigrun-csrf: {csrf}")];
    request(system.traced_api, "GET", "/v1/me", &headers, b"").await?.expect(200)?;
    let secret = cookie.split('=').nth(1).context("no value")?;
    Ok((secret.to_owned(), csrf))
}

/// Calls the API that logs at level `trace`.
async fn call_traced(
    system: &System,
    token: &str,
    (method, path): (&str, &str),
    body: &Value,
) -> anyhow::Result<RawResponse> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    system.call_at(system.traced_api, token, (method, path), body.as_bytes()).await
}

fn find(all: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(all, wanted).is_some()
}

/// No canary is in `all`: as it is, in hexadecimal, or in base64 at any offset. `known` is, which shows that the search works.
fn is_absent(canaries: &Canaries, all: &[u8], known: &str) -> anyhow::Result<()> {
    ensure!(
        find(all, known.as_bytes()),
        "{known} is not found in {} bytes: the search does not work",
        all.len()
    );
    for (what, value) in &canaries.hidden {
        for encoding in encodings(value) {
            let found = memchr::memmem::find(all, encoding.as_bytes());
            ensure!(found.is_none(), "{what} appears: …{}…", around(all, found.unwrap_or_default()));
        }
    }
    Ok(())
}

fn around(all: &[u8], at: usize) -> String {
    String::from_utf8_lossy(&all[at.saturating_sub(200)..all.len().min(at + 100)]).into_owned()
}

fn encodings(value: &str) -> Vec<String> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = ["", "x", "xx"].map(|before| {
        let encoded = STANDARD_NO_PAD.encode(format!("{before}{value}"));
        // Without what depends on the neighbours.
        encoded[if before.is_empty() { 0 } else { 4 }..encoded.len() - 2].to_owned()
    });
    [value.to_owned(), hex].into_iter().chain(base64).collect()
}

/// Everything that can be read, except the signing secret, which its operation returns.
async fn responses(system: &System, canaries: &Canaries) -> anyhow::Result<Vec<u8>> {
    let document = system.call_as("", "GET", "/openapi.json", &Value::Null).await?.expect(200)?;
    let paths = document["paths"].as_object().context("no paths")?;
    let mut all = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for round in 0..2 {
        for (path, operations) in paths {
            let is_read = operations.get("get").is_some() && path != "/v1/workspace/signing-secret";
            if !is_read || path.contains('{') != (round == 1) {
                continue;
            }
            for path in filled(path, &ids) {
                let response =
                    call_traced(system, &canaries.tenant.token, ("GET", &path), &Value::Null).await?;
                if round == 0 && path.starts_with("/v1/") {
                    let listed = response.json()["data"].as_array().cloned().unwrap_or_default();
                    ids.extend(listed.iter().filter_map(|thing| thing["id"].as_str().map(str::to_owned)));
                }
                all.extend(response.head.into_bytes());
                all.extend(response.body);
            }
        }
    }
    Ok(all)
}

/// The path with every known id: most are of another kind, and not found.
fn filled(path: &str, ids: &[String]) -> Vec<String> {
    // A stream lasts for a minute unless it is asked to end.
    if path == "/v1/stream" {
        return vec![format!("{path}?seconds=1")];
    }
    if !path.contains('{') {
        return vec![path.to_owned()];
    }
    let with = |id: &str| {
        path.replace("{id}", id).replace("{name}", "canary").replace("{rule_id}", id).replace("{page}", "api")
    };
    ids.iter().map(|id| with(id)).collect()
}
