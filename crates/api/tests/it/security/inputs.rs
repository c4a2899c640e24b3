//! Suites D and E: invalid URLs, headers and bodies of requests.

use serde_json::{Map, Value, json};

use super::{
    case::{Case, Suite},
    system::once,
};

/// Invalid URLs, and the code of the error.
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

/// Headers that no request may have: the pointer within `/request/headers`, and the code.
fn headers() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let many: Map<String, Value> = (0..65).map(|n| (format!("x-{n}"), json!("a"))).collect();
    let value = |name, value: &str| (name, json!({ "x-a": value }), "/x-a", "header_value_invalid");
    let name = |name, header: &str, pointer| (name, json!({ header: "a" }), pointer, "header_name_invalid");
    let reserved = |header: &'static str, value: &str, pointer| {
        (header, json!({ header: value }), pointer, "header_reserved")
    };
    vec![
        value("a line break in a value", "a\r\nx-b: c"),
        value("a line feed in a value", "a\nb"),
        value("a carriage return in a value", "a\rb"),
        value("NUL in a value", "a\u{0}b"),
        value("an escape character in a value", "a\u{1b}[2J"),
        value("DEL in a value", "a\u{7f}"),
        name("an empty name", "", "/"),
        name("a space in a name", "x a", "/x a"),
        name("a space at the end of a name", "x-a ", "/x-a "),
        name("a colon in a name", "x:a", "/x:a"),
        name("a line break in a name", "x-a\r\nx-b", "/x-a\r\nx-b"),
        name("a name that is not ASCII", "x-ä", "/x-ä"),
        name("a pseudo-header", ":authority", "/:authority"),
        reserved("Host", "10.0.0.1", "/Host"),
        reserved("content-length", "0", "/content-length"),
        reserved("Transfer-Encoding", "chunked", "/Transfer-Encoding"),
        reserved("connection", "upgrade", "/connection"),
        reserved("upgrade", "h2c", "/upgrade"),
        reserved("te", "trailers", "/te"),
        reserved("trailer", "x", "/trailer"),
        reserved("proxy-connection", "keep-alive", "/proxy-connection"),
        reserved("proxy-authorization", "x", "/proxy-authorization"),
        reserved("keep-alive", "timeout=5", "/keep-alive"),
        reserved("expect", "100-continue", "/expect"),
        reserved("TrigRun-Execution-Id", "exe_1", "/TrigRun-Execution-Id"),
        reserved("TrigRun-Attempt", "1", "/TrigRun-Attempt"),
        reserved("traceparent", "x", "/traceparent"),
        reserved("webhook-signature", "v1,x", "/webhook-signature"),
        ("sixty-five headers", Value::Object(many), "", "too_many_headers"),
        ("a header of 20 KB", json!({ "x-a": "a".repeat(20_000) }), "", "headers_too_large"),
        ("a value that is not a string", json!({ "x-a": 5 }), "/x-a", "wrong_type"),
        ("a list in place of an object", json!(["x-a"]), "", "wrong_type"),
        ("one name in two cases", json!({ "X-A": "b", "x-a": "a" }), "/x-a", "header_twice"),
    ]
}

/// Other fields of a request: the field, its value, and the code.
fn fields() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    vec![
        ("a body of 300 KB", "body", json!("a".repeat(300_000)), "body_too_large"),
        ("a body of 300 KB, as JSON", "body", json!({ "a": "a".repeat(300_000) }), "body_too_large"),
        ("an unknown method", "method", json!("FETCH"), "method_unknown"),
        (
            "a method that smuggles a request",
            "method",
            json!("GET / HTTP/1.1\r\nx: y\r\n\r\nGET"),
            "method_unknown",
        ),
        ("CONNECT", "method", json!("CONNECT"), "method_unknown"),
        ("TRACE", "method", json!("TRACE"), "method_unknown"),
        ("a timeout of 0", "timeout_seconds", json!(0), "out_of_range"),
        ("a timeout of a day", "timeout_seconds", json!(86_400), "out_of_range"),
    ]
}

pub fn urls() -> Suite {
    let mut cases = Vec::new();
    for (url, code) in URLS {
        cases.push(Case::new(format!("a job: {url:?}"), move |system| async move {
            let response = system.call("POST", "/v1/jobs", &once(json!({ "url": url }))).await?;
            response.expect_invalid("/request/url", code)
        }));
        cases.push(Case::new(format!("a channel: {url:?}"), move |system| async move {
            let channel = json!({ "name": "invalid", "type": "webhook", "config": { "url": url } });
            let response = system.call("POST", "/v1/notification-channels", &channel).await?;
            response.expect_invalid("/config/url", code)
        }));
    }
    for (name, size) in
        [("10 KB", 10_240), ("just over 2,048 characters", 2049 - "http://example.com/".len())]
    {
        cases.push(Case::new(format!("a URL of {name}"), move |system| async move {
            let url = format!("http://example.com/{}", "a".repeat(size));
            let response = system.call("POST", "/v1/jobs", &once(json!({ "url": url }))).await?;
            response.expect_invalid("/request/url", "url_too_long")
        }));
    }
    Suite { letter: 'D', cases }
}

pub fn headers_and_bodies() -> Suite {
    let mut cases = Vec::new();
    for (name, headers, pointer, code) in headers() {
        let request = json!({ "url": "https://example.com/", "headers": headers });
        cases.push(invalid_request(
            format!("headers: {name}"),
            request,
            format!("/request/headers{pointer}"),
            code,
        ));
    }
    for (name, field, value, code) in fields() {
        let mut request = json!({ "url": "https://example.com/", "method": "POST" });
        request[field] = value;
        cases.push(invalid_request(
            format!("a request with {name}"),
            request,
            format!("/request/{field}"),
            code,
        ));
    }
    for (name, value) in
        [("a line break", "a\r\nx-b: c"), ("NUL", "a\u{0}b"), ("a control character", "a\u{1b}b")]
    {
        cases.push(Case::new(format!("a secret with {name}"), move |system| async move {
            let secret = json!({ "name": format!("s{}", system.number()), "value": value });
            let response = system.call("POST", "/v1/secrets", &secret).await?;
            response.expect_invalid("/value", "control_character")
        }));
    }
    Suite { letter: 'E', cases }
}

fn invalid_request(name: String, request: Value, pointer: String, code: &'static str) -> Case {
    Case::new(name, move |system| {
        let (job, pointer) = (once(request.clone()), pointer.clone());
        async move { system.call("POST", "/v1/jobs", &job).await?.expect_invalid(&pointer, code) }
    })
}
