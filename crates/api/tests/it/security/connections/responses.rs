//! What responses allow a browser: nothing to run, frame, cache or read across origins. Paths that look interesting do not exist.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::sync::Arc;

use trigrun_testkit::raw_http::{RawResponse, request, send};

use crate::security::{case::Case, system::System};

/// Unknown paths, with a token or without.
const UNKNOWN_PATHS: &[&str] = &[
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

/// What a page can send to another origin without a preflight (<https://fetch.spec.whatwg.org/#cors-safelisted-request-header>).
const SIMPLE_MEDIA_TYPES: &[&str] = &[
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=utf-8; application/json",
    "text/plain, application/json",
    "application/jsonp",
    "text/json",
    "",
];

/// Responses of every kind: the method, the path, whether with a token, and the status.
const RESPONSES: &[(&str, &str, bool, u16)] = &[
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
    ("GET", "/problems", false, 200),
    ("GET", "/problems/not_found", false, 200),
    ("GET", "/problems/nothing", false, 404),
    ("GET", "/", false, 302),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &path in UNKNOWN_PATHS {
        cases.push(Case::new(format!("nothing is at {path}"), move |system| async move {
            let token = format!("authorization: Bearer {}", system.tenant().token);
            for headers in [vec![], vec![token]] {
                let response = request(system.api, "GET", path, &headers, b"").await?;
                ensure!([400, 404].contains(&response.status), "{} {}", response.status, response.text());
            }
            Ok(())
        }));
    }
    for origin in ORIGINS {
        cases.push(Case::new(format!("a page of {origin:?} reads nothing"), |system| {
            reads_nothing(system, origin)
        }));
    }
    for form in SIMPLE_MEDIA_TYPES {
        cases.push(Case::new(format!("a form of {form:?}"), |system| sent_by_form(system, form)));
    }
    for &(method, path, with_token, status) in RESPONSES {
        let name = format!("the headers of {status} to {method} {path}");
        cases.push(Case::new(name, move |system| async move {
            let token = with_token.then(|| format!("authorization: Bearer {}", system.tenant().token));
            let headers: Vec<String> = token.into_iter().collect();
            let response = request(system.api, method, path, &headers, b"").await?;
            ensure!(response.status == status, "{} {}", response.status, response.text());
            let is_public = path.starts_with("/problems") && status == 200;
            is_hardened(&response, path == "/docs", is_public)
        }));
    }
    for name in ["session", "token", "Authorization", "trigrun"] {
        cases.push(Case::new(format!("a session in the cookie {name}"), move |system| async move {
            let session = &system.tenant().session;
            for cookie in [session.clone(), format!("Bearer {session}")] {
                let cookie = format!("cookie: {name}={cookie}");
                request(system.api, "GET", "/v1/me", &[cookie], b"")
                    .await?
                    .expect_problem(401, "unauthorized")?;
            }
            for query in ["token", "access_token", "authorization"] {
                let path = format!("/v1/me?{query}={session}");
                request(system.api, "GET", &path, &[], b"").await?.expect_problem(401, "unauthorized")?;
            }
            Ok(())
        }));
    }
    cases
}

/// Data for programs: never sniffed, framed or run, and cached only if it is public. No cookie for the browser to send with the next request.
fn is_hardened(response: &RawResponse, is_page: bool, is_public: bool) -> anyhow::Result<()> {
    let header = |name: &str| response.header(name).with_context(|| format!("no {name}: {}", response.head));
    ensure!(header("x-content-type-options")? == "nosniff", "{}", response.head);
    ensure!(header("referrer-policy")? == "no-referrer", "{}", response.head);
    let cache = if is_public { "public, max-age=3600" } else { "no-store" };
    ensure!(header("cache-control")? == cache, "{}", response.head);
    let policy = header("content-security-policy")?;
    ensure!(policy.starts_with("default-src 'none'"), "{policy}");
    ensure!(policy.contains("frame-ancestors 'none'"), "{policy}");
    // The page has inline styles; scripts come from this host.
    ensure!(!policy.contains("unsafe-eval") && !policy.contains('*'), "{policy}");
    ensure!(is_page || !policy.contains("unsafe-inline"), "{policy}");
    ensure!(
        !policy.split(';').any(|part| part.contains("script-src") && part.contains("unsafe")),
        "{policy}"
    );
    ensure!(response.header("set-cookie").is_none(), "{}", response.head);
    ensure!(
        response.header("server").is_none() && response.header("x-powered-by").is_none(),
        "{}",
        response.head
    );
    Ok(())
}

/// With a preflight or without, with a token or without.
async fn reads_nothing(system: Arc<System>, origin: &str) -> anyhow::Result<()> {
    let token = &system.tenant().token;
    let requests = [
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
    for (method, headers) in requests {
        for path in ["/v1/me", "/openapi.json", "/nowhere"] {
            let text =
                format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n");
            let response = send(system.api, text.as_bytes()).await?.context("no response")?;
            for name in ["origin", "credentials", "methods", "headers", "private-network"] {
                let name = format!("access-control-allow-{name}");
                ensure!(response.header(&name).is_none(), "{method} {path}: {}", response.head);
            }
        }
    }
    Ok(())
}

/// Even with a token, which a form cannot send.
async fn sent_by_form(system: Arc<System>, media_type: &str) -> anyhow::Result<()> {
    let name = format!("form-{}", system.number());
    let body = format!("{{\"name\": \"{name}\", \"value\": \"a\"}}");
    let session = &system.tenant().session;
    let mut headers = vec![format!("authorization: Bearer {session}"), "origin: https://evil.example".into()];
    if !media_type.is_empty() {
        headers.push(format!("content-type: {media_type}"));
    }
    let response = request(system.api, "POST", "/v1/secrets", &headers, body.as_bytes()).await?;
    response.expect_problem(415, "media_type")?;
    system.call("GET", &format!("/v1/secrets/{name}"), &Value::Null).await?.expect(404).map(drop)
}
