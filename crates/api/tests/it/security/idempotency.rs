//! Suite O: many requests with one idempotency key create one thing, at any replica, at the same time or later.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use trigrun_testkit::raw_http::{RawResponse, request};

use super::{
    case::{Case, Suite},
    system::{SCOPES, System, once, text},
};

/// Invalid keys.
const INVALID_KEYS: &[(&str, &str)] = &[
    ("an empty key", ""),
    ("a key of spaces", "   "),
    ("a key of 256 characters", "LONG"),
    ("a key that is not ASCII", "schlüssel"),
    ("a key with a line break", "a\r\n b"),
    ("a key with NUL", "a\0b"),
    ("a key with a tab", "a\tb"),
    ("a key with a bare CR", "a\rb"),
];

pub fn suite() -> Suite {
    let mut cases = vec![
        Case::new("a hundred at once", |system| async move {
            let (key, token) = (key(&system), system.tenant().token.clone());
            let body = once(json!({ "url": "https://example.com/" }));
            let calls = (0..100).map(|_| create(system.api, &token, &key, &body));
            let responses = try_join_all(calls).await?;
            one_job(&system, &responses, &token).await?;
            let runs = format!("/v1/executions?job_id={}", text(&responses[0].json()["id"])?);
            let runs = system.call("GET", &runs, &Value::Null).await?.expect(200)?;
            ensure!(runs["data"].as_array().map(Vec::len) == Some(1), "{runs}");
            Ok(())
        }),
        Case::new("a hundred at two replicas", |system| async move {
            // Two tokens: the replicas have different limits, which a token shares.
            let other = system.token(&system.tenant().session, &SCOPES).await?;
            let (key, token, body) = (key(&system), &system.tenant().token, draft("once"));
            let calls = (0..100).map(|n| match n % 2 {
                0 => create(system.api, token, &key, &body),
                _ => create(system.strict_api, &other, &key, &body),
            });
            one_job(&system, &try_join_all(calls).await?, token).await
        }),
        Case::new("a hundred that differ", |system| async move {
            let (key, token) = (key(&system), system.tenant().token.clone());
            let bodies: Vec<Value> = (0..100).map(|n| draft(&format!("job {n}"))).collect();
            let calls = bodies.iter().map(|body| create(system.api, &token, &key, body));
            one_job(&system, &try_join_all(calls).await?, &token).await
        }),
        Case::new("another request with the key", another_request),
        Case::new("a hundred imports at once", imports),
        Case::new("another import with the key", another_import),
        Case::new("two workspaces with one key", |system| async move {
            let key = key(&system);
            let other = system.sign_up(&format!("other-{}", system.number())).await?;
            let mine = create(system.api, &system.tenant().token, &key, &draft("mine")).await?.expect(201)?;
            let theirs = create(system.api, &other.token, &key, &draft("theirs")).await?.expect(201)?;
            ensure!(mine["id"] != theirs["id"] && theirs["name"] == "theirs", "{mine} {theirs}");
            let again = create(system.api, &other.token, &key, &draft("theirs")).await?.expect(200)?;
            ensure!(again["id"] == theirs["id"], "{again}");
            Ok(())
        }),
        Case::new("the key of a deleted job", |system| async move {
            let (key, token) = (key(&system), &system.tenant().token);
            let first = create(system.api, token, &key, &draft("first")).await?.expect(201)?;
            let path = format!("/v1/jobs/{}", text(&first["id"])?);
            system.call("DELETE", &path, &Value::Null).await?.expect(204)?;
            let second = create(system.api, token, &key, &draft("second")).await?.expect(201)?;
            ensure!(second["id"] != first["id"] && second["name"] == "second", "{second}");
            Ok(())
        }),
        Case::new("the key of a request that was refused", |system| async move {
            let (key, token) = (key(&system), &system.tenant().token);
            let invalid = json!({ "name": "", "kind": "one_time", "request": { "url": "http://10.0.0.1/" } });
            create(system.api, token, &key, &invalid).await?.expect_problem(422, "validation_failed")?;
            create(system.api, token, &key, &draft("valid")).await?.expect(201).map(drop)
        }),
        Case::new("similar keys", |system| async move {
            let (key, token) = (format!("key-{}", system.number()), &system.tenant().token);
            let keys =
                [key.clone(), key.to_uppercase(), format!("{key}x"), format!("{key}'--"), format!("{key}%")];
            let calls = keys
                .iter()
                .map(async |key| create(system.api, token, key, &draft("alike")).await?.expect(201));
            let made = try_join_all(calls).await?;
            let ids: HashSet<String> = made.iter().map(|job| job["id"].to_string()).collect();
            ensure!(ids.len() == keys.len(), "{ids:?}");
            Ok(())
        }),
        Case::new("a key of 255 characters", |system| async move {
            let key = format!("{:a<255}", key(&system));
            let token = &system.tenant().token;
            let first = create(system.api, token, &key, &draft("long")).await?.expect(201)?;
            let again = create(system.api, token, &key, &draft("long")).await?.expect(200)?;
            ensure!(first["id"] == again["id"], "{again}");
            Ok(())
        }),
        Case::new("a key of 10 KB", |system| async move {
            let response =
                create(system.api, &system.tenant().token, &"a".repeat(10_240), &draft("long")).await?;
            response.expect_invalid("Idempotency-Key", "idempotency_key_invalid")
        }),
        Case::new("fifty run-nows at once are fifty runs", |system| async move {
            let job = paused(&system).await?;
            fifty_runs(&system, &format!("/v1/jobs/{job}/run-now"), "manual").await
        }),
        Case::new("fifty replays at once are fifty runs", |system| async move {
            let job = paused(&system).await?;
            let run =
                system.call("POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?.expect(202)?;
            fifty_runs(&system, &format!("/v1/executions/{}/replay", text(&run["id"])?), "replay").await
        }),
        Case::new("a hundred run-nows with a key are one run", |system| async move {
            let path = format!("/v1/jobs/{}/run-now", paused(&system).await?);
            one_run(&system, &path).await
        }),
        Case::new("a hundred replays with a key are one run", |system| async move {
            let job = paused(&system).await?;
            let run =
                system.call("POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?.expect(202)?;
            one_run(&system, &format!("/v1/executions/{}/replay", text(&run["id"])?)).await
        }),
        Case::new("the key of another run", |system| async move {
            let (key, token) = (key(&system), &system.tenant().token);
            let run = async |job: String| {
                keyed(system.api, token, &key, &format!("/v1/jobs/{job}/run-now"), &Value::Null).await
            };
            let first = run(paused(&system).await?).await?.expect(202)?;
            let again = run(paused(&system).await?).await?;
            ensure!(again.header("idempotent-request-differs") == Some("true"), "{}", again.head);
            ensure!(again.expect(200)?["id"] == first["id"], "another run: {}", again.text());
            Ok(())
        }),
        Case::new("fifty deletions at once", |system| async move {
            let made = system.call("POST", "/v1/jobs", &draft("gone")).await?.expect(201)?;
            let path = format!("/v1/jobs/{}", text(&made["id"])?);
            let calls = (0..50).map(|_| system.call("DELETE", &path, &Value::Null));
            let statuses: Vec<u16> =
                try_join_all(calls).await?.iter().map(|response| response.status).collect();
            ensure!(statuses.iter().all(|status| [204, 404].contains(status)), "{statuses:?}");
            ensure!(statuses.contains(&204), "{statuses:?}");
            system.call("GET", &path, &Value::Null).await?.expect(404).map(drop)
        }),
        Case::new("fifty patches of one version: one succeeds", patches_of_one_version),
    ];
    for (name, invalid) in INVALID_KEYS {
        cases.push(Case::new(*name, move |system| async move {
            let invalid = invalid.replace("LONG", &"a".repeat(256));
            let label = format!("invalid-key-{}", system.number());
            let response = create(system.api, &system.tenant().token, &invalid, &draft(&label)).await?;
            // An invalid header is refused before the API reads it.
            if response.status != 400 {
                response.expect_invalid("Idempotency-Key", "idempotency_key_invalid")?;
            }
            let found =
                system.call("GET", &format!("/v1/jobs?q={label}"), &Value::Null).await?.expect(200)?;
            ensure!(found["data"] == json!([]), "{found}");
            Ok(())
        }));
    }
    Suite { letter: 'O', cases }
}

/// A new key.
fn key(system: &System) -> String {
    format!("key-{}", system.number())
}

/// A job that does not run on its own.
fn draft(name: &str) -> Value {
    json!({ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "paused",
        "request": { "url": "https://example.com/" } })
}

async fn paused(system: &System) -> anyhow::Result<String> {
    let request = json!({ "url": "http://nowhere.invalid/", "timeout_seconds": 1 });
    let mut job = draft("runs");
    job["request"] = request;
    job["retry_policy"] = json!({ "max_attempts": 1 });
    text(&system.call("POST", "/v1/jobs", &job).await?.expect(201)?["id"])
}

async fn create(api: SocketAddr, token: &str, key: &str, body: &Value) -> anyhow::Result<RawResponse> {
    keyed(api, token, key, "/v1/jobs", body).await
}

async fn keyed(
    api: SocketAddr,
    token: &str,
    key: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<RawResponse> {
    let headers = [
        format!("authorization: Bearer {token}"),
        "content-type: application/json".to_owned(),
        format!("idempotency-key: {key}"),
    ];
    request(api, "POST", path, &headers, body.to_string().as_bytes()).await
}

/// One request creates the job, all others get it as a replay.
async fn one_job(system: &System, responses: &[RawResponse], token: &str) -> anyhow::Result<()> {
    let first =
        responses.iter().find(|response| response.status == 201).context("it was not created")?.json();
    let mut created = 0;
    for response in responses {
        ensure!([200, 201].contains(&response.status), "{} {}", response.status, response.text());
        ensure!(
            response.json()["id"] == first["id"] && response.json()["name"] == first["name"],
            "{}",
            response.text()
        );
        ensure!(
            (response.status == 200) == (response.header("idempotent-replayed") == Some("true")),
            "{}",
            response.head
        );
        created += usize::from(response.status == 201);
    }
    ensure!(created == 1, "it was created {created} times");
    let path = format!("/v1/jobs/{}", text(&first["id"])?);
    system.call_as(token, "GET", &path, &Value::Null).await?.expect(200).map(drop)
}

/// The response is the first job; the second request has no effect.
async fn another_request(system: Arc<System>) -> anyhow::Result<()> {
    let (key, token) = (key(&system), &system.tenant().token);
    let first = create(system.api, token, &key, &draft("first")).await?.expect(201)?;
    let once = once(json!({ "url": "https://example.com/" }));
    let invalid = json!({ "name": "third", "kind": "unknown", "request": { "url": "http://10.0.0.1/" } });
    for other in [draft("second"), once, invalid] {
        let response = create(system.api, token, &key, &other).await?;
        ensure!(response.header("idempotent-replayed") == Some("true"), "{}", response.head);
        let job = response.expect(200)?;
        ensure!(job["id"] == first["id"] && job["name"] == "first" && job["version"] == 1, "{job}");
        ensure!(job["execution_id"].is_null(), "{job}");
    }
    Ok(())
}

fn crontab(lines: &[&str]) -> Value {
    json!({ "crontab": lines.join("\n"), "state": "paused" })
}

async fn imports(system: Arc<System>) -> anyhow::Result<()> {
    let (key, token) = (key(&system), &system.tenant().token);
    let body = crontab(&["@daily https://example.com/a", "@hourly https://example.com/b"]);
    let calls = (0..100).map(|_| keyed(system.api, token, &key, "/v1/jobs/import", &body));
    let responses = try_join_all(calls).await?;
    let (mut ids, mut made) = (HashSet::new(), 0);
    for response in &responses {
        ensure!([200, 201].contains(&response.status), "{} {}", response.status, response.text());
        made += usize::from(response.status == 201);
        let created = response.json()["created"].as_array().cloned().unwrap_or_default();
        ensure!(created.len() == 2, "{}", response.text());
        ids.extend(created.iter().map(|made| made["job"]["id"].to_string()));
    }
    ensure!(ids.len() == 2 && made == 1, "it was created {made} times: {ids:?}");
    Ok(())
}

async fn another_import(system: Arc<System>) -> anyhow::Result<()> {
    let (key, token) = (key(&system), &system.tenant().token);
    let import =
        async |lines: &[&str]| keyed(system.api, token, &key, "/v1/jobs/import", &crontab(lines)).await;
    let first = import(&["@daily https://example.com/a"]).await?.expect(201)?;
    let again = import(&["@hourly https://example.com/b"]).await?;
    ensure!(again.header("idempotent-request-differs") == Some("true"), "{}", again.head);
    ensure!(again.expect(200)?["created"] == first["created"], "other jobs: {}", again.text());
    Ok(())
}

/// At two replicas.
async fn one_run(system: &System, path: &str) -> anyhow::Result<()> {
    let other = system.token(&system.tenant().session, &SCOPES).await?;
    let (key, token) = (key(system), &system.tenant().token);
    let calls = (0..100).map(|n| match n % 2 {
        0 => keyed(system.api, token, &key, path, &Value::Null),
        _ => keyed(system.strict_api, &other, &key, path, &Value::Null),
    });
    let responses = try_join_all(calls).await?;
    let made = responses.iter().filter(|response| response.status == 202).count();
    ensure!(made == 1, "{made} were created");
    for response in responses.iter().filter(|response| response.status != 202) {
        response.expect(200)?;
        ensure!(response.header("idempotent-replayed") == Some("true"), "{}", response.head);
    }
    let ids: HashSet<String> = responses.iter().map(|response| response.json()["id"].to_string()).collect();
    ensure!(ids.len() == 1, "{ids:?}");
    Ok(())
}

/// Without a key, each request creates a run.
async fn fifty_runs(system: &System, path: &str, source: &str) -> anyhow::Result<()> {
    let calls = (0..50).map(async |_| system.call("POST", path, &Value::Null).await?.expect(202));
    let runs = try_join_all(calls).await?;
    ensure!(runs.iter().all(|run| run["source"] == source), "{runs:?}");
    let ids: HashSet<String> = runs.iter().map(|run| run["id"].to_string()).collect();
    ensure!(ids.len() == 50, "{} runs", ids.len());
    Ok(())
}

async fn patches_of_one_version(system: Arc<System>) -> anyhow::Result<()> {
    let made = system.call("POST", "/v1/jobs", &draft("before")).await?.expect(201)?;
    let path = format!("/v1/jobs/{}", text(&made["id"])?);
    let headers = [
        format!("authorization: Bearer {}", system.tenant().token),
        "content-type: application/json".to_owned(),
        "if-match: \"1\"".to_owned(),
    ];
    let calls = (0..50).map(|n| {
        let (body, headers, path) = (json!({ "name": format!("after {n}") }).to_string(), &headers, &path);
        let api = system.api;
        async move { request(api, "PATCH", path, headers, body.as_bytes()).await }
    });
    let responses = try_join_all(calls).await?;
    let first = responses.iter().filter(|response| response.status == 200).count();
    for response in responses.iter().filter(|response| response.status != 200) {
        response.expect_problem(412, "version_mismatch")?;
    }
    ensure!(first == 1, "{first} succeeded");
    let after = system.call("GET", &path, &Value::Null).await?.expect(200)?;
    ensure!(after["version"] == 2, "{after}");
    Ok(())
}
