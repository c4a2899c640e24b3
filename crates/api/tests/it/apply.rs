//! POST /v1/jobs/apply and /v1/jobs/export: the jobs of a stack, declared as a whole.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::domain::access::Scope;

use crate::app::{App, job};

fn cron(expression: &str) -> Value {
    json!({ "schedule": { "cron": expression }, "request": { "url": "https://example.com/x" } })
}

fn stack(jobs: &Value, more: &Value) -> Value {
    let mut body = json!({ "stack": "web", "jobs": jobs });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn apply(app: &App, jobs: &Value, more: &Value) -> Value {
    app.post("/v1/jobs/apply", &stack(jobs, more)).await.expect(200)
}

/// The counts that are not zero.
fn summary(view: &Value) -> String {
    let counts = view["summary"].as_object().unwrap().iter().filter(|(_, count)| **count != json!(0));
    counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

fn three() -> Value {
    json!({ "a": cron("0 4 * * *"), "b": cron("0 5 * * *"), "c": cron("0 6 * * *") })
}

#[tokio::test]
async fn a_stack_is_created_once() {
    let app = App::new().await;
    let plan = apply(&app, &three(), &json!({ "dry_run": true })).await;
    assert_eq!((summary(&plan), &plan["dry_run"]), ("create 3".into(), &json!(true)));
    assert_eq!(plan["changes"][0]["key"], "a");
    assert!(plan["changes"][0]["id"].is_null() && plan["changes"][0]["next_run_at"]["after"].is_string());
    assert_eq!(app.db.count("select count(*) from jobs").await, 0);
    let done = apply(&app, &three(), &json!({})).await;
    assert_eq!(summary(&done), "create 3");
    let again = apply(&app, &three(), &json!({})).await;
    assert_eq!((summary(&again), &again["changes"]), ("unchanged 3".into(), &json!([])));
    let all = app.post("/v1/jobs/apply?all=true", &stack(&three(), &json!({}))).await.expect(200);
    assert_eq!(all["changes"][2]["action"], "unchanged");
    let job = app.get("/v1/jobs/a").await.expect(200);
    let expected = json!(["a", "web", "a", 1, "cron", done["changes"][0]["id"]]);
    let found = json!([job["key"], job["stack"], job["name"], job["version"], job["kind"], job["id"]]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_means_the_same_is_no_change() {
    let app = App::new().await;
    let run_at = "2999-01-01T01:00:00.123456789+01:00";
    let written = json!({
        "a": { "schedule": { "cron": "@daily" }, "request": { "url": "HTTPS://EXAMPLE.com" }, "tags": ["a", "a"] },
        "b": { "schedule": { "run_at": run_at }, "request": { "url": "https://example.com/", "body": { "z": 1.0, "a": [] } } },
    });
    apply(&app, &written, &json!({})).await;
    let full = |key: &'static str| {
        let app = &app;
        async move { app.get(&format!("/v1/jobs/{key}")).await.expect(200) }
    };
    // With all fields at their defaults, as they were read.
    let read = json!({ "a": full("a").await, "b": full("b").await });
    assert_eq!(summary(&apply(&app, &read, &json!({})).await), "unchanged 2");
    assert_eq!(summary(&apply(&app, &written, &json!({})).await), "unchanged 2");
    assert_eq!(app.db.count("select max(version)::bigint from jobs").await, 1);
}

#[tokio::test]
async fn a_line_that_is_removed_takes_the_setting_back() {
    let app = App::new().await;
    let mut with = cron("0 4 * * *");
    with["request"]["headers"] = json!({ "X-Env": "prod" });
    with["concurrency_limit"] = json!(1);
    apply(&app, &json!({ "a": with }), &json!({})).await;
    let plan = apply(&app, &json!({ "a": cron("0 5 * * *") }), &json!({ "dry_run": true })).await;
    let fields = &plan["changes"][0]["fields"];
    assert_eq!(
        *fields,
        json!([
            { "pointer": "/schedule/cron", "before": "0 4 * * *", "after": "0 5 * * *" },
            { "pointer": "/request/headers/X-Env", "before": "prod", "after": null },
            { "pointer": "/concurrency_limit", "before": 1, "after": null },
        ])
    );
    let done = apply(&app, &json!({ "a": cron("0 5 * * *") }), &json!({})).await;
    assert_eq!((summary(&done), &done["changes"][0]["version"]), ("update 1".into(), &json!(2)));
    assert_eq!(done["changes"][0]["next_run_at"]["after"], plan["changes"][0]["next_run_at"]["after"]);
}

#[tokio::test]
async fn a_paused_job_stays_paused() {
    let app = App::new().await;
    apply(&app, &three(), &json!({})).await;
    app.post("/v1/jobs/b/pause", &json!({})).await.expect(200);
    let again = apply(&app, &three(), &json!({})).await;
    assert_eq!((summary(&again), &again["paused"]), ("unchanged 3".into(), &json!(["b"])));
    let mut named = three();
    named["b"]["state"] = json!("active");
    let again = apply(&app, &named, &json!({})).await;
    assert_eq!((summary(&again), &again["paused"]), ("unchanged 2, update 1".into(), &json!([])));
    assert_eq!(app.get("/v1/jobs/b").await.expect(200)["state"], "active");
}

#[tokio::test]
async fn changes_from_elsewhere_are_drift() {
    let app = App::new().await;
    apply(&app, &three(), &json!({})).await;
    app.patch("/v1/jobs/a", &json!({ "retry_policy": { "max_attempts": 7 } })).await.expect(200);
    let plan = apply(&app, &three(), &json!({ "dry_run": true })).await;
    let change = &plan["changes"][0];
    assert_eq!((&change["action"], &change["drifted"]), (&json!("update"), &json!(true)));
    assert_eq!(change["fields"][0]["pointer"], "/retry_policy/max_attempts");
    apply(&app, &three(), &json!({})).await;
    let mut other = three();
    other["a"] = cron("0 7 * * *");
    let plan = apply(&app, &other, &json!({ "dry_run": true })).await;
    assert_eq!(plan["changes"][0]["drifted"], json!(false), "the last version is that of the stack");
}

#[tokio::test]
async fn what_was_confirmed_is_what_is_done() {
    let app = App::new().await;
    apply(&app, &three(), &json!({})).await;
    let mut wanted = three();
    wanted["a"] = cron("0 7 * * *");
    wanted["d"] = cron("0 8 * * *");
    let expect = json!({ "a": 1, "b": 1, "c": 1, "d": null });
    app.patch("/v1/jobs/a", &json!({ "tags": ["x"] })).await.expect(200);
    let stale = app.post("/v1/jobs/apply", &stack(&wanted, &json!({ "expect": expect }))).await;
    assert!(stale.problem(412).contains("plan_stale"), "{}", stale.text);
    assert_eq!(app.db.count("select count(*) from jobs").await, 3, "nothing has changed");
    // One that is as wanted already is no conflict.
    app.patch("/v1/jobs/a", &json!({ "tags": [], "schedule": { "cron": "0 7 * * *" } })).await.expect(200);
    let done = apply(&app, &wanted, &json!({ "expect": expect })).await;
    assert_eq!(summary(&done), "create 1, unchanged 3");
}

#[tokio::test]
async fn one_invalid_job_stops_all() {
    let app = App::new().await;
    let mut wanted = three();
    wanted["b"] = json!({ "schedule": { "cron": "61 * * * *" }, "request": { "methd": "GET" } });
    wanted["c"] = json!({ "kind": "one_time", "request": { "url": "https://example.com/" }, "key": "z", "stack": "other" });
    let errors = app.post("/v1/jobs/apply", &stack(&wanted, &json!({}))).await.errors();
    let expected = [
        ("/jobs/b/request/methd", "unknown_field"),
        ("/jobs/b/request/url", "required"),
        ("/jobs/b/schedule/cron", "cron_out_of_range"),
        ("/jobs/c/key", "key_differs"),
        ("/jobs/c/kind", "not_declarative"),
        ("/jobs/c/stack", "stack_differs"),
    ];
    assert_eq!(errors, expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
    assert_eq!(app.db.count("select count(*) from jobs").await, 0);
}

#[tokio::test]
async fn only_jobs_of_the_stack_are_pruned() {
    let app = App::new().await;
    apply(&app, &three(), &json!({})).await;
    let own = app.job(&json!({})).await;
    app.post("/v1/jobs/apply", &json!({ "stack": "other", "jobs": { "o": cron("0 4 * * *") } }))
        .await
        .expect(200);
    let two = json!({ "a": cron("0 4 * * *"), "b": cron("0 5 * * *") });
    let kept = apply(&app, &two, &json!({})).await;
    assert_eq!((summary(&kept), &kept["changes"][0]["key"]), ("orphan 1, unchanged 2".into(), &json!("c")));
    let paused = apply(&app, &two, &json!({ "prune": "pause" })).await;
    assert_eq!(summary(&paused), "pause 1, unchanged 2");
    assert_eq!(app.get("/v1/jobs/c").await.expect(200)["state"], "paused");
    let unnamed = apply(&app, &two, &json!({ "prune": "delete", "expect": { "a": 1, "b": 1 } })).await;
    assert_eq!(summary(&unnamed), "unchanged 2", "a job that the plan does not name is not deleted");
    let deleted = apply(&app, &two, &json!({ "prune": "delete" })).await;
    assert_eq!(summary(&deleted), "delete 1, unchanged 2");
    app.get("/v1/jobs/c").await.expect(404);
    for left in ["a", "b", "o", &own] {
        app.get(&format!("/v1/jobs/{left}")).await.expect(200);
    }
    let log = app.get("/v1/audit-log").await.expect(200);
    let entries = log["data"].as_array().unwrap().iter();
    let actions: Vec<&str> = entries.map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..2], ["stack.applied", "job.deleted"]);
    let applied = &log["data"][0];
    assert_eq!((&applied["target"]["id"], &applied["details"]["deleted"]), (&json!("web"), &json!("1")));
    assert_eq!(log["data"][1]["details"], json!({ "key": "c", "stack": "web" }));
}

#[tokio::test]
async fn many_deletions_and_an_empty_stack_must_be_allowed() {
    let app = App::new().await;
    let many: serde_json::Map<_, _> = (0..12).map(|n| (format!("j{n}"), cron("0 4 * * *"))).collect();
    apply(&app, &json!(many), &json!({})).await;
    let one = json!({ "j0": cron("0 4 * * *") });
    let refused = app.post("/v1/jobs/apply", &stack(&one, &json!({ "prune": "delete" }))).await;
    assert!(refused.problem(409).contains("too_many_deletes"), "{}", refused.text);
    let empty = app.post("/v1/jobs/apply", &stack(&json!({}), &json!({ "prune": "delete" }))).await;
    assert_eq!(empty.errors(), [("/jobs".to_owned(), "empty".to_owned())]);
    assert_eq!(app.db.count("select count(*) from jobs").await, 12);
    let more = json!({ "prune": "delete", "max_deletes": 12, "allow_empty": true });
    assert_eq!(summary(&apply(&app, &json!({}), &more).await), "delete 12");
    assert_eq!(app.db.count("select count(*) from jobs").await, 0);
}

#[tokio::test]
async fn a_job_of_another_stack_must_be_taken_over() {
    let app = App::new().await;
    app.post("/v1/jobs", &job(&json!({ "key": "a" }))).await.expect(201);
    let refused = app.post("/v1/jobs/apply", &stack(&three(), &json!({}))).await;
    assert!(refused.problem(409).contains("stack_conflict"), "{}", refused.text);
    let taken = apply(&app, &three(), &json!({ "take_over": true })).await;
    assert_eq!(summary(&taken), "create 2, update 1");
    assert_eq!(app.get("/v1/jobs/a").await.expect(200)["stack"], "web");
}

#[tokio::test]
async fn a_job_is_adopted_once() {
    let app = App::new().await;
    let [id, other] = [app.job(&json!({})).await, app.job(&json!({ "key": "taken" })).await];
    let mut wanted = json!({ "a": cron("0 4 * * *") });
    wanted["a"]["adopt"] = json!(id);
    assert_eq!(summary(&apply(&app, &wanted, &json!({})).await), "update 1");
    assert_eq!(summary(&apply(&app, &wanted, &json!({})).await), "unchanged 1");
    assert_eq!(app.get("/v1/jobs/a").await.expect(200)["id"], json!(id));
    assert_eq!(app.db.count("select count(*) from jobs").await, 2);
    let unknown = "job_01h455vb4pex5vsknk084sn02q".to_owned();
    for (adopted, code) in [(&other, "key_taken"), (&unknown, "key_taken")] {
        wanted["a"]["adopt"] = json!(adopted);
        let errors = app.post("/v1/jobs/apply", &stack(&wanted, &json!({}))).await.errors();
        assert_eq!(errors, [("/jobs/a/adopt".to_owned(), code.to_owned())]);
    }
    for (adopted, code) in [(&other, "job_has_key"), (&unknown, "job_unknown")] {
        let mut new = json!({ "new": cron("0 4 * * *") });
        new["new"]["adopt"] = json!(adopted);
        let errors = app.post("/v1/jobs/apply", &stack(&new, &json!({}))).await.errors();
        assert_eq!(errors, [("/jobs/new/adopt".to_owned(), code.to_owned())]);
    }
}

#[tokio::test]
async fn to_apply_an_export_changes_only_what_has_no_key() {
    let app = App::new().await;
    apply(&app, &three(), &json!({})).await;
    let request = json!({ "url": "https://example.com/{{execution_id}}", "method": "POST", "headers": { "A": "1" }, "body": "text", "success_statuses": ["2xx"] });
    for name in ["Nightly report", "Nightly report", "a"] {
        let change = json!({ "name": name, "request": request, "state": "paused", "retry_policy": { "max_attempts": 1 } });
        app.job(&change).await;
    }
    app.job(&json!({ "kind": "one_time", "schedule": null })).await;
    let export = app.post("/v1/jobs/export", &json!({})).await.expect(200);
    assert_eq!((&export["left_out"], &export["next_cursor"]), (&json!({ "one_time": 1 }), &Value::Null));
    assert_eq!(export["jobs"]["a"], cron("0 4 * * *"), "nothing at its default");
    let exported = export["jobs"].as_object().unwrap();
    assert!(exported["nightly-report"]["adopt"].is_string(), "{export}");
    let plan = apply(&app, &export["jobs"], &json!({ "dry_run": true })).await;
    assert_eq!(summary(&plan), "unchanged 3, update 3");
    for change in plan["changes"].as_array().unwrap() {
        let fields: Vec<_> =
            change["fields"].as_array().unwrap().iter().map(|field| &field["pointer"]).collect();
        assert_eq!(fields, ["/key", "/stack"], "{change}");
    }
    apply(&app, &export["jobs"], &json!({})).await;
    assert_eq!(summary(&apply(&app, &export["jobs"], &json!({})).await), "unchanged 6");
    assert_eq!(app.db.count("select count(*) from jobs").await, 7);
    let of_stack = app.post("/v1/jobs/export", &json!({ "stack": "web", "limit": 4 })).await.expect(200);
    assert_eq!(of_stack["jobs"].as_object().unwrap().len(), 4);
    let rest = json!({ "stack": "web", "limit": 4, "cursor": of_stack["next_cursor"] });
    let rest = app.post("/v1/jobs/export", &rest).await.expect(200);
    assert_eq!((rest["jobs"].as_object().unwrap().len(), &rest["next_cursor"]), (2, &Value::Null));
    let errors =
        app.post("/v1/jobs/export", &json!({ "stack": "A", "limit": 0, "cursor": "x" })).await.errors();
    assert_eq!(
        errors.iter().map(|error| error.0.as_str()).collect::<Vec<_>>(),
        ["/cursor", "/limit", "/stack"]
    );
}

/// A job that has run stays as it is, also if the request says so again.
#[tokio::test]
async fn a_completed_job_is_unchanged() {
    let app = App::new().await;
    let at = json!({ "schedule": { "run_at": "2999-01-01T00:00:00Z" }, "request": { "url": "https://example.com/" }, "state": "active" });
    apply(&app, &json!({ "a": at }), &json!({})).await;
    app.db.execute("update job_versions set run_at = date_trunc('second', now()) - interval '1 day'").await;
    app.db.execute("update jobs set state = 'completed'").await;
    let mut past = at.clone();
    let job = app.get("/v1/jobs/a").await.expect(200);
    past["schedule"]["run_at"] = job["schedule"]["run_at"].clone();
    assert_eq!(summary(&apply(&app, &json!({ "a": past }), &json!({})).await), "unchanged 1");
    assert_eq!(summary(&apply(&app, &json!({ "a": at }), &json!({})).await), "update 1");
    assert_eq!(app.get("/v1/jobs/a").await.expect(200)["state"], "active");
}

#[tokio::test]
async fn the_body_is_checked() {
    let app = App::new().await;
    for (body, at, code) in [
        (json!({ "jobs": {} }), "/jobs", "empty"),
        (json!({ "stack": "Web", "jobs": three() }), "/stack", "key_invalid"),
        (stack(&json!([]), &json!({})), "/jobs", "wrong_type"),
        (stack(&json!({ "A": {} }), &json!({})), "/jobs/A", "key_invalid"),
        (stack(&json!({ "a": 7 }), &json!({})), "/jobs/a", "wrong_type"),
        (stack(&three(), &json!({ "prune": "all" })), "/prune", "not_one_of"),
        (stack(&three(), &json!({ "max_deletes": -1 })), "/max_deletes", "out_of_range"),
        (stack(&three(), &json!({ "expect": { "a": "1" } })), "/expect/a", "wrong_type"),
        (stack(&three(), &json!({ "dryrun": true })), "/dryrun", "unknown_field"),
    ] {
        let errors = app.post("/v1/jobs/apply", &body).await.errors();
        assert!(errors.contains(&(at.to_owned(), code.to_owned())), "{body}: {errors:?}");
    }
    let large = stack(&json!({ "a": { "name": "x".repeat(4 * 1024 * 1024) } }), &json!({}));
    app.post("/v1/jobs/apply", &large).await.expect(413);
    let none = app.send(Method::POST, "/v1/jobs/apply", &[], "").await;
    none.expect(415);
}

/// A channel with this name.
async fn channel(app: &App, name: &str) -> String {
    let hook = json!({ "name": name, "type": "webhook", "config": { "url": "https://example.com/hook" } });
    let made = app.post("/v1/notification-channels", &hook).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// A job with these rules.
fn notifying(notify: &Value) -> Value {
    let mut job = cron("0 4 * * *");
    job["notify"] = notify.clone();
    job
}

/// The channels and events of a job's rules.
async fn rules(app: &App, key: &str) -> Vec<String> {
    let list = app.get(&format!("/v1/jobs/{key}/notification-rules")).await.expect(200);
    let rule = |rule: &Value| {
        format!("{} {} {}", rule["channel_id"], rule["event"], rule["after_failures"]).replace('"', "")
    };
    list["data"].as_array().unwrap().iter().map(rule).collect()
}

#[tokio::test]
async fn notification_rules_are_applied_with_their_job() {
    let app = App::new().await;
    let (pager, mail) = (channel(&app, "pager").await, channel(&app, "mail").await);
    let third = json!({ "channel": "pager", "event": "on_failure", "after_failures": 3 });
    let recovery = json!({ "channel": mail, "event": "on_recovery" });
    let both = json!({ "a": notifying(&json!([third, recovery])), "b": cron("0 5 * * *") });
    assert_eq!(summary(&apply(&app, &both, &json!({ "dry_run": true })).await), "create 2");
    assert_eq!(app.db.count("select count(*) from notification_rules").await, 0);
    assert_eq!(summary(&apply(&app, &both, &json!({})).await), "create 2");
    assert_eq!(rules(&app, "a").await, [format!("{pager} on_failure 3"), format!("{mail} on_recovery null")]);
    assert_eq!(summary(&apply(&app, &both, &json!({})).await), "unchanged 2");
    let turned = json!({ "a": notifying(&json!([recovery, third])) });
    assert_eq!(summary(&apply(&app, &turned, &json!({})).await), "orphan 1, unchanged 1");

    // A rule that stays keeps its count of failures.
    app.db.execute("update notification_rules set failures = 2 where event = 'on_failure'").await;
    let other = json!({ "channel": "mail", "event": "on_success" });
    let jobs = json!({ "a": notifying(&json!([third, other])), "b": cron("0 5 * * *") });
    let done = apply(&app, &jobs, &json!({})).await;
    assert_eq!(summary(&done), "unchanged 1, update 1");
    let expected = json!([{
        "pointer": "/notify",
        "before": [third, { "channel": "mail", "event": "on_recovery" }],
        "after": [third, other],
    }]);
    assert_eq!(done["changes"][0]["fields"], expected);
    assert_eq!(rules(&app, "a").await, [format!("{pager} on_failure 3"), format!("{mail} on_success null")]);
    assert_eq!(
        app.db.count("select failures::bigint from notification_rules where event = 'on_failure'").await,
        2
    );
    assert_eq!(app.get("/v1/jobs/a").await.expect(200)["version"], 1, "rules are no part of the definition");

    // What is left out stays; an empty list removes all.
    assert_eq!(
        summary(&apply(&app, &json!({ "a": cron("0 4 * * *"), "b": cron("0 5 * * *") }), &json!({})).await),
        "unchanged 2"
    );
    assert_eq!(rules(&app, "a").await.len(), 2);
    let none = json!({ "a": notifying(&json!([])), "b": cron("0 5 * * *") });
    assert_eq!(summary(&apply(&app, &none, &json!({})).await), "unchanged 1, update 1");
    assert_eq!(rules(&app, "a").await, [] as [String; 0]);
}

#[tokio::test]
async fn notification_rules_that_cannot_be_applied() {
    let app = App::new().await;
    channel(&app, "pager").await;
    let rule = |channel: &str, event: &str| json!({ "channel": channel, "event": event });
    let many: Vec<Value> =
        (1..=21).map(|n| json!({ "channel": "pager", "event": "on_failure", "after_failures": n })).collect();
    for (notify, pointer, code) in [
        (json!([rule("pager", "on_failure"), rule("absent", "on_failure")]), "/1/channel", "channel_unknown"),
        (json!([rule("pager", "on_failure"), rule("pager", "on_failure")]), "/1", "rule_twice"),
        (json!([rule("pager", "failed")]), "/0/event", "not_one_of"),
        (json!([{ "event": "on_failure" }]), "/0/channel", "required"),
        (
            json!([{ "channel": "pager", "event": "on_success", "after_failures": 2 }]),
            "/0/after_failures",
            "not_with_event",
        ),
        (json!([{ "channel_id": "pager", "event": "on_success" }]), "/0/channel_id", "unknown_field"),
        (json!("pager"), "", "wrong_type"),
        (json!(many), "", "too_many"),
    ] {
        let errors = app
            .post("/v1/jobs/apply", &stack(&json!({ "a": notifying(&notify) }), &json!({})))
            .await
            .errors();
        assert!(
            errors.contains(&(format!("/jobs/a/notify{pointer}"), code.to_owned())),
            "{notify}: {errors:?}"
        );
    }
    assert_eq!(app.db.count("select count(*) from jobs").await, 0);
    // Of another workspace, not even by its id.
    let theirs = app.db.workspace("theirs").await;
    let token = app.token_of(theirs, Scope::ALL).await;
    let pager = app.db.lines("select id::text from channels").await[0].clone();
    let pager = trigrun_core::domain::id::ChannelId::from_uuid(pager.parse().unwrap()).to_string();
    for channel in ["pager", pager.as_str()] {
        let body =
            stack(&json!({ "a": notifying(&json!([rule(channel, "on_failure")])) }), &json!({})).to_string();
        let errors = app.send_as(&token, Method::POST, "/v1/jobs/apply", &[], &body).await.errors();
        assert_eq!(errors, [("/jobs/a/notify/0/channel".to_owned(), "channel_unknown".to_owned())]);
    }
}

#[tokio::test]
async fn notification_rules_need_their_scope() {
    let app = App::new().await;
    channel(&app, "pager").await;
    let notify = json!([{ "channel": "pager", "event": "on_failure" }]);
    apply(&app, &json!({ "a": notifying(&notify), "b": cron("0 5 * * *") }), &json!({})).await;
    let token = app.token_of(app.workspace, &[Scope::JobsRead, Scope::JobsWrite]).await;
    let send = async |path: &str, body: &Value| {
        app.send_as(&token, Method::POST, path, &[], &body.to_string()).await
    };
    for notify in [&notify, &json!([])] {
        let body = stack(&json!({ "a": notifying(notify) }), &json!({ "dry_run": true }));
        assert_eq!(send("/v1/jobs/apply", &body).await.problem(403), "scope_missing");
    }
    send("/v1/jobs/apply", &stack(&three(), &json!({}))).await.expect(200);
    assert_eq!(rules(&app, "a").await.len(), 1);
    let export = send("/v1/jobs/export", &json!({})).await.expect(200);
    assert_eq!(export["jobs"]["a"], cron("0 4 * * *"));
    let export = app.post("/v1/jobs/export", &json!({})).await.expect(200);
    assert_eq!((&export["jobs"]["a"], &export["jobs"]["b"]), (&notifying(&notify), &cron("0 5 * * *")));
    assert_eq!(summary(&apply(&app, &export["jobs"], &json!({})).await), "unchanged 3");
}

#[tokio::test]
async fn a_plan_with_notification_rules_is_applied_once() {
    let app = App::new().await;
    channel(&app, "pager").await;
    let notify = |after: i32| json!([{ "channel": "pager", "event": "on_failure", "after_failures": after }]);
    let jobs = |after: i32| json!({ "a": notifying(&notify(after)), "b": cron("0 5 * * *") });
    let created = json!({ "expect": { "a": null, "b": null } });
    assert_eq!(summary(&apply(&app, &jobs(1), &created).await), "create 2");
    // What a client repeats because it has lost the response.
    assert_eq!(summary(&apply(&app, &jobs(1), &created).await), "unchanged 2");
    let errors = app.post("/v1/jobs/apply", &stack(&jobs(2), &created)).await.problem(412);
    assert_eq!(errors, "plan_stale");

    // A change of the definition and of the rules is one.
    let mut both = jobs(3);
    both["a"]["schedule"]["cron"] = json!("0 7 * * *");
    let expect = json!({ "expect": { "a": 1, "b": 1 } });
    let done = apply(&app, &both, &expect).await;
    let fields: Vec<_> =
        done["changes"][0]["fields"].as_array().unwrap().iter().map(|field| &field["pointer"]).collect();
    assert_eq!(
        (summary(&done), fields),
        ("unchanged 1, update 1".to_owned(), vec![&json!("/schedule/cron"), &json!("/notify")])
    );
    assert_eq!(summary(&apply(&app, &both, &expect).await), "unchanged 2");
    assert_eq!(rules(&app, "a").await.len(), 1);
}

#[tokio::test]
async fn a_thousand_jobs_get_their_notification_rules() {
    let app = App::new().await;
    channel(&app, "pager").await;
    let notify: Vec<Value> = (1..=5)
        .map(|after| json!({ "channel": "pager", "event": "on_failure", "after_failures": after }))
        .collect();
    let jobs: serde_json::Map<String, Value> =
        (0..1000).map(|n| (format!("j{n}"), notifying(&json!(notify)))).collect();
    assert_eq!(summary(&apply(&app, &json!(jobs), &json!({})).await), "create 1000");
    assert_eq!(app.db.count("select count(*) from notification_rules").await, 5000);
    assert_eq!(rules(&app, "j500").await.len(), 5);
    assert_eq!(summary(&apply(&app, &json!(jobs), &json!({})).await), "unchanged 1000");
}
