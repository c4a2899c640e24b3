//! Pauses with a note and an end.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::domain::access::Scope;

use crate::app::{Api, App};
use trigrun_api::Plan;

const UNTIL: &str = "2999-01-01T09:00:00.000Z";

#[tokio::test]
async fn a_pause_says_who_why_and_until_when() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let path = format!("/v1/jobs/{job}");
    let pause = format!("{path}/pause");
    assert_eq!(app.get(&path).await.expect(200)["paused"], Value::Null);
    let paused = app.post(&pause, &json!({ "note": "moving", "until": UNTIL })).await.expect(200);
    assert_eq!((&paused["state"], &paused["version"]), (&json!("paused"), &json!(2)));
    let by = paused["paused"]["by"].clone();
    assert_eq!((&by["type"], &by["name"]), (&json!("token"), &json!("test")));
    let shown = json!({ "at": paused["paused"]["at"], "by": by, "note": "moving", "until": UNTIL });
    assert_eq!(paused["paused"], shown);
    assert_eq!(app.get("/v1/jobs").await.expect(200)["data"][0]["paused"], shown);

    // Without a body, nothing changes; what is said again is no change either.
    for body in ["", "null", "{}", &json!({ "note": "moving", "until": UNTIL }).to_string()] {
        let same = app.send(Method::POST, &pause, &[], body).await.expect(200);
        assert_eq!((&same["version"], &same["paused"]), (&json!(2), &shown), "{body}");
    }
    let longer = app.post(&pause, &json!({ "note": "still moving" })).await.expect(200);
    assert_eq!((&longer["version"], &longer["paused"]["note"]), (&json!(3), &json!("still moving")));
    assert_eq!((&longer["paused"]["until"], &longer["paused"]["at"]), (&Value::Null, &shown["at"]));
    let renamed =
        app.patch(&path, &json!({ "name": "renamed", "paused": longer["paused"] })).await.expect(200);
    assert_eq!(renamed["paused"], longer["paused"], "an edit keeps the pause");
    let resumed = app.send(Method::POST, &format!("{path}/resume"), &[], "").await.expect(200);
    assert_eq!((&resumed["state"], &resumed["paused"]), (&json!("active"), &Value::Null));
    let log = app.get("/v1/audit-log?action=job.paused").await.expect(200);
    let details: Vec<&Value> =
        log["data"].as_array().unwrap().iter().map(|entry| &entry["details"]).collect();
    assert_eq!(
        details,
        [
            &json!({ "version": "3", "note": "still moving" }),
            &json!({ "version": "2", "note": "moving", "until": UNTIL })
        ]
    );
    app.patch(&path, &json!({ "state": "paused" })).await.expect(200);
    let created = app.post("/v1/jobs", &crate::app::job(&json!({ "state": "paused" }))).await.expect(201);
    assert_eq!(created["paused"]["note"], Value::Null);
    assert_eq!(app.db.count("select count(*) from pauses").await, 2);
    app.delete(&path).await.expect(204);
    assert_eq!(app.db.count("select count(*) from pauses").await, 1);
}

#[tokio::test]
async fn a_pause_is_checked() {
    let app = App::new().await;
    let pause = format!("/v1/jobs/{}/pause", app.job(&json!({})).await);
    for (body, pointer, code) in [
        (json!({ "note": "" }), "/note", "length"),
        (json!({ "note": "a".repeat(501) }), "/note", "length"),
        (json!({ "note": "a\nb" }), "/note", "control_character"),
        (json!({ "until": "tomorrow" }), "/until", "instant_invalid"),
        (json!({ "until": "2020-01-01T00:00:00Z" }), "/until", "in_the_past"),
        (json!({ "reason": "a" }), "/reason", "unknown_field"),
    ] {
        assert_eq!(app.post(&pause, &body).await.errors(), [(pointer.to_owned(), code.to_owned())], "{body}");
    }
    let refused = app.post("/v1/jobs", &crate::app::job(&json!({ "paused": true }))).await.errors();
    assert_eq!(refused[0].0, "/paused", "it does not mean the state");
    let draft = app.job(&json!({ "state": "draft" })).await;
    let refused = app.post(&format!("/v1/jobs/{draft}/pause"), &json!({ "until": UNTIL })).await;
    assert_eq!(refused.problem(409), "job_is_draft");
    let reader = app.token_of(app.workspace, &[Scope::JobsRead]).await;
    app.send_as(&reader, Method::POST, &pause, &[], "").await.expect(403);
    let deep = app
        .send(Method::POST, &pause, &[("trigrun-depth", "4")], &json!({ "until": UNTIL }).to_string())
        .await;
    assert_eq!(deep.problem(508), "loop_detected", "the job would run after the pause");
    app.send(Method::POST, &pause, &[("trigrun-depth", "4")], "").await.expect(200);
}

#[tokio::test]
async fn the_run_after_a_pause_keeps_to_the_plan() {
    let mut app = App::new().await;
    app.api = Api::start_with(app.db.settings(), |settings| {
        settings.plans.insert("small".into(), Plan { executions_per_minute: 1, ..Plan::default() });
    })
    .await;
    app.db.execute("update workspaces set plan = 'small'").await;
    let once = json!({ "kind": "one_time", "schedule": null, "state": "paused" });
    let (one, other) = (app.job(&once).await, app.job(&once).await);
    let until = json!({ "until": UNTIL });
    app.post(&format!("/v1/jobs/{one}/pause"), &until).await.expect(200);
    assert_eq!(app.post(&format!("/v1/jobs/{other}/pause"), &until).await.problem(429), "quota_exceeded");
    let every = app.job(&json!({})).await;
    app.post(&format!("/v1/jobs/{every}/pause"), &until).await.expect(200);
}
