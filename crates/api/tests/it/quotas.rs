//! The quotas of a workspace, by its plan.

use hyper::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use trigrun_api::Plan;
use trigrun_testkit::TestDb;

use crate::app::{Api, App, job, refills};

/// An API with the plans `small` and `few_runs`. The default plan has no limits.
async fn app() -> App {
    let mut app = App::new().await;
    let small = Plan { jobs: 3, tokens: 2, executions_per_minute: 5, members: 2, channels: 1 };
    let few_runs = Plan { executions_per_minute: 5, ..Plan::default() };
    app.api = Api::start_with(app.db.settings(), |settings| {
        settings.plans.insert("small".into(), small);
        settings.plans.insert("few_runs".into(), few_runs);
    })
    .await;
    app
}

async fn assign_plan(db: &TestDb, plan: &str) {
    db.execute(&format!("update workspaces set plan = '{plan}'")).await;
}

#[tokio::test]
async fn the_workspace_shows_its_quotas() {
    let app = app().await;
    let quotas = async || app.get("/v1/workspace").await.expect(200)["quotas"].clone();
    let none = json!({ "jobs": null, "tokens": null, "executions_per_minute": null, "members": null, "channels": null });
    assert_eq!(quotas().await, none);
    assign_plan(&app.db, "small").await;
    let small = json!({ "jobs": 3, "tokens": 2, "executions_per_minute": 5, "members": 2, "channels": 1 });
    assert_eq!(quotas().await, small);
    assign_plan(&app.db, "removed").await;
    assert_eq!(quotas().await, none, "an unknown plan counts as the default");
}

#[tokio::test]
async fn one_of_many_concurrent_creates_gets_the_last_place() {
    let app = app().await;
    assign_plan(&app.db, "small").await;
    for _ in 0..2 {
        app.job(&json!({})).await;
    }
    let body = job(&json!({}));
    let responses = futures_util::future::join_all((0..100).map(|_| app.post("/v1/jobs", &body))).await;
    assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 1);
    for refused in responses.iter().filter(|response| response.status != 201) {
        assert_eq!(refused.problem(403), "quota_exceeded");
        assert!(refused.text.contains("3 jobs"), "{}", refused.text);
    }
    assert_eq!(app.db.count("select count(*) from jobs").await, 3);
    let crontab = json!({ "crontab": "@daily https://example.com/" });
    assert_eq!(app.post("/v1/jobs/import", &crontab).await.problem(403), "quota_exceeded");
    let deleted = app.get("/v1/jobs").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    app.delete(&format!("/v1/jobs/{deleted}")).await.expect(204);
    let batch = json!({ "items": [job(&json!({})), job(&json!({}))] });
    assert_eq!(app.post("/v1/jobs/batch", &batch).await.problem(403), "quota_exceeded");
    assert_eq!(app.db.count("select count(*) from jobs").await, 2, "all or none");
    app.post("/v1/jobs/import", &crontab).await.expect(201);
}

#[tokio::test]
async fn a_used_key_is_replayed_at_the_quota() {
    let app = app().await;
    assign_plan(&app.db, "small").await;
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
async fn tokens_are_limited() {
    let app = app().await;
    assign_plan(&app.db, "small").await;
    let make = async || app.post("/v1/tokens", &json!({ "name": "a" })).await;
    let second = make().await.expect(201);
    assert_eq!(make().await.problem(403), "quota_exceeded");
    app.delete(&format!("/v1/tokens/{}", second["id"].as_str().unwrap())).await.expect(204);
    make().await.expect(201);
}

/// The quota refills one execution per 12 s, and the API ends each request after 10 s. So of thirty requests in a row, at least one is refused
/// at any speed. The number of successes is compared with what the elapsed time allows.
#[tokio::test]
async fn requested_executions_are_limited() {
    let app = app().await;
    let job = app.job(&json!({})).await;
    assign_plan(&app.db, "few_runs").await;
    let one_time = crate::app::job(&json!({ "kind": "one_time", "schedule": {} }));
    let six = json!({ "items": vec![one_time.clone(); 6] });
    // More than a minute allows; none of them counts.
    assert_eq!(app.post("/v1/jobs/batch", &six).await.problem(403), "quota_exceeded");
    let started = Instant::now();
    let run_now = format!("/v1/jobs/{job}/run-now");
    let run = async || app.send(Method::POST, &run_now, &[], "").await;
    let first = run().await.expect(202);
    for _ in 0..2 {
        run().await.expect(202);
    }
    let again = [("idempotency-key", "again")];
    let keyed = async || app.send(Method::POST, &run_now, &again, "").await;
    keyed().await.expect(202);
    let create = async || app.post("/v1/jobs", &one_time).await;
    create().await.expect(201);
    let mut allowed = 5;
    let replay_path = format!("/v1/executions/{}/replay", first["id"].as_str().unwrap());
    let replay = async || app.send(Method::POST, &replay_path, &[], "").await;
    let mut refused = Vec::new();
    for _ in 0..10 {
        for response in [run().await, create().await, replay().await] {
            match response.status.is_success() {
                true => allowed += 1,
                false => refused.push(response),
            }
        }
    }
    assert!(allowed <= 5 + refills(started, Duration::from_secs(12)), "{allowed}");
    assert!(!refused.is_empty());
    for response in &refused {
        assert_eq!(response.problem(429), "quota_exceeded");
        assert!(response.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    }
    keyed().await.expect(200);
    // Creating a job with a schedule requests no execution.
    app.job(&json!({})).await;
}

/// As above: of thirty requests in a row, at least one is refused at any speed.
#[tokio::test]
async fn scheduled_jobs_count_whenever_they_are_made_due() {
    let app = app().await;
    assign_plan(&app.db, "few_runs").await;
    let started = Instant::now();
    let scheduled = |state: &str, day: usize| {
        let run_at = format!("2090-01-{day:02}T00:00:00Z");
        crate::app::job(&json!({ "kind": "scheduled", "schedule": { "run_at": run_at }, "state": state }))
    };
    // A job that does not run does not count, nor does a change that moves no fire.
    let draft = app.post("/v1/jobs", &scheduled("draft", 1)).await.expect(201);
    let path = format!("/v1/jobs/{}", draft["id"].as_str().unwrap());
    for name in 0..10 {
        app.patch(&path, &json!({ "name": format!("{name}") })).await.expect(200);
    }
    app.send(Method::POST, &format!("{path}/resume"), &[], "").await.expect(200);
    let (mut allowed, mut refused) = (1, Vec::new());
    for day in 2..12 {
        let moved = json!({ "schedule": { "run_at": format!("2090-02-{day:02}T00:00:00Z") } });
        app.send(Method::POST, &format!("{path}/pause"), &[], "").await.expect(200);
        for response in [
            app.send(Method::POST, &format!("{path}/resume"), &[], "").await,
            app.patch(&path, &json!({ "state": "active", "schedule": moved["schedule"] })).await,
            app.post("/v1/jobs", &scheduled("active", day)).await,
        ] {
            match response.status.is_success() {
                true => allowed += 1,
                false => refused.push(response),
            }
        }
    }
    assert!(allowed <= 5 + refills(started, Duration::from_secs(12)), "{allowed}");
    assert!(!refused.is_empty());
    for response in &refused {
        assert_eq!(response.problem(429), "quota_exceeded");
    }
    // Fires of other schedules do not count, however often they are changed.
    let job = app.job(&json!({})).await;
    for minutes in 1..10 {
        let schedule = json!({ "schedule": { "every_n_minutes": minutes } });
        app.patch(&format!("/v1/jobs/{job}"), &schedule).await.expect(200);
    }
}

#[tokio::test]
async fn members_and_channels_are_limited() {
    let app = app().await;
    assign_plan(&app.db, "small").await;
    let owner = app.session("owner").await;
    let invite = async |email: &str| {
        let body = json!({ "email": email }).to_string();
        app.send_as(&owner, Method::POST, "/v1/members", &[], &body).await
    };
    invite("ada@example.com").await.expect(201);
    invite("ada@example.com").await.expect(201);
    let refused = invite("bob@example.com").await;
    assert_eq!(refused.problem(403), "quota_exceeded", "the owner and an invited user are two");
    let expected = "This workspace may have 2 members, with the users who are invited. Remove a member or";
    assert!(refused.json()["detail"].as_str().unwrap().starts_with(expected), "{}", refused.text);
    app.db.execute("update workspaces set max_members = 1").await;
    invite("ada@example.com").await.expect(201);
    app.db.execute("update workspaces set max_members = null").await;
    app.db.execute("update invitations set expires_at = now()").await;
    invite("bob@example.com").await.expect(201);
    let channel = |name: &str| json!({ "name": name, "type": "webhook", "config": { "url": "https://example.com/hook" } });
    app.post("/v1/notification-channels", &channel("one")).await.expect(201);
    let refused = app.post("/v1/notification-channels", &channel("two")).await;
    assert_eq!(refused.problem(403), "quota_exceeded");
    assert_eq!(app.db.count("select count(*) from channels").await, 1);
    let usage = app.get("/v1/usage").await.expect(200);
    assert_eq!(usage["members"], json!({ "used": 2, "limit": 2 }));
    assert_eq!(usage["channels"], json!({ "used": 1, "limit": 1 }));
}

/// At once, whatever the plan is.
#[tokio::test]
async fn a_workspace_can_have_limits_of_its_own() {
    let app = app().await;
    let limit = async |column: &str, value: &str| {
        app.db.execute(&format!("update workspaces set max_{column} = {value}")).await;
    };
    limit("jobs", "1").await;
    app.job(&json!({})).await;
    let another = async || app.post("/v1/jobs", &job(&json!({}))).await;
    assert_eq!(another().await.problem(403), "quota_exceeded");
    assert_eq!(app.get("/v1/usage").await.expect(200)["jobs"], json!({ "used": 1, "limit": 1 }));
    assign_plan(&app.db, "small").await;
    assert_eq!(another().await.problem(403), "quota_exceeded", "instead of the three of the plan");
    limit("jobs", "0").await;
    for _ in 0..4 {
        another().await.expect(201);
    }
    limit("jobs", "null").await;
    assert_eq!(another().await.problem(403), "quota_exceeded", "the plan counts again");
    limit("executions_per_minute", "2").await;
    let id = app.get("/v1/jobs").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let started = Instant::now();
    let mut accepted = 0;
    for _ in 0..10 {
        accepted += usize::from(app.post(&format!("/v1/jobs/{id}/run-now"), &json!({})).await.status == 202);
    }
    assert!((2..=2 + refills(started, Duration::from_secs(30))).contains(&accepted), "{accepted}");
}
