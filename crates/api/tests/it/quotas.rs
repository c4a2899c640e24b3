//! What a workspace may have, by its plan.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_api::Plan;
use trigrun_testkit::TestDb;

use crate::app::{Api, App, job};

/// An API where the plan `small` allows little, and nothing else is limited.
async fn app() -> App {
    let mut app = App::new().await;
    let small = Plan { jobs: 3, tokens: 2, executions_per_minute: 5 };
    app.api = Api::start_with(app.db.settings(), |settings| {
        settings.plans.insert("small".into(), small);
    })
    .await;
    app
}

async fn give(db: &TestDb, plan: &str) {
    db.execute(&format!("update workspaces set plan = '{plan}'")).await;
}

#[tokio::test]
async fn the_workspace_says_what_it_may_have() {
    let app = app().await;
    let quotas = async || app.get("/v1/workspace").await.expect(200)["quotas"].clone();
    let none = json!({ "jobs": null, "tokens": null, "executions_per_minute": null });
    assert_eq!(quotas().await, none);
    give(&app.db, "small").await;
    assert_eq!(quotas().await, json!({ "jobs": 3, "tokens": 2, "executions_per_minute": 5 }));
    give(&app.db, "of the past").await;
    assert_eq!(quotas().await, none, "a plan that is gone counts as the default");
}

#[tokio::test]
async fn of_many_who_come_for_the_last_place_one_gets_it() {
    let app = app().await;
    give(&app.db, "small").await;
    for _ in 0..2 {
        app.job(&json!({})).await;
    }
    let body = job(&json!({}));
    let answers = futures_util::future::join_all((0..100).map(|_| app.post("/v1/jobs", &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.problem(403), "quota_exceeded");
        assert!(refused.text.contains("3 jobs"), "{}", refused.text);
    }
    assert_eq!(app.db.count("select count(*) from jobs").await, 3);
    let crontab = json!({ "crontab": "@daily https://example.com/" });
    assert_eq!(app.post("/v1/jobs/import", &crontab).await.problem(403), "quota_exceeded");
    let gone = app.get("/v1/jobs").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    app.delete(&format!("/v1/jobs/{gone}")).await.expect(204);
    app.post("/v1/jobs/import", &crontab).await.expect(201);
}

#[tokio::test]
async fn a_key_that_was_used_is_answered_at_the_quota_too() {
    let app = app().await;
    give(&app.db, "small").await;
    let create = async |key: &str| {
        app.send(Method::POST, "/v1/jobs", &[("idempotency-key", key)], &job(&json!({})).to_string()).await
    };
    for key in ["a", "b", "c"] {
        create(key).await.expect(201);
    }
    create("b").await.expect(200);
    assert_eq!(create("d").await.problem(403), "quota_exceeded");
}

#[tokio::test]
async fn tokens_are_counted() {
    let app = app().await;
    give(&app.db, "small").await;
    let make = async || app.post("/v1/tokens", &json!({ "name": "a" })).await;
    let second = make().await.expect(201);
    assert_eq!(make().await.problem(403), "quota_exceeded");
    app.delete(&format!("/v1/tokens/{}", second["id"].as_str().unwrap())).await.expect(204);
    make().await.expect(201);
}

#[tokio::test]
async fn executions_that_are_asked_for_are_counted() {
    let app = app().await;
    let job = app.job(&json!({})).await;
    give(&app.db, "small").await;
    let run = async || app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await;
    let mut ran: Vec<Value> = Vec::new();
    for _ in 0..3 {
        ran.push(run().await.expect(202));
    }
    let again = [("idempotency-key", "again")];
    let keyed = async || app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &again, "").await;
    keyed().await.expect(202);
    let now = json!({ "kind": "one_time", "schedule": {} });
    app.job(&now).await;
    let refused = run().await;
    assert_eq!(refused.problem(429), "quota_exceeded");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(app.post("/v1/jobs", &crate::app::job(&now)).await.problem(429), "quota_exceeded");
    let replay = format!("/v1/executions/{}/replay", ran[0]["id"].as_str().unwrap());
    assert_eq!(app.send(Method::POST, &replay, &[], "").await.problem(429), "quota_exceeded");
    keyed().await.expect(200);
    // A schedule is none of that.
    app.job(&json!({})).await;
}
