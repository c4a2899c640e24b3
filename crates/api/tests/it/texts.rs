//! What programs and agents read: `/llms.txt`, the pages of the documentation, and the schema of a file of jobs.

use hyper::Method;
use serde_json::{Value, json};
use std::{fs, path::Path};

use crate::app::{App, Response};

async fn read(app: &App, path: &str) -> Response {
    let response = app.send_as("nonsense", Method::GET, path, &[], "").await;
    assert_eq!(response.status, 200, "{path}: {}", response.text);
    assert!(response.header("cache-control").unwrap().starts_with("public"), "{path}");
    response
}

/// What stands between the two, wherever they do.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split_once(end).map(|(inside, _)| inside)).collect()
}

#[tokio::test]
async fn every_page_that_the_overview_names_is_served_as_it_is_in_the_repository() {
    let app = App::new().await;
    let overview = read(&app, "/llms.txt").await;
    assert_eq!(overview.header("content-type"), Some("text/plain; charset=utf-8"));
    let pages = between(&overview.text, "](/docs/", ")");
    assert!(pages.len() >= 13, "{pages:?}");
    for page in pages {
        let served = read(&app, &format!("/docs/{page}")).await;
        assert_eq!(served.header("content-type"), Some("text/markdown; charset=utf-8"));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
        assert_eq!(served.text, fs::read_to_string(file).unwrap(), "{page}");
    }
    let others = between(&overview.text, "](/", ")").into_iter().filter(|link| !link.starts_with("docs/"));
    for link in others {
        let response = app.send_as("nonsense", Method::GET, &format!("/{link}"), &[], "").await;
        assert_eq!(response.status, 200, "{link}");
    }
}

#[tokio::test]
async fn a_link_between_the_pages_leads_to_a_page() {
    let app = App::new().await;
    let overview = read(&app, "/llms.txt").await.text;
    for page in between(&overview, "](/docs/", ")") {
        let text = read(&app, &format!("/docs/{page}")).await.text;
        let linked = between(&text, "](", ")").into_iter().filter_map(|link| link.split('#').next());
        let for_users =
            ["configuration.md", "operations.md", "security.md", "kubernetes.md", "reliability.md"];
        for link in linked.filter(|link| link.ends_with(".md") && !link.contains('/')) {
            let response = app.send_as("nonsense", Method::GET, &format!("/docs/{link}"), &[], "").await;
            assert!(response.status == 200 || for_users.contains(&link), "{page} links to {link}");
        }
    }
}

#[tokio::test]
async fn every_request_of_the_overview_is_an_operation() {
    let app = App::new().await;
    let overview = read(&app, "/llms.txt").await.text;
    let requests = between(&overview, "\"$TRIGRUN_URL", "\"");
    assert!(requests.len() >= 5);
    let body = job().to_string();
    app.send(Method::PUT, "/v1/jobs/nightly-report", &[], &body).await.expect(201);
    for request in requests {
        let line = overview.lines().find(|line| line.contains(request)).unwrap();
        let data = between(&overview, &format!("{request}\""), "\n\n")[0];
        let body = between(data, "-d '", "'").first().copied().unwrap_or_default();
        let method = match between(line, "-X ", " ").first() {
            Some(method) => method.parse().unwrap(),
            None if body.is_empty() => Method::GET,
            None => Method::POST,
        };
        let path = request.replace("?wait=25", "");
        let response = app.send(method, &path, &[], body).await;
        assert!(response.status.is_success(), "{line}: {}", response.text);
    }
}

#[tokio::test]
async fn an_unknown_page_is_not_found() {
    let app = App::new().await;
    for page in
        ["nothing.md", "quickstart", "..%2FREADME.md", "style.md", "..%2F..%2FCargo.toml", "quickstart.md%00"]
    {
        let response = app.send_as("nonsense", Method::GET, &format!("/docs/{page}"), &[], "").await;
        assert!(response.problem(404).starts_with("not_found"), "{page}");
    }
}

fn job() -> Value {
    json!({ "schedule": { "cron": "0 4 * * *" }, "request": { "url": "https://example.com/x" } })
}

/// A stack of one job, changed at one place: removed if the value is null.
fn changed(pointer: &str, value: Value) -> Value {
    let mut body = json!({ "stack": "web", "jobs": { "a": job() }, "dry_run": true });
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(parent.remove(field)),
        value => drop(parent.insert(field.to_owned(), value)),
    }
    body
}

#[tokio::test]
async fn the_schema_of_a_file_of_jobs_judges_as_the_api_does() {
    let app = App::new().await;
    let schema: Value = read(&app, "/schema/jobs.json").await.json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(!schema.to_string().contains("#/components"), "it stands alone");
    let schema = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    let long = "x".repeat(201);
    let cases = [
        ("/stack", json!("web-2")),
        ("/stack", Value::Null),
        ("/stack", json!("")),
        ("/stack", json!("Web")),
        ("/stack", json!(7)),
        ("/jobs", Value::Null),
        ("/jobs", json!([])),
        ("/prune", json!("keep")),
        ("/prune", json!("pause")),
        ("/prune", json!("drop")),
        ("/max_deletes", json!(0)),
        ("/max_deletes", json!(1001)),
        ("/max_deletes", json!("many")),
        ("/allow_empty", json!("yes")),
        ("/take_over", json!(true)),
        ("/expect", json!({ "a": null })),
        ("/expect", json!({ "a": "1" })),
        ("/unknown", json!(1)),
        ("/jobs/a/name", json!("A name")),
        ("/jobs/a/name", json!("")),
        ("/jobs/a/name", json!(long)),
        ("/jobs/a/nmae", json!("A name")),
        ("/jobs/a/state", json!("paused")),
        ("/jobs/a/state", json!("completed")),
        ("/jobs/a/tags", json!(["web", "api"])),
        ("/jobs/a/tags", json!("web")),
        ("/jobs/a/tags", json!([1])),
        ("/jobs/a/kind", json!("cron")),
        ("/jobs/a/kind", json!("one_time")),
        ("/jobs/a/concurrency_limit", json!(1)),
        ("/jobs/a/concurrency_limit", json!(0)),
        ("/jobs/a/overlap_policy", json!("skip")),
        ("/jobs/a/overlap_policy", json!("drop")),
        ("/jobs/a/misfire_policy", json!("catch_up")),
        ("/jobs/a/catch_up_limit", json!(1001)),
        ("/jobs/a/delivery", json!("exactly_once")),
        ("/jobs/a/request", Value::Null),
        ("/jobs/a/request/url", Value::Null),
        ("/jobs/a/request/method", json!("POST")),
        ("/jobs/a/request/method", json!("FETCH")),
        ("/jobs/a/request/timeout_seconds", json!(301)),
        ("/jobs/a/request/headers", json!({ "X-A": "1" })),
        ("/jobs/a/request/headers", json!(["X-A: 1"])),
        ("/jobs/a/retry_policy", json!({ "max_attempts": 3 })),
        ("/jobs/a/retry_policy", json!({ "max_attempts": 0 })),
        ("/jobs/a/retry_policy", json!({ "attempts": 3 })),
        ("/jobs/a/schedule/timezone", json!("Europe/Berlin")),
        ("/jobs/a/schedule/timezone", json!(1)),
        ("/jobs/a/schedule/corn", json!("0 4 * * *")),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for (pointer, value) in cases {
        let body = changed(pointer, value);
        let response = app.post("/v1/jobs/apply", &body).await;
        let errors: Vec<String> = schema.iter_errors(&body).map(|error| error.to_string()).collect();
        assert_eq!(
            response.status == 200,
            errors.is_empty(),
            "{pointer} {body}: {} {errors:?}",
            response.text
        );
        *if errors.is_empty() { &mut accepted } else { &mut refused } += 1;
    }
    assert!(accepted >= 15 && refused >= 25, "{accepted} {refused}");
}
