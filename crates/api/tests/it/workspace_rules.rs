//! Notification rules for many jobs, and channels that are snoozed.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::{
    domain::attempt::{AttemptStatus, Disposition, Outcome},
    store::statistics::Counting,
};

use crate::{
    app::App,
    executions::{attempt, failed},
};

async fn channel(app: &App, name: &str) -> String {
    let body = json!({ "name": name, "type": "webhook", "config": { "url": "https://example.com/hook" } });
    let created = app.post("/v1/notification-channels", &body).await.expect(201);
    created["id"].as_str().unwrap().to_owned()
}

/// Ends a run of the job, and counts it.
async fn run(app: &App, job: &str, succeeds: bool) -> String {
    let run = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    let id = run["id"].as_str().unwrap().to_owned();
    let (outcome, disposition) =
        if succeeds { (Outcome::of(AttemptStatus::Success), Disposition::Succeeded) } else { failed() };
    attempt(app, &id, outcome, disposition).await;
    app.db.count_executions(Counting::Minutes).await;
    id
}

/// Event, channel and status of the notifications of an execution.
async fn notified(app: &App, execution: &str) -> Vec<(String, String, String)> {
    let list = app.get(&format!("/v1/notifications?execution_id={execution}")).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut notified: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["event"]), text(&one["channel_id"]), text(&one["status"])))
        .collect();
    notified.sort();
    notified
}

fn queued(event: &str, channel: &str) -> (String, String, String) {
    (event.to_owned(), channel.to_owned(), "queued".to_owned())
}

#[tokio::test]
async fn a_rule_notifies_of_the_jobs_that_it_selects() {
    let app = App::new().await;
    let (ops, billing, hosts) =
        (channel(&app, "ops").await, channel(&app, "billing").await, channel(&app, "hosts").await);
    let retries = json!({ "max_attempts": 1 });
    let tagged = app.job(&json!({ "tags": ["billing"], "retry_policy": retries })).await;
    let other = app
        .job(&json!({ "retry_policy": retries, "request": { "url": "https://api.other.example:8443/" } }))
        .await;
    let before = run(&app, &tagged, false).await;
    for rule in [
        json!({ "channel_id": ops, "event": "on_recovery", "after_failures": 2 }),
        json!({ "channel_id": billing, "event": "on_failure", "selector": "tag", "value": "billing" }),
        json!({ "channel_id": hosts, "event": "on_completion", "selector": "host", "value": "API.other.example" }),
    ] {
        app.post("/v1/notification-rules", &rule).await.expect(201);
    }
    assert!(notified(&app, &before).await.is_empty(), "it had ended before the rules were created");
    let second = run(&app, &tagged, false).await;
    assert_eq!(notified(&app, &second).await, [queued("failed", &billing)]);
    let recovered = run(&app, &tagged, true).await;
    assert_eq!(notified(&app, &recovered).await, [queued("recovered", &ops)]);
    let of_host = run(&app, &other, true).await;
    assert_eq!(notified(&app, &of_host).await, [queued("succeeded", &hosts)]);
}

#[tokio::test]
async fn a_channel_gets_each_event_of_an_execution_once() {
    let app = App::new().await;
    let (ops, second) = (channel(&app, "ops").await, channel(&app, "second").await);
    let job = app.job(&json!({ "tags": ["billing"], "retry_policy": { "max_attempts": 1 } })).await;
    let own = json!({ "channel_id": ops, "event": "on_failure" });
    app.post(&format!("/v1/jobs/{job}/notification-rules"), &own).await.expect(201);
    for channel in [&ops, &second] {
        for selector in [json!({}), json!({ "selector": "tag", "value": "billing" })] {
            let mut rule = json!({ "channel_id": channel, "event": "on_failure" });
            rule.as_object_mut().unwrap().extend(selector.as_object().unwrap().clone());
            app.post("/v1/notification-rules", &rule).await.expect(201);
        }
    }
    let execution = run(&app, &job, false).await;
    let mut expected = [queued("failed", &ops), queued("failed", &second)];
    expected.sort();
    assert_eq!(notified(&app, &execution).await, expected);
}

#[tokio::test]
async fn rules_are_changed_listed_and_deleted() {
    let app = App::new().await;
    let (ops, other) = (channel(&app, "ops").await, channel(&app, "other").await);
    let created = app
        .post(
            "/v1/notification-rules",
            &json!({ "channel_id": ops, "event": "on_failure", "after_failures": 3 }),
        )
        .await;
    let rule = created.expect(201);
    let path = created.header("location").unwrap().to_owned();
    assert_eq!(
        (&rule["selector"], &rule["value"], &rule["after_failures"]),
        (&json!("all"), &Value::Null, &json!(3))
    );
    assert_eq!(app.get(&path).await.expect(200), rule);
    let again = app
        .post(
            "/v1/notification-rules",
            &json!({ "channel_id": ops, "event": "on_failure", "after_failures": 3 }),
        )
        .await;
    assert_eq!(again.problem(409), "rule_exists");
    let changed = app
        .patch(
            &path,
            &json!({ "channel_id": other, "selector": "tag", "value": "billing", "after_failures": null }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&changed["channel_id"], &changed["selector"], &changed["value"], &changed["after_failures"]),
        (&json!(other), &json!("tag"), &json!("billing"), &Value::Null)
    );
    assert_eq!(app.patch(&path, &json!({})).await.expect(200), changed);
    // Another selector does not keep the value.
    let errors = app.patch(&path, &json!({ "selector": "host" })).await;
    assert_eq!((errors.problem(422), &*errors.errors()[0].0), ("validation_failed".to_owned(), "/value"));
    let of_all = app.patch(&path, &json!({ "selector": "all" })).await.expect(200);
    assert_eq!(of_all["value"], Value::Null);
    assert_eq!(app.get("/v1/notification-rules").await.expect(200)["data"], json!([of_all]));
    // A channel that a rule uses is not deleted by accident.
    let channel = format!("/v1/notification-channels/{other}");
    assert_eq!(app.delete(&channel).await.problem(409), "channel_in_use");
    app.delete(&format!("{channel}?force=true")).await.expect(204);
    assert_eq!(app.get("/v1/notification-rules").await.expect(200)["data"], json!([]));
    assert_eq!(app.delete(&path).await.problem(404), "not_found");
    for (body, pointer) in [
        (json!({ "channel_id": ops, "event": "on_failure", "value": "billing" }), "/value"),
        (json!({ "channel_id": ops, "event": "on_failure", "selector": "tag" }), "/value"),
        (
            json!({ "channel_id": ops, "event": "on_failure", "selector": "host", "value": "https://x.example/" }),
            "/value",
        ),
        (json!({ "channel_id": ops, "event": "on_failure", "selector": "jobs" }), "/selector"),
        (json!({ "channel_id": "chn_01h455vb4pex5vsknk084sn02q", "event": "on_failure" }), "/channel_id"),
        (json!({ "channel_id": ops, "event": "on_success", "after_failures": 2 }), "/after_failures"),
    ] {
        let refused = app.post("/v1/notification-rules", &body).await;
        assert_eq!(
            (refused.problem(422), &*refused.errors()[0].0),
            ("validation_failed".to_owned(), pointer),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_workspace_has_a_limited_number_of_rules() {
    let app = App::new().await;
    let ops = channel(&app, "ops").await;
    for number in 0..20 {
        let rule = json!({ "channel_id": ops, "event": "on_failure", "selector": "tag", "value": format!("tag {number}") });
        app.post("/v1/notification-rules", &rule).await.expect(201);
    }
    let one_more =
        app.post("/v1/notification-rules", &json!({ "channel_id": ops, "event": "on_failure" })).await;
    assert_eq!(one_more.problem(409), "too_many_rules");
}

#[tokio::test]
async fn a_rule_of_a_job_can_be_changed() {
    let app = App::new().await;
    let ops = channel(&app, "ops").await;
    let job = app.job(&json!({})).await;
    let rules = format!("/v1/jobs/{job}/notification-rules");
    let rule = app.post(&rules, &json!({ "channel_id": ops, "event": "on_failure" })).await.expect(201);
    let path = format!("{rules}/{}", rule["id"].as_str().unwrap());
    let changed = app.patch(&path, &json!({ "after_failures": 3 })).await.expect(200);
    assert_eq!((&changed["after_failures"], &changed["event"]), (&json!(3), &json!("on_failure")));
    assert_eq!(app.get(&rules).await.expect(200)["data"], json!([changed]));
    let refused = app.patch(&path, &json!({ "event": "on_success" })).await;
    assert_eq!(
        (refused.problem(422), &*refused.errors()[0].0),
        ("validation_failed".to_owned(), "/after_failures")
    );
    let changed =
        app.patch(&path, &json!({ "event": "on_success", "after_failures": null })).await.expect(200);
    assert_eq!(changed["event"], "on_success");
}

#[tokio::test]
async fn a_snoozed_channel_is_not_notified_of_executions() {
    let app = App::new().await;
    let ops = channel(&app, "ops").await;
    let job = app.job(&json!({ "retry_policy": { "max_attempts": 1 } })).await;
    app.post("/v1/notification-rules", &json!({ "channel_id": ops, "event": "on_failure" }))
        .await
        .expect(201);
    app.post(
        &format!("/v1/jobs/{job}/notification-rules"),
        &json!({ "channel_id": ops, "event": "on_completion" }),
    )
    .await
    .expect(201);
    let channel = format!("/v1/notification-channels/{ops}");
    let snooze = format!("{channel}/snooze");
    for (body, code) in
        [(json!({ "until": "2020-01-01T00:00:00Z" }), "in_the_past"), (json!({ "until": "soon" }), "")]
    {
        let refused = app.post(&snooze, &body).await;
        assert_eq!(refused.problem(422), "validation_failed");
        assert!(refused.errors()[0].1.starts_with(code), "{:?}", refused.errors());
    }
    let snoozed = app.post(&snooze, &json!({ "until": "2999-01-01T00:00:00Z" })).await.expect(200);
    assert_eq!(snoozed["snoozed_until"], "2999-01-01T00:00:00.000Z");
    let execution = run(&app, &job, false).await;
    let skipped = notified(&app, &execution).await;
    assert_eq!(skipped, [("failed".to_owned(), ops.clone(), "skipped".to_owned())]);
    let list = app.get("/v1/notifications?status=skipped").await.expect(200);
    assert_eq!(list["data"][0]["error_class"], "snoozed");
    let awake = app.post(&snooze, &json!({ "until": null })).await.expect(200);
    assert_eq!((&awake["snoozed_until"], &awake["last_delivery"]), (&Value::Null, &Value::Null));
    let execution = run(&app, &job, false).await;
    assert_eq!(notified(&app, &execution).await, [queued("failed", &ops)]);
}
