//! Families D and E: URLs, headers and bodies that are none.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::{
    case::{Case, Family},
    system::once,
};

/// What is no URL to call, and the code that says so.
const URLS: &[(&str, &str)] = &[
    ("", "url_empty"),
    (" ", "url_character"),
    ("http://", "url_host"),
    ("http:///", "url_slashes"),
    ("http://./", "url_host"),
    ("http://../", "url_host"),
    ("http://a..b/", "url_host"),
    ("http://-/", "url_host"),
    ("http://%/", "url_host"),
    ("http://[::1/", "url_host"),
    ("http://[::g]/", "url_host"),
    ("http://[fe80::1%25eth0]/", "url_host"),
    ("http://exa mple.com/", "url_character"),
    ("http://example.com/a b", "url_character"),
    ("http://example.com\\@10.0.0.1/", "url_character"),
    ("http:\\\\example.com/", "url_character"),
    ("http://example.com/\t", "url_character"),
    ("http://exa\nmple.com/", "url_character"),
    ("\u{0}http://example.com/", "url_character"),
    ("http://example.com/\u{7f}", "url_character"),
    ("http:example.com", "url_slashes"),
    ("http:/example.com", "url_slashes"),
    ("http:///example.com", "url_slashes"),
    ("//example.com/", "url_scheme"),
    ("/etc/passwd", "url_scheme"),
    ("example.com", "url_scheme"),
    ("file:///etc/passwd", "url_scheme"),
    ("gopher://example.com/_x", "url_scheme"),
    ("ftp://example.com/", "url_scheme"),
    ("ws://example.com/", "url_scheme"),
    ("javascript:alert(1)", "url_scheme"),
    ("data:text/plain,x", "url_scheme"),
    ("dict://example.com:11211/stat", "url_scheme"),
    ("unix:/run/docker.sock", "url_scheme"),
    ("http+unix://%2Frun%2Fdocker.sock/", "url_scheme"),
    ("http://user:pass@example.com/", "url_userinfo"),
    ("http://user@example.com/", "url_userinfo"),
    ("http://@example.com/", "url_userinfo"),
    ("http://:@example.com/", "url_userinfo"),
    ("http://example.com@10.0.0.1/", "url_userinfo"),
    ("http://example.com:0/", "url_port"),
    ("http://example.com:65536/", "url_port"),
    ("http://example.com:-1/", "url_port"),
    ("http://example.com:80a/", "url_port"),
    ("http://example.com:99999999999999999999/", "url_port"),
    ("http://example.com/#fragment", "url_fragment"),
    ("http://example.com#@10.0.0.1/", "url_fragment"),
];

/// Headers that no request may have.
fn headers() -> Vec<(&'static str, Value)> {
    let many: serde_json::Map<String, Value> = (0..65).map(|n| (format!("x-{n}"), json!("a"))).collect();
    vec![
        ("a line break in a value", json!({ "x-a": "a\r\nx-b: c" })),
        ("a line feed in a value", json!({ "x-a": "a\nb" })),
        ("a carriage return in a value", json!({ "x-a": "a\rb" })),
        ("NUL in a value", json!({ "x-a": "a\u{0}b" })),
        ("an escape character in a value", json!({ "x-a": "a\u{1b}[2J" })),
        ("DEL in a value", json!({ "x-a": "a\u{7f}" })),
        ("an empty name", json!({ "": "a" })),
        ("a space in a name", json!({ "x a": "a" })),
        ("a space at the end of a name", json!({ "x-a ": "a" })),
        ("a colon in a name", json!({ "x:a": "a" })),
        ("a line break in a name", json!({ "x-a\r\nx-b": "a" })),
        ("a name that is not ASCII", json!({ "x-ä": "a" })),
        ("a pseudo-header", json!({ ":authority": "a" })),
        ("Host", json!({ "Host": "10.0.0.1" })),
        ("Content-Length", json!({ "content-length": "0" })),
        ("Transfer-Encoding", json!({ "Transfer-Encoding": "chunked" })),
        ("Connection", json!({ "connection": "upgrade" })),
        ("Upgrade", json!({ "upgrade": "h2c" })),
        ("TE", json!({ "te": "trailers" })),
        ("Trailer", json!({ "trailer": "x" })),
        ("Proxy-Connection", json!({ "proxy-connection": "keep-alive" })),
        ("Keep-Alive", json!({ "keep-alive": "timeout=5" })),
        ("Expect", json!({ "expect": "100-continue" })),
        ("one of ours", json!({ "TrigRun-Execution-Id": "exe_1" })),
        ("our signature", json!({ "webhook-signature": "v1,x" })),
        ("sixty-five of them", Value::Object(many)),
        ("one of 20 KB", json!({ "x-a": "a".repeat(20_000) })),
        ("a value that is no text", json!({ "x-a": 5 })),
        ("a list in place of them", json!(["x-a"])),
        ("one name in two cases", json!({ "x-a": "a", "X-A": "b" })),
    ]
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (url, code) in URLS {
        cases.push(Case::asks(Family::Syntax, format!("a job: {url:?}"), move |system| async move {
            system
                .ask("POST", "/v1/jobs", &once(json!({ "url": url })))
                .await?
                .expect_wrong("/request/url", code)
        }));
        cases.push(Case::asks(Family::Syntax, format!("a channel: {url:?}"), move |system| async move {
            let channel = json!({ "name": "siege", "type": "webhook", "config": { "url": url } });
            system.ask("POST", "/v1/notification-channels", &channel).await?.expect_wrong("/config/url", code)
        }));
    }
    for (name, size) in
        [("10 KB", 10_240), ("just over 2,048 characters", 2049 - "http://example.com/".len())]
    {
        cases.push(Case::asks(Family::Syntax, format!("a URL of {name}"), move |system| async move {
            let url = format!("http://example.com/{}", "a".repeat(size));
            let reply = system.ask("POST", "/v1/jobs", &once(json!({ "url": url }))).await?;
            reply.expect_wrong("/request/url", "url_too_long")
        }));
    }
    for (name, headers) in headers() {
        cases.push(Case::asks(Family::Requests, format!("headers: {name}"), move |system| {
            let request = json!({ "url": "https://example.com/", "headers": headers });
            async move {
                let reply = system.ask("POST", "/v1/jobs", &once(request)).await?;
                reply.expect_problem(422, "validation_failed")?;
                let pointer = reply.json()["errors"][0]["pointer"].clone();
                ensure!(
                    pointer.as_str().is_some_and(|at| at.starts_with("/request/headers")),
                    "{}",
                    reply.text()
                );
                Ok(())
            }
        }));
    }
    for (name, request) in [
        ("of 300 KB", json!({ "body": "a".repeat(300_000), "method": "POST" })),
        ("of 300 KB, as JSON", json!({ "body": { "a": "a".repeat(300_000) }, "method": "POST" })),
        ("with an unknown method", json!({ "method": "FETCH" })),
        ("with a method that smuggles", json!({ "method": "GET / HTTP/1.1\r\nx: y\r\n\r\nGET" })),
        ("with CONNECT", json!({ "method": "CONNECT" })),
        ("with TRACE", json!({ "method": "TRACE" })),
        ("without time", json!({ "timeout_seconds": 0 })),
        ("with too much time", json!({ "timeout_seconds": 100_000 })),
    ] {
        cases.push(Case::asks(Family::Requests, format!("a request {name}"), move |system| {
            let mut request = request.clone();
            request["url"] = json!("https://example.com/");
            async move {
                let reply = system.ask("POST", "/v1/jobs", &once(request)).await?;
                reply.expect_problem(422, "validation_failed")
            }
        }));
    }
    for (name, value) in
        [("a line break", "a\r\nx-b: c"), ("NUL", "a\u{0}b"), ("a control character", "a\u{1b}b")]
    {
        cases.push(Case::asks(Family::Requests, format!("a secret with {name}"), move |system| async move {
            let secret = json!({ "name": format!("s{}", system.number()), "value": value });
            system.ask("POST", "/v1/secrets", &secret).await?.expect_problem(422, "validation_failed")
        }));
    }
    cases
}
