//! Rules of a job's fields and of query parameters: an invalid value, and the pointer and code of its error. More are in `security/`.

use serde_json::{Value, json};

use crate::{
    app::{App, job},
    authorization::{Operation, SIGN_IN, Seeds, operations},
};

/// A job with one field replaced, and the only expected error.
#[track_caller]
fn case(pointer: &'static str, value: Value, code: &'static str) -> (Value, Vec<(String, String)>) {
    case_at(pointer, value, pointer, code)
}

/// The same with an error at another field than the replaced one.
fn case_at(field: &str, value: Value, pointer: &str, code: &str) -> (Value, Vec<(String, String)>) {
    (with(job(&json!({})), field, value), vec![(pointer.to_owned(), code.to_owned())])
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let mut at = &mut body;
    let mut segments = pointer[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        at = &mut at[segment];
        if segments.peek().is_none() {
            *at = value;
            break;
        }
    }
    body
}

fn cron(expression: &str, timezone: &str) -> Value {
    let schedule = json!({ "cron": expression, "timezone": timezone });
    job(&json!({ "kind": "cron", "schedule": schedule }))
}

async fn expect(app: &App, cases: Vec<(Value, Vec<(String, String)>)>) {
    for (body, expected) in cases {
        let response = app.post("/v1/jobs", &body).await;
        assert_eq!(response.errors(), expected, "{}", &body.to_string()[..body.to_string().len().min(300)]);
        for error in response.json()["errors"].as_array().unwrap() {
            assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
        }
    }
    let stored = app.db.count("select count(*) from jobs").await;
    assert_eq!(stored, 0, "nothing was stored");
}

#[tokio::test]
async fn plain_fields() {
    let app = App::new().await;
    let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let cases = vec![
        case("/name", json!("a".repeat(201)), "length"),
        case("/state", json!("running"), "not_one_of"),
        case("/concurrency_limit", json!(0), "out_of_range"),
        case("/concurrency_limit", json!(-1), "out_of_range"),
        case("/concurrency_limit", json!(1.5), "wrong_type"),
        case("/concurrency_limit", json!("1"), "wrong_type"),
        case("/overlap_policy", json!("cancel"), "not_one_of"),
        case("/misfire_policy", json!("ignore"), "not_one_of"),
        case("/catch_up_limit", json!(0), "out_of_range"),
        case("/catch_up_limit", json!(1001), "out_of_range"),
        case("/delivery", json!("exactly_once"), "not_one_of"),
        case("/tags", json!(many(21)), "too_many"),
        case("/tags", json!([""]), "length"),
        case("/tags", json!(["a".repeat(65)]), "length"),
        case("/tags", json!("a"), "wrong_type"),
        case_at("/tags", json!([1]), "/tags/0", "wrong_type"),
        case("/retry_policy/max_attempts", json!(0), "out_of_range"),
        case("/retry_policy/max_attempts", json!(11), "out_of_range"),
        case("/retry_policy/max_attempts", json!(65_537), "out_of_range"),
        case("/retry_policy/retry_on_statuses", json!([600]), "out_of_range"),
        case("/retry_policy/retry_on_statuses", json!([99]), "out_of_range"),
        case("/retry_policy/retry_on_statuses", json!([5]), "out_of_range"),
        case_at(
            "/retry_policy/retry_on_statuses",
            json!(["6xx"]),
            "/retry_policy/retry_on_statuses/0",
            "wrong_type",
        ),
        case_at(
            "/retry_policy/retry_on_statuses",
            json!([500, "closed_early"]),
            "/retry_policy/retry_on_statuses/1",
            "wrong_type",
        ),
        case("/retry_policy", json!([]), "wrong_type"),
    ];
    expect(&app, cases).await;
}

#[tokio::test]
async fn schedules() {
    let app = App::new().await;
    let at = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    let both = [at("/schedule/cron", "cron_step"), at("/schedule/timezone", "timezone_unknown")].concat();
    let cases = vec![
        case_at("/schedule", json!(null), "/schedule/every_n_minutes", "required"),
        (
            job(&json!({ "kind": "cron", "schedule": { "timezone": "UTC" } })),
            at("/schedule/cron", "required"),
        ),
        (cron("*/0 * * * *", "Nowhere"), both),
    ];
    expect(&app, cases).await;
    let response = app.post("/v1/jobs", &cron("* * * * *", "Europe/Berlim")).await.json();
    assert!(response["errors"][0]["hint"].as_str().unwrap().contains("Europe/Berlin"), "{response}");
}

#[tokio::test]
async fn requests() {
    let app = App::new().await;
    let cases = vec![
        case("/request", json!(null), "required"),
        case("/request", json!("https://example.com"), "wrong_type"),
        case("/request/url", json!(null), "required"),
        case("/request/url", json!(["https://example.com"]), "wrong_type"),
        case("/request/method", json!("FETCH"), "method_unknown"),
        case("/request/timeout_seconds", json!(301), "out_of_range"),
        case("/request/timeout_seconds", json!("30"), "wrong_type"),
        case("/request/success_statuses", json!([]), "empty"),
        case("/request/success_statuses", json!([99]), "out_of_range"),
        case("/request/success_statuses", json!([600]), "out_of_range"),
        case_at("/request/success_statuses", json!(["200"]), "/request/success_statuses/0", "wrong_type"),
        case_at(
            "/request/success_statuses",
            json!(["protocol_error"]),
            "/request/success_statuses/0",
            "wrong_type",
        ),
        case(
            "/request/headers",
            json!({ "a": "v".repeat(9000), "b": "v".repeat(9000) }),
            "headers_too_large",
        ),
        case_at("/request/headers", json!({ "a/b": "x" }), "/request/headers/a~1b", "header_name_invalid"),
        case("/request/body", json!("x".repeat(256 * 1024 + 1)), "body_too_large"),
        case("/request/body", json!("a\u{0}b"), "body_has_nul"),
    ];
    expect(&app, cases).await;
}

#[tokio::test]
async fn unknown_fields() {
    let app = App::new().await;
    let mut cases = Vec::new();
    for pointer in ["/nmae", "/schedule/cronn", "/request/uri", "/retry_policy/backoff"] {
        cases.push(case_at(pointer, json!("x"), pointer, "unknown_field"));
    }
    expect(&app, cases).await;
    let response = app.post("/v1/jobs", &with(job(&json!({})), "/tgas", json!([]))).await.json();
    assert_eq!(response["errors"][0]["hint"], "Did you mean tags?");
}

#[tokio::test]
async fn all_errors_are_reported_together() {
    let app = App::new().await;
    let body = json!({
        "name": 7,
        "kind": "cron",
        "schedule": { "cron": "61 * * * *", "timezone": "Mars/Phobos" },
        "request": { "url": "http://127.0.0.1/", "method": "FETCH", "timeout_seconds": 0, "headers": { "Host": "x" } },
        "retry_policy": { "max_attempts": 99 },
        "tags": ["", "b"],
        "surprise": true,
    });
    let response =
        app.send(hyper::Method::POST, "/v1/jobs", &[("idempotency-key", "")], &body.to_string()).await;
    let pointers: Vec<String> = response.errors().into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(
        pointers,
        [
            "/name",
            "/request/headers/Host",
            "/request/method",
            "/request/timeout_seconds",
            "/request/url",
            "/retry_policy/max_attempts",
            "/schedule/cron",
            "/schedule/timezone",
            "/surprise",
            "/tags",
            "Idempotency-Key",
        ]
    );
    let empty = app.post("/v1/jobs", &json!({})).await.errors();
    assert_eq!(
        empty.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(),
        ["/kind", "/name", "/request"]
    );
}

#[tokio::test]
async fn query_parameters() {
    let app = App::new().await;
    let unreadable = app.get("/v1/jobs?cursor=nonsense").await.errors();
    assert_eq!(unreadable, [("?cursor".to_owned(), "cursor_invalid".to_owned())]);
    let two = app.get("/v1/executions?from=x&status=y").await.errors();
    assert_eq!(two.len(), 2);
}

#[tokio::test]
async fn a_patch_is_validated_and_changes_nothing_if_invalid() {
    let app = App::new().await;
    let id = app.job(&json!({ "tags": ["a"] })).await;
    let path = format!("/v1/jobs/{id}");
    let before = app.get(&path).await.expect(200);
    let cases = [
        (json!({ "name": null }), "/name", "required"),
        (json!({ "name": "" }), "/name", "length"),
        (json!({ "request": { "url": null } }), "/request/url", "required"),
        (json!({ "kind": "cron" }), "/schedule/cron", "required"),
        (json!({ "request": { "headers": { "Host": "x" } } }), "/request/headers/Host", "header_reserved"),
    ];
    for (patch, pointer, code) in cases {
        let errors = app.patch(&path, &patch).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{patch}");
    }
    assert_eq!(app.get(&path).await.expect(200), before);
}

#[tokio::test]
async fn unknown_query_parameters() {
    let app = App::new().await;
    let made =
        app.send(hyper::Method::POST, "/v1/jobs?dry_run=true", &[], &job(&json!({})).to_string()).await;
    assert_eq!(made.errors(), [("?dry_run".to_owned(), "unknown_parameter".to_owned())]);
    assert_eq!(app.db.count("select count(*) from jobs").await, 0);
    assert_eq!(app.get("/v1/me?a=1&b=2").await.errors().len(), 2);
    let near = app.get("/v1/jobs?limt=1").await;
    assert_eq!(near.errors()[0].0, "?limt");
    assert_eq!(near.json()["errors"][0]["hint"], "Did you mean limit?");
}

#[tokio::test]
async fn a_large_body_is_not_validated_in_full() {
    let app = App::new().await;
    let fields: Vec<String> = (0..60_000).map(|n| format!("\"f{n}\":1")).collect();
    let many = format!("{{{}}}", fields.join(","));
    let refused = app.send(hyper::Method::POST, "/v1/jobs", &[], &many).await;
    assert!((1..10).contains(&refused.errors().len()), "{}", refused.text);
    let unauthenticated = app.send(hyper::Method::POST, "/v1/auth/login", &[], &many).await;
    assert_eq!(unauthenticated.problem(413), "body_too_large");
    // A field that cannot be read is not reported as missing.
    let beyond = app.send(hyper::Method::POST, "/v1/jobs", &[], r#"{"concurrency_limit": 1e999}"#).await;
    assert_eq!(beyond.errors(), [("/concurrency_limit".to_owned(), "unreadable".to_owned())]);
}

#[tokio::test]
async fn a_patch_can_remove_every_header() {
    let app = App::new().await;
    let names = || (0..60).map(|n| format!("x-{n}"));
    let headers: serde_json::Map<String, Value> = names().map(|name| (name, json!("a"))).collect();
    let made = app.job(&json!({ "request": { "url": "https://example.com/", "headers": headers } })).await;
    let none: serde_json::Map<String, Value> = names().map(|name| (name, Value::Null)).collect();
    let patch = json!({ "request": { "method": "POST", "headers": none, "body": "a".repeat(200_000) } });
    let patched = app.patch(&format!("/v1/jobs/{made}"), &patch).await.expect(200);
    assert_eq!(patched["request"]["headers"], json!({}));
}

/// Operations without a body refuse what they would ignore. What no rule of JSON allows is refused before anything happens.
#[tokio::test]
async fn operations_that_take_no_body_refuse_one() {
    let app = App::new().await;
    let seeds = Seeds::new(&app).await;
    let session = app.session("owner").await;
    let rows = "select action from audit_entries where action <> 'user.logged_in'";
    let before = app.db.lines(rows).await;
    let takes_none = |it: &Operation| {
        it.method == hyper::Method::POST && it.body(&seeds).is_empty() && !SIGN_IN.contains(&it.id.as_str())
    };
    let mut count = 0;
    for operation in operations().into_iter().filter(takes_none) {
        let path = operation.path_to(&seeds);
        let send = async |headers: &[(&str, &str)], body: &str| {
            app.send_as(&session, operation.method.clone(), &path, headers, body).await
        };
        let refused = send(&[], r#"{"grace_seconds": 5}"#).await;
        assert_eq!(refused.errors(), [("/grace_seconds".to_owned(), "unknown_field".to_owned())], "{path}");
        assert_eq!(send(&[], "5").await.errors()[0].1, "wrong_type", "{path}");
        assert_eq!(send(&[], "{").await.problem(400), "json_invalid", "{path}");
        count += 1;
    }
    assert_eq!((count, app.db.lines(rows).await), (9, before));
    for body in ["{}", " null ", ""] {
        let test = format!("/v1/notification-channels/{}/test", seeds.channel());
        app.post_text(&test, body).await.expect(202);
    }
    let log_out =
        async |body: &str| app.send_as(&session, hyper::Method::POST, "/v1/auth/logout", &[], body).await;
    log_out("{}").await.expect(204);
    assert_eq!(log_out("").await.problem(401), "unauthorized");
}
