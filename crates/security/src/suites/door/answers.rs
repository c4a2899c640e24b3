//! What answers say to browsers and to the curious: nothing to run, frame, keep or read across origins, and no door that nobody meant.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::sync::Arc;

use crate::{
    case::{Case, Family},
    system::System,
    wire::{Reply, call, send},
};

/// Nothing is there, whoever asks.
const NOWHERE: &[&str] = &[
    "/metrics",
    "/v1/metrics",
    "/v1/../metrics",
    "/v1/%2e%2e/metrics",
    "/%2e%2e/metrics",
    "/docs/../metrics",
    "/docs/..%2fmetrics",
    "//metrics",
    "/metrics/",
    "/metrics%00",
    "/debug",
    "/debug/pprof/",
    "/.env",
    "/.git/config",
    "/.well-known/security.txt",
    "/actuator",
    "/actuator/env",
    "/admin",
    "/server-status",
    "/etc/passwd",
    "/docs/../../../../etc/passwd",
    "/docs/%2e%2e/%2e%2e/etc/passwd",
    "/docs/config.default.toml",
    "/v1",
    "/v2/jobs",
    "/V1/jobs",
    "/v1/jobs/../secrets",
    "/v1/%6aobs/x/y",
    "/wp-login.php",
    "/cgi-bin/test.cgi",
];

const ORIGINS: &[&str] = &[
    "https://evil.example",
    "http://127.0.0.1:8080",
    "http://localhost:8080",
    "null",
    "*",
    "file://",
    "https://trigrun.dev",
    "chrome-extension://abcdef",
    "",
];

/// What pages can send elsewhere without asking first (<https://fetch.spec.whatwg.org/#cors-safelisted-request-header>).
const FORMS: &[&str] = &[
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=utf-8; application/json",
    "text/plain, application/json",
    "application/jsonp",
    "text/json",
    "",
];

/// Answers of every kind: the method, the path, whether with a token, and the status.
const ANSWERS: &[(&str, &str, bool, u16)] = &[
    ("GET", "/v1/me", true, 200),
    ("GET", "/v1/workspace/signing-secret", true, 200),
    ("GET", "/v1/secrets", true, 200),
    ("POST", "/v1/jobs", true, 415),
    ("PUT", "/v1/jobs", true, 405),
    ("GET", "/v1/me", false, 401),
    ("GET", "/v1/jobs/job_0", true, 404),
    ("GET", "/v1/jobs?limit=0", true, 422),
    ("GET", "/nowhere", false, 404),
    ("GET", "/livez", false, 200),
    ("GET", "/version", false, 200),
    ("GET", "/openapi.json", false, 200),
    ("GET", "/docs", false, 200),
    ("GET", "/", false, 302),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &path in NOWHERE {
        cases.push(Case::asks(Family::Door, format!("nothing is at {path}"), move |system| async move {
            let token = format!("authorization: Bearer {}", system.tenant().token);
            for headers in [vec![], vec![token]] {
                let reply = call(system.api, "GET", path, &headers, b"").await?;
                ensure!([400, 404].contains(&reply.status), "{} {}", reply.status, reply.text());
            }
            Ok(())
        }));
    }
    for origin in ORIGINS {
        cases.push(Case::asks(Family::Door, format!("a page of {origin:?} reads nothing"), |system| {
            reads_nothing(system, origin)
        }));
    }
    for form in FORMS {
        cases.push(Case::asks(Family::Door, format!("a form of {form:?}"), |system| {
            sent_by_form(system, form)
        }));
    }
    for &(method, path, with_token, status) in ANSWERS {
        let name = format!("the headers of {status} to {method} {path}");
        cases.push(Case::asks(Family::Door, name, move |system| async move {
            let token = with_token.then(|| format!("authorization: Bearer {}", system.tenant().token));
            let headers: Vec<String> = token.into_iter().collect();
            let reply = call(system.api, method, path, &headers, b"").await?;
            ensure!(reply.status == status, "{} {}", reply.status, reply.text());
            hardened(&reply, path == "/docs")
        }));
    }
    cases.push(Case::asks(Family::Door, "metrics are on a port of their own", |system| async move {
        let reply = call(system.probes, "GET", "/metrics", &[], b"").await?;
        ensure!(reply.status == 200 && reply.text().contains("trigrun"), "{}", reply.head);
        Ok(())
    }));
    for name in ["session", "token", "Authorization", "trigrun"] {
        cases.push(Case::asks(
            Family::Door,
            format!("a session in the cookie {name}"),
            move |system| async move {
                let session = &system.tenant().session;
                for cookie in [session.clone(), format!("Bearer {session}")] {
                    let cookie = format!("cookie: {name}={cookie}");
                    call(system.api, "GET", "/v1/me", &[cookie], b"")
                        .await?
                        .expect_problem(401, "unauthorized")?;
                }
                for query in ["token", "access_token", "authorization"] {
                    let path = format!("/v1/me?{query}={session}");
                    call(system.api, "GET", &path, &[], b"").await?.expect_problem(401, "unauthorized")?;
                }
                Ok(())
            },
        ));
    }
    cases
}

/// Data for programs: never sniffed, framed, cached or run; and nothing for the browser to send along next time.
fn hardened(reply: &Reply, is_page: bool) -> anyhow::Result<()> {
    let header = |name: &str| reply.header(name).with_context(|| format!("no {name}: {}", reply.head));
    ensure!(header("x-content-type-options")? == "nosniff", "{}", reply.head);
    ensure!(header("referrer-policy")? == "no-referrer", "{}", reply.head);
    ensure!(header("cache-control")? == "no-store", "{}", reply.head);
    let policy = header("content-security-policy")?;
    ensure!(policy.starts_with("default-src 'none'"), "{policy}");
    ensure!(policy.contains("frame-ancestors 'none'"), "{policy}");
    // The page needs styles of its own; scripts are this host's.
    ensure!(!policy.contains("unsafe-eval") && !policy.contains('*'), "{policy}");
    ensure!(is_page || !policy.contains("unsafe-inline"), "{policy}");
    ensure!(
        !policy.split(';').any(|part| part.contains("script-src") && part.contains("unsafe")),
        "{policy}"
    );
    ensure!(reply.header("set-cookie").is_none(), "{}", reply.head);
    ensure!(reply.header("server").is_none() && reply.header("x-powered-by").is_none(), "{}", reply.head);
    Ok(())
}

/// Whether it asks first or not, with a token or without one.
async fn reads_nothing(system: Arc<System>, origin: &str) -> anyhow::Result<()> {
    let token = &system.tenant().token;
    let asked = [
        ("GET", format!("origin: {origin}\r\nauthorization: Bearer {token}")),
        ("GET", format!("origin: {origin}\r\ncookie: a=b")),
        (
            "OPTIONS",
            format!(
                "origin: {origin}\r\naccess-control-request-method: DELETE\r\naccess-control-request-headers: authorization"
            ),
        ),
        (
            "OPTIONS",
            format!(
                "origin: {origin}\r\naccess-control-request-method: GET\r\naccess-control-request-private-network: true"
            ),
        ),
    ];
    for (method, headers) in asked {
        for path in ["/v1/me", "/openapi.json", "/nowhere"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n");
            let reply = send(system.api, request.as_bytes()).await?.context("no answer")?;
            for name in ["origin", "credentials", "methods", "headers", "private-network"] {
                let name = format!("access-control-allow-{name}");
                ensure!(reply.header(&name).is_none(), "{method} {path}: {}", reply.head);
            }
        }
    }
    Ok(())
}

/// Even with a token, which no form can send.
async fn sent_by_form(system: Arc<System>, media_type: &str) -> anyhow::Result<()> {
    let name = format!("form-{}", system.number());
    let body = format!("{{\"name\": \"{name}\", \"value\": \"a\"}}");
    let session = &system.tenant().session;
    let mut headers = vec![format!("authorization: Bearer {session}"), "origin: https://evil.example".into()];
    if !media_type.is_empty() {
        headers.push(format!("content-type: {media_type}"));
    }
    let reply = call(system.api, "POST", "/v1/secrets", &headers, body.as_bytes()).await?;
    reply.expect_problem(415, "media_type")?;
    system.ask("GET", &format!("/v1/secrets/{name}"), &Value::Null).await?.expect(404).map(drop)
}
