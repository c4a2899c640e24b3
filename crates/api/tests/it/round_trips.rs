//! What GET returned can be sent back, and conditions compare what GET shows.

use chrono::TimeDelta;
use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::domain::attempt::Disposition;

use crate::{
    app::{App, Response, job},
    executions::{attempt, failed},
};

async fn every_kind(app: &App) -> Vec<String> {
    let request = json!({ "url": "https://example.com/", "method": "POST", "headers": { "X-A": "1" }, "body": { "a": 1.0 } });
    let mut paths = Vec::new();
    for change in [
        json!({ "request": request, "tags": ["a"], "concurrency_limit": 3 }),
        json!({ "kind": "cron", "schedule": { "cron": "@daily", "timezone": "Europe/Berlin" }, "state": "paused", "delivery": "at_most_once" }),
        json!({ "kind": "scheduled", "schedule": { "run_at": "2999-01-01T00:00:00Z" } }),
        json!({ "kind": "one_time", "schedule": null }),
        json!({ "state": "draft" }),
    ] {
        paths.push(format!("/v1/jobs/{}", app.job(&change).await));
    }
    paths
}

#[tokio::test]
async fn a_job_can_be_sent_back_by_a_change() {
    let app = App::new().await;
    for path in every_kind(&app).await {
        let before = app.get(&path).await.expect(200);
        assert_eq!(app.patch(&path, &before).await.expect(200), before, "nothing changed");
        assert_eq!(app.patch(&path, &json!({})).await.expect(200), before);
        assert_eq!(app.patch(&path, &json!({ "name": before["name"] })).await.expect(200), before);
        // A generated client writes instants and numbers in its own way.
        let mut respelled = before.clone();
        respelled["created_at"] = json!(before["created_at"].as_str().unwrap().replace('Z', "+00:00"));
        respelled["version"] = json!(1.0);
        assert_eq!(app.patch(&path, &respelled).await.expect(200), before);
        let mut renamed = before.clone();
        renamed["name"] = json!("renamed");
        let after = app.patch(&path, &renamed).await.expect(200);
        assert_eq!((&after["name"], &after["version"]), (&json!("renamed"), &json!(2)));
        for field in ["kind", "schedule", "request", "state", "delivery", "tags", "concurrency_limit"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        let stale = app.patch(&path, &before).await;
        assert_eq!(stale.errors(), [("/version".to_owned(), "read_only".to_owned())]);
    }
    assert_eq!(app.db.count("select count(*) from job_versions where version > 2").await, 0);
}

#[tokio::test]
async fn a_job_can_be_sent_back_as_a_copy() {
    let app = App::new().await;
    for path in every_kind(&app).await {
        let original = app.get(&path).await.expect(200);
        let copy = app.post("/v1/jobs", &original).await.expect(201);
        assert_ne!(copy["id"], original["id"]);
        for field in ["name", "kind", "schedule", "request", "retry_policy", "state", "delivery", "tags"] {
            assert_eq!(copy[field], original[field], "{field}");
        }
    }
    let list = app.get("/v1/jobs").await.expect(200);
    for listed in list["data"].as_array().unwrap() {
        app.post("/v1/jobs", listed).await.expect(201);
    }
}

#[tokio::test]
async fn a_completed_job_can_be_sent_back() {
    let app = App::new().await;
    let made = app.post("/v1/jobs", &job(&json!({ "kind": "one_time", "schedule": null }))).await.expect(201);
    let path = format!("/v1/jobs/{}", made["id"].as_str().unwrap());
    let active = app.get(&path).await.expect(200);
    attempt(&app, made["execution_id"].as_str().unwrap(), failed().0, Disposition::Succeeded).await;
    let completed = app.get(&path).await.expect(200);
    assert_eq!(completed["state"], "completed");
    assert_eq!(app.patch(&path, &completed).await.expect(200), completed);
    let mut renamed = completed.clone();
    renamed["name"] = json!("renamed");
    let renamed = app.patch(&path, &renamed).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["state"]), (&json!("renamed"), &json!("completed")));
    // It was active when it was read.
    assert_eq!(app.patch(&path, &json!({ "state": active["state"] })).await.problem(409), "job_completed");
    let copy = app.post("/v1/jobs", &completed).await.expect(201);
    assert_eq!((&copy["state"], copy["execution_id"].is_string()), (&json!("active"), true));
    let wanted = job(&json!({ "state": "completed" }));
    assert_eq!(app.post("/v1/jobs", &wanted).await.errors()[0].1, "not_one_of");
}

#[tokio::test]
async fn what_trigrun_sets_cannot_be_changed() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let before = app.get(&path).await.expect(200);
    for (field, value) in [
        ("id", json!("job_01h455vb4pex5vsknk084sn02q")),
        ("version", json!(7)),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("next_run_at", json!("2999-01-01T00:00:00Z")),
        ("next_run_at", json!("soon")),
    ] {
        let errors = app.patch(&path, &json!({ field: value, "name": "other" })).await.errors();
        assert_eq!(errors, [(format!("/{field}"), "read_only".to_owned())]);
    }
    // The run that the client has read is over by now.
    let read = json!({ "next_run_at": app.db.now().await - TimeDelta::seconds(1), "last_execution": null });
    assert_eq!(app.patch(&path, &read).await.expect(200), before);
    for null in [
        json!({ "nmae": null }),
        json!({ "schedule": { "crn": null } }),
        json!({ "request": { "uri": null } }),
    ] {
        assert_eq!(app.patch(&path, &null).await.errors()[0].1, "unknown_field", "{null}");
    }
    let absent = json!({ "request": { "headers": { "X-None": null } }, "schedule": { "cron": null } });
    assert_eq!(app.patch(&path, &absent).await.expect(200), before, "there is nothing to remove");
}

#[tokio::test]
async fn the_etag_changes_with_everything_that_is_shown() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let etag = async || {
        let (get, head) = (app.get(&path).await, app.send(Method::HEAD, &path, &[], "").await);
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
        assert_eq!(head.header("etag"), get.header("etag"));
        get.header("etag").unwrap().to_owned()
    };
    let send = async |method: Method, path: &str, tag: &str, body: &str| -> Response {
        app.send(method, path, &[("if-match", tag)], body).await
    };
    let first = etag().await;
    assert_eq!(first, etag().await);
    let run = app.send(Method::POST, &format!("{path}/run-now"), &[], "").await.expect(202);
    let queued = etag().await;
    assert_ne!(queued, first, "the last execution is another one");
    attempt(&app, run["id"].as_str().unwrap(), failed().0, failed().1).await;
    let ended = etag().await;
    assert_ne!(ended, queued, "its status is another one");
    app.db.execute("update job_timers set next_run_at = next_run_at + interval '5 minutes'").await;
    let moved = etag().await;
    assert_ne!(moved, ended, "the next run is another one");
    let (pause, resume) = (format!("{path}/pause"), format!("{path}/resume"));
    for (method, path, body) in [
        (Method::PATCH, &path, r#"{"name":"a"}"#),
        (Method::POST, &pause, ""),
        (Method::POST, &resume, ""),
        (Method::DELETE, &path, ""),
    ] {
        assert_eq!(send(method.clone(), path, &first, body).await.problem(412), "version_mismatch", "{path}");
        let invalid = send(method, path, "1", body).await.errors();
        assert_eq!(invalid, [("If-Match".to_owned(), "etag_invalid".to_owned())], "{path}");
    }
    let patched = send(Method::PATCH, &path, &moved, r#"{"name":"a"}"#).await;
    assert_eq!(patched.header("etag"), Some(etag().await.as_str()), "{}", patched.text);
    let paused = send(Method::POST, &pause, &etag().await, "").await;
    assert_eq!(paused.header("etag"), Some(etag().await.as_str()), "{}", paused.text);
    // The version alone, for a client that wants to know of changes only.
    send(Method::POST, &resume, "\"3\"", "").await.expect(200);
    assert_eq!(send(Method::DELETE, &path, "\"3\"", "").await.problem(412), "version_mismatch");
    send(Method::DELETE, &path, &etag().await, "").await.expect(204);
}

#[tokio::test]
async fn operations_without_a_body_refuse_one() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let run_now = format!("{path}/run-now");
    let run = app.post_text(&run_now, "{}").await.expect(202);
    app.post_text(&format!("{path}/resume"), "null").await.expect(200);
    let run = format!("/v1/executions/{}", run["id"].as_str().unwrap());
    for path in [
        &run_now,
        &format!("{path}/pause"),
        &format!("{path}/resume"),
        &format!("{run}/replay"),
        &format!("{run}/cancel"),
    ] {
        let unknown = app.post(path, &json!({ "body": { "a": 1 }, "delay": 5 })).await.errors();
        let expected = ["/body", "/delay"].map(|at| (at.to_owned(), "unknown_field".to_owned()));
        assert_eq!(unknown, expected, "{path}");
        assert_eq!(app.post_text(path, "[]").await.problem(422), "validation_failed", "{path}");
        assert_eq!(app.post_text(path, "{").await.problem(400), "json_invalid", "{path}");
    }
    assert_eq!(app.db.count("select count(*) from all_executions").await, 1);
    assert_eq!(app.get(&path).await.expect(200)["version"], 1);
}

#[tokio::test]
async fn a_whole_number_may_have_a_fraction_of_zero() {
    let app = App::new().await;
    let text = r#"{"name":"d","kind":"recurring","schedule":{"every_n_minutes":5.0},"concurrency_limit":3e0,
        "request":{"url":"https://example.com/","timeout_seconds":30.0,"success_statuses":[200.0,2.01e2]},"retry_policy":{"max_attempts":2.0}}"#;
    let job = app.post_text("/v1/jobs", text).await.expect(201);
    assert_eq!((&job["schedule"]["every_n_minutes"], &job["concurrency_limit"]), (&json!(5), &json!(3)));
    assert_eq!(
        (&job["request"]["timeout_seconds"], &job["retry_policy"]["max_attempts"]),
        (&json!(30), &json!(2))
    );
    assert_eq!(job["request"]["success_statuses"], json!([200, 201]));
    for (number, code) in
        [("30.5", "wrong_type"), ("1e300", "out_of_range"), ("99999999999999999999", "out_of_range")]
    {
        let text = text.replace("30.0", number);
        let errors = app.post_text("/v1/jobs", &text).await.errors();
        assert_eq!(errors, [("/request/timeout_seconds".to_owned(), code.to_owned())], "{number}");
    }
    let preview: Value = json!({ "kind": "recurring", "schedule": { "every_n_minutes": 5.0 }, "count": 2.0 });
    assert_eq!(
        app.post("/v1/schedules/preview", &preview).await.expect(200)["fires"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn channels_rules_and_the_workspace_can_be_sent_back() {
    let app = App::new().await;
    let config = json!({ "url": "https://hooks.example.com/a-secret-path" });
    let channel = json!({ "name": "on call", "type": "webhook", "config": config });
    let channel = app.post("/v1/notification-channels", &channel).await.expect(201);
    let sealed = "select encode(sealed, 'hex') from channels";
    let before = app.db.lines(sealed).await;
    let rule = json!({ "channel_id": channel["id"], "event": "on_failure", "selector": "tag", "value": "a" });
    let rule = app.post("/v1/notification-rules", &rule).await.expect(201);
    let of_job = json!({ "channel_id": channel["id"], "event": "on_success" });
    let rules = format!("/v1/jobs/{}/notification-rules", app.job(&json!({})).await);
    let of_job = app.post(&rules, &of_job).await.expect(201);
    let path = |of: &str, thing: &Value| format!("{of}/{}", thing["id"].as_str().unwrap());
    for (path, thing) in [
        (path("/v1/notification-channels", &channel), &channel),
        (path("/v1/notification-rules", &rule), &rule),
        (path(&rules, &of_job), &of_job),
        ("/v1/workspace".to_owned(), &app.get("/v1/workspace").await.expect(200)),
    ] {
        let mut after = app.patch(&path, thing).await.expect(200);
        after["updated_at"] = thing["updated_at"].clone();
        let mut thing = thing.clone();
        thing["updated_at"] = after["updated_at"].clone();
        assert_eq!(after, thing, "{path}");
        let errors = app.patch(&path, &json!({ "id": "another" })).await.errors();
        assert_eq!(errors, [("/id".to_owned(), "read_only".to_owned())], "{path}");
        let errors = app.patch(&path, &json!({ "id": thing["id"], "idd": 1 })).await.errors();
        assert_eq!(errors, [("/idd".to_owned(), "unknown_field".to_owned())], "{path}");
    }
    // The config is shown with a mask: it is not written back.
    assert_eq!(app.db.lines(sealed).await, before);
    let elsewhere = app
        .patch(&path("/v1/notification-channels", &channel), &json!({ "config": { "url": "https://…" } }))
        .await;
    assert_eq!(elsewhere.problem(422), "validation_failed");
    // A copy has an id of its own.
    app.post("/v1/notification-channels", &json!({ "name": "other", "type": "webhook", "config": config, "id": channel["id"], "last_delivery": null })).await.expect(201);
    let mut another = rule.clone();
    another["value"] = json!("b");
    assert_ne!(app.post("/v1/notification-rules", &another).await.expect(201)["id"], rule["id"]);
}
