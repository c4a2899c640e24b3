//! Keys of jobs: in bodies, in paths, and with PUT.

use hyper::Method;
use serde_json::{Value, json};

use crate::app::{App, Response, job};

async fn put(app: &App, key: &str, headers: &[(&str, &str)], body: &Value) -> Response {
    app.send(Method::PUT, &format!("/v1/jobs/{key}"), headers, &body.to_string()).await
}

fn hourly() -> Value {
    json!({ "schedule": { "cron": "0 * * * *" }, "request": { "url": "https://example.com/" } })
}

#[tokio::test]
async fn a_key_stands_wherever_an_id_can() {
    let app = App::new().await;
    let id = app.job(&json!({ "key": "nightly-report" })).await;
    let by_key = "/v1/jobs/nightly-report";
    assert_eq!(app.get(by_key).await.expect(200)["id"], json!(id));
    app.patch(by_key, &json!({ "tags": ["a"] })).await.expect(200);
    for (method, path, status) in [
        (Method::POST, "/pause", 200),
        (Method::POST, "/resume", 200),
        (Method::POST, "/run-now", 202),
        (Method::GET, "/ledger", 200),
        (Method::GET, "/executions", 200),
        (Method::GET, "/notification-rules", 200),
    ] {
        app.send(method, &format!("{by_key}{path}"), &[], "").await.expect(status);
    }
    let channel = json!({ "name": "a", "type": "webhook", "config": { "url": "https://example.com/" } });
    let channel = app.post("/v1/notification-channels", &channel).await.expect(201);
    app.get("/v1/notifications?job_id=nightly-report").await.expect(200);
    let next = app.get("/v1/upcoming?job_id=nightly-report&limit=1").await.expect(200);
    assert_eq!(next["data"][0]["job_id"], json!(id));
    let spread = json!({ "job_ids": ["nightly-report", "none"], "from": "2999-01-01T00:00:00Z" });
    let spread = app.post("/v1/forecast/spread", &spread).await.expect(200);
    assert_eq!(spread["kept"], json!([{ "job_id": id, "reason": "not_cron" }]));
    let filter =
        json!({ "from": "2020-01-01T00:00:00Z", "job_id": "nightly-report", "job_ids": ["nightly-report"] });
    let found = json!({ "action": "cancel", "dry_run": true, "filter": filter });
    assert_eq!(app.post("/v1/executions/bulk", &found).await.expect(200)["matched"], 1);
    let rule = json!({ "channel_id": channel["id"], "event": "on_failure" });
    let rule = app.post(&format!("{by_key}/notification-rules"), &rule).await.expect(201);
    let rule = format!("{by_key}/notification-rules/{}", rule["id"].as_str().unwrap());
    app.delete(&rule).await.expect(204);
    app.delete(&rule).await.expect(404);
    app.delete(by_key).await.expect(204);
    let gone = app.get(by_key).await.expect(404);
    assert_eq!(gone["detail"], "There is no job with this id or key in this workspace.");
    app.post("/v1/jobs", &job(&json!({ "key": "nightly-report" }))).await.expect(201);
}

#[tokio::test]
async fn a_key_is_unique_and_may_change() {
    let app = App::new().await;
    app.job(&json!({ "key": "a" })).await;
    let id = app.job(&json!({ "key": "b", "stack": "s" })).await;
    let taken = app.post("/v1/jobs", &job(&json!({ "key": "a" }))).await;
    assert!(taken.problem(409).contains("key_taken"), "{}", taken.text);
    let taken = app.patch("/v1/jobs/b", &json!({ "key": "a" })).await;
    assert!(taken.problem(409).contains("key_taken"), "{}", taken.text);
    let items = json!({ "items": [job(&json!({ "key": "c" })), job(&json!({ "key": "c" }))] });
    assert!(app.post("/v1/jobs/batch", &items).await.problem(409).contains("key_taken"));
    assert_eq!(app.db.count("select count(*) from jobs").await, 2);
    let changed = app.patch("/v1/jobs/b", &json!({ "key": "c", "stack": null })).await.expect(200);
    assert_eq!(
        (&changed["key"], &changed["stack"], &changed["version"]),
        (&json!("c"), &Value::Null, &json!(2))
    );
    app.get("/v1/jobs/b").await.expect(404);
    app.patch(&format!("/v1/jobs/{id}"), &json!({ "key": null })).await.expect(200);
    app.get("/v1/jobs/c").await.expect(404);
    let other = app.db.workspace("other").await;
    let other = app.token_of(other, trigrun_core::domain::access::Scope::ALL).await;
    app.send_as(&other, Method::GET, "/v1/jobs/a", &[], "").await.expect(404);
    let theirs = job(&json!({ "key": "a" })).to_string();
    app.send_as(&other, Method::POST, "/v1/jobs", &[], &theirs).await.expect(201);
}

#[tokio::test]
async fn lists_are_filtered_by_stack() {
    let app = App::new().await;
    app.job(&json!({ "stack": "web" })).await;
    app.job(&json!({})).await;
    assert_eq!(app.get("/v1/jobs?stack=web").await.expect(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(app.get("/v1/jobs?stack=none").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn the_kind_follows_from_the_schedule() {
    let app = App::new().await;
    for (schedule, kind) in [
        (json!({ "every_n_minutes": 5 }), "recurring"),
        (json!({ "cron": "@daily", "timezone": "Asia/Kolkata" }), "cron"),
        (json!({ "run_at": "2999-01-01T00:00:00Z" }), "scheduled"),
    ] {
        let body = json!({ "name": "a", "schedule": schedule, "request": { "url": "https://example.com/" } });
        assert_eq!(app.post("/v1/jobs", &body).await.expect(201)["kind"], kind);
    }
    for schedule in [json!({}), json!({ "cron": "@daily", "every_n_minutes": 5 })] {
        let body = json!({ "name": "a", "schedule": schedule, "request": { "url": "https://example.com/" } });
        assert_eq!(app.post("/v1/jobs", &body).await.errors(), [("/kind".to_owned(), "required".to_owned())]);
    }
}

#[tokio::test]
async fn put_creates_replaces_and_leaves_alone() {
    let app = App::new().await;
    let created = put(&app, "hourly", &[], &hourly()).await;
    assert_eq!(
        created.header("location").unwrap(),
        format!("/v1/jobs/{}", created.expect(201)["id"].as_str().unwrap())
    );
    let created = created.expect(201);
    assert_eq!((&created["key"], &created["name"]), (&json!("hourly"), &json!("hourly")));
    let again = put(&app, "hourly", &[], &hourly()).await;
    assert_eq!((again.header("trigrun-unchanged"), &again.expect(200)["version"]), (Some("true"), &json!(1)));
    app.patch("/v1/jobs/hourly", &json!({ "stack": "web", "tags": ["a"] })).await.expect(200);
    app.post("/v1/jobs/hourly/pause", &json!({})).await.expect(200);
    let replaced = put(&app, "hourly", &[], &hourly()).await;
    assert_eq!(replaced.header("trigrun-unchanged"), None);
    let replaced = replaced.expect(200);
    assert_eq!(
        (&replaced["tags"], &replaced["state"], &replaced["stack"]),
        (&json!([]), &json!("paused"), &json!("web"))
    );
    let job = app.get("/v1/jobs/hourly").await;
    let read_back = put(&app, "hourly", &[], &job.json()).await;
    assert_eq!(read_back.header("trigrun-unchanged"), Some("true"), "{}", read_back.text);
}

#[tokio::test]
async fn put_has_conditions() {
    let app = App::new().await;
    let only_create = [("if-none-match", "*")];
    let created = put(&app, "a", &only_create, &hourly()).await;
    let etag = created.header("etag").unwrap().to_owned();
    created.expect(201);
    assert!(put(&app, "a", &only_create, &hourly()).await.problem(412).contains("job_exists"));
    let mut other = hourly();
    other["tags"] = json!(["x"]);
    put(&app, "b", &[("if-match", &etag)], &other).await.problem(412);
    put(&app, "a", &[("if-match", &etag)], &other).await.expect(200);
    put(&app, "a", &[("if-match", &etag)], &hourly()).await.problem(412);
    put(&app, "a", &[("if-match", "\"2\"")], &hourly()).await.expect(200);
    let errors = put(&app, "a", &[("if-none-match", "\"1\"")], &hourly()).await.errors();
    assert_eq!(errors[0], ("If-None-Match".to_owned(), "etag_invalid".to_owned()));
}

#[tokio::test]
async fn put_plans_without_a_change() {
    let app = App::new().await;
    let planned = put(&app, "a?dry_run=true", &[], &hourly()).await.expect(200);
    assert_eq!((&planned["action"], &planned["version"]), (&json!("create"), &Value::Null));
    assert_eq!(app.db.count("select count(*) from jobs").await, 0);
    put(&app, "a", &[], &hourly()).await.expect(201);
    let mut other = hourly();
    other["schedule"]["cron"] = json!("30 * * * *");
    let planned = put(&app, "a?dry_run=true", &[], &other).await.expect(200);
    let field = json!({ "pointer": "/schedule/cron", "before": "0 * * * *", "after": "30 * * * *" });
    assert_eq!((&planned["action"], &planned["fields"]), (&json!("update"), &json!([field])));
    assert_ne!(planned["next_run_at"]["before"], planned["next_run_at"]["after"]);
    assert_eq!(app.get("/v1/jobs/a").await.expect(200)["version"], 1);
}

#[tokio::test]
async fn put_takes_a_key_only() {
    let app = App::new().await;
    let id = app.job(&json!({})).await;
    for (path, code) in [(id.as_str(), "key_invalid"), ("Nightly", "key_invalid"), ("counts", "key_reserved")]
    {
        assert_eq!(put(&app, path, &[], &hourly()).await.errors(), [("{id}".to_owned(), code.to_owned())]);
    }
    let mut once = hourly();
    once["kind"] = json!("one_time");
    once["key"] = json!("b");
    let errors = put(&app, "a", &[], &once).await.errors();
    let errors: Vec<_> = errors.iter().map(|(at, code)| (at.as_str(), code.as_str())).collect();
    assert!(
        errors.contains(&("/key", "key_differs")) && errors.contains(&("/kind", "not_declarative")),
        "{errors:?}"
    );
}
