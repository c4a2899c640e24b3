//! What people ask about a run: why it ran or did not, what it sent, and how long its requests normally take.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition, Outcome, PhaseTimings},
        execution::Status,
        id::{ExecutionId, JobId},
    },
    store::partitions,
};

use crate::{
    app::{App, job},
    executions::attempt,
};

async fn run(app: &App, job: &str) -> String {
    let run = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    run["id"].as_str().unwrap().to_owned()
}

/// A job of ten days, and the instant of its first fire. Executions of forty days are kept.
async fn old_job(app: &App) -> (String, DateTime<Utc>) {
    let now = app.db.now().await;
    partitions::make_ahead(&mut *app.db.conn().await, now - TimeDelta::days(40), 1).await.unwrap();
    let job = app.job(&json!({ "schedule": { "every_n_minutes": 60 } })).await;
    for sql in [
        "update jobs set created_at = date_trunc('hour', now()) - interval '10 days'",
        "update job_versions set created_at = date_trunc('hour', now()) - interval '10 days'",
    ] {
        app.db.execute(sql).await;
    }
    let first = app.db.lines("select to_char((created_at + interval '1 hour') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS') || 'Z' from jobs").await;
    (job, first[0].parse().unwrap())
}

/// An execution of the fire at `at`.
async fn recorded(app: &App, job: &str, at: DateTime<Utc>, status: Status, seconds: i64) -> String {
    let job: JobId = job.parse().unwrap();
    let id = ExecutionId::of_fire(job, at);
    let reason = if status == Status::Skipped { "'overlap'" } else { "null" };
    let sql = format!(
        "insert into executions (id, workspace_id, job_id, version, attempt_count, status, source, scheduled_for, started_at, finished_at,
                                 skip_reason)
         values ('{}', '{}', '{}', 1, 0, '{}', 'schedule', '{at}', '{at}', '{at}'::timestamptz + interval '{seconds} s', {reason})",
        id.uuid(),
        app.workspace.uuid(),
        job.uuid(),
        status.as_str(),
    );
    app.db.execute(&sql).await;
    id.to_string()
}

#[tokio::test]
async fn why_a_job_ran_or_did_not() {
    let app = App::new().await;
    let (job, first) = old_job(&app).await;
    let hour = |number: i32| first + TimeDelta::hours(number.into());
    let ran = recorded(&app, &job, hour(200), Status::Succeeded, 7000).await;
    let skipped = recorded(&app, &job, hour(201), Status::Skipped, 1).await;
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let explain = async |at: DateTime<Utc>| {
        app.get(&format!("/v1/jobs/{job}/explain?at={}", text(at))).await.expect(200)
    };
    let expected = json!({
        "at": text(hour(200)), "due": true, "verdict": "ran", "sentence": "The job was due, and its execution succeeded.", "version": 1,
        "field": null, "execution_id": ran, "blocking_execution_id": null, "earlier": text(hour(199)), "later": text(hour(201)), "note": null,
    });
    assert_eq!(explain(hour(200)).await, expected);
    let of_skip = explain(hour(201)).await;
    assert_eq!(
        (&of_skip["verdict"], &of_skip["execution_id"], &of_skip["blocking_execution_id"]),
        (&json!("skipped"), &json!(skipped), &json!(ran))
    );
    let sentence = format!(
        "The job was at its concurrency limit, and its overlap policy is to skip the fire. The execution {ran} was running."
    );
    assert_eq!(of_skip["sentence"], json!(sentence));
    assert_eq!(explain(hour(202)).await["verdict"], "gap");
    assert_eq!(explain(hour(200) + TimeDelta::minutes(1)).await["verdict"], "not_due");
    assert_eq!(explain(hour(1000)).await["verdict"], "pending");
    assert_eq!(explain(hour(-2)).await["verdict"], "before_created");
    app.db.execute("update jobs set created_at = now() - interval '90 days'").await;
    app.db.execute("update job_versions set created_at = now() - interval '90 days'").await;
    let long_ago = explain(first - TimeDelta::days(60)).await;
    assert_eq!(long_ago["verdict"], "not_kept", "{long_ago}");

    app.send(Method::POST, &format!("/v1/jobs/{job}/pause"), &[], "").await.expect(200);
    let paused = explain(app.db.now().await).await;
    assert!(["paused", "not_due"].contains(&paused["verdict"].as_str().unwrap()), "{paused}");
    let now = app.get(&format!("/v1/jobs/{job}/explain")).await.expect(200);
    assert_eq!(now["later"], Value::Null, "{now}");
    for at in ["x", "2026-03-29", ""] {
        let errors = app.get(&format!("/v1/jobs/{job}/explain?at={at}")).await.errors();
        assert_eq!(errors, [("?at".to_owned(), "instant_invalid".to_owned())], "{at}");
    }
}

#[tokio::test]
async fn of_a_job_with_very_many_versions_only_the_newest_count() {
    let app = App::new().await;
    let (job, first) = old_job(&app).await;
    app.db
        .execute(
            "insert into job_versions
             select (jsonb_populate_record(v, jsonb_build_object('version', n, 'created_at', v.created_at + n * interval '1 ms'))).*
             from job_versions v, generate_series(2, 10001) n",
        )
        .await;
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let (created, later) = (first - TimeDelta::hours(1), first + TimeDelta::hours(100));
    let errors = app.get(&format!("/v1/jobs/{job}/ledger?from={}", text(created))).await.errors();
    assert_eq!(errors, [("?from".to_owned(), "too_many_versions".to_owned())]);
    let errors = app.get(&format!("/v1/jobs/{job}/explain?at={}", text(created))).await.errors();
    assert_eq!(errors, [("?at".to_owned(), "too_many_versions".to_owned())]);
    let ledger = app.get(&format!("/v1/ledger?from={}", text(created))).await.expect(200);
    assert_eq!((&ledger["jobs_checked"], &ledger["unchecked_jobs"]), (&json!(0), &json!([job])));

    let window = format!("from={}&to={}", text(later), text(later + TimeDelta::hours(2)));
    let ledger = app.get(&format!("/v1/jobs/{job}/ledger?{window}")).await.expect(200);
    assert_eq!((&ledger["due"], &ledger["gaps"]), (&json!(2), &json!(2)));
    let explained = app.get(&format!("/v1/jobs/{job}/explain?at={}", text(later))).await.expect(200);
    assert_eq!((&explained["verdict"], &explained["version"]), (&json!("gap"), &json!(10_001)));
}

#[tokio::test]
async fn versions_that_are_no_longer_kept_are_not_missed() {
    let app = App::new().await;
    let (job, first) = old_job(&app).await;
    app.patch(&format!("/v1/jobs/{job}"), &json!({ "schedule": { "every_n_minutes": 30 } }))
        .await
        .expect(200);
    app.patch(&format!("/v1/jobs/{job}"), &json!({ "name": "third" })).await.expect(200);
    let now = app.db.now().await;
    // The second version took effect a day before the oldest day that is kept, and the first is gone.
    for sql in [
        "update jobs set created_at = created_at - interval '50 days'",
        "update job_versions set created_at = now() - interval '42 days' where version = 2",
        "delete from job_versions where version = 1",
    ] {
        app.db.execute(sql).await;
    }
    let versions = app.get(&format!("/v1/jobs/{job}/versions")).await.expect(200);
    let list: Vec<_> = versions["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["version"], one["changes"].as_array().unwrap().len()))
        .collect();
    assert_eq!(list, [(&json!(3), 1), (&json!(2), 0)]);
    let gone = app.get(&format!("/v1/jobs/{job}/versions/1")).await.expect(404)["detail"].to_string();
    assert!(gone.contains("does not keep it any more"), "{gone}");

    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let explain = async |at: DateTime<Utc>| {
        app.get(&format!("/v1/jobs/{job}/explain?at={}", text(at))).await.expect(200)
    };
    assert_eq!(explain(first - TimeDelta::days(45)).await["verdict"], "not_kept");
    assert_eq!(explain(first - TimeDelta::days(90)).await["verdict"], "before_created");
    let due = explain(first + TimeDelta::minutes(30)).await;
    assert_eq!((&due["verdict"], &due["version"]), (&json!("gap"), &json!(2)), "{due}");
    // It begins where executions are kept.
    let ledger =
        app.get(&format!("/v1/jobs/{job}/ledger?from={}", text(now - TimeDelta::days(60)))).await.expect(200);
    assert_eq!(ledger["due"], ledger["gaps"], "{ledger}");
    assert!(ledger["due"].as_i64().unwrap() > 40 * 48, "{ledger}");
}

#[tokio::test]
async fn the_request_of_an_attempt_without_secrets() {
    const CANARY: &str = "canary-91d3f";
    let app = App::new().await;
    app.post("/v1/secrets", &json!({ "name": "key", "value": CANARY })).await.expect(201);
    let request = json!({
        "url": "https://example.com/{{execution_id}}", "method": "POST", "body": { "at": "{{timestamp}}" },
        "headers": { "Authorization": "Bearer secret://key" },
    });
    let job = app.job(&json!({ "request": request })).await;
    let execution = run(&app, &job).await;
    let path = format!("/v1/executions/{execution}/request");
    let none = app.get(&path).await;
    assert_eq!(none.problem(404), "not_found");
    assert!(none.text.contains("has had no such attempt"), "{}", none.text);
    let outcome = Outcome { http_version: Some("HTTP/2"), ..Outcome::of(AttemptStatus::Success) };
    attempt(&app, &execution, outcome, Disposition::Succeeded).await;
    // The version that was run counts.
    app.patch(&format!("/v1/jobs/{job}"), &json!({ "request": { "method": "PUT" } })).await.expect(200);
    let sent = app.get(&path).await.expect(200);
    assert_eq!(
        (&sent["attempt"], &sent["method"], &sent["http_version"]),
        (&json!(1), &json!("POST"), &json!("HTTP/2"))
    );
    assert_eq!(sent["url"], json!(format!("https://example.com/{execution}")));
    let header = |name: &str| {
        let headers = sent["headers"].as_array().unwrap();
        headers
            .iter()
            .find(|header| header["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {sent}"))
            .clone()
    };
    let authorization =
        json!({ "name": "Authorization", "value": "Bearer secret://key", "secrets": ["key"] });
    assert_eq!(header("Authorization"), authorization);
    assert_eq!(header("TrigRun-Execution-Id")["value"], json!(execution));
    assert_eq!(header("TrigRun-Attempt")["value"], "1");
    assert_eq!(sent["left_out"], json!(["traceparent", "webhook-signature", "webhook-timestamp"]));
    let curl = sent["curl"].as_str().unwrap();
    assert!(curl.starts_with("curl ") && curl.contains("-H 'Authorization: Bearer secret://key'"), "{curl}");
    assert!(!sent.to_string().contains(CANARY) && !sent.to_string().contains("v1,"), "{sent}");
    assert_eq!(app.get(&format!("{path}?attempt=1")).await.expect(200), sent);
    assert_eq!(app.get(&format!("{path}?attempt=2")).await.problem(404), "not_found");
    for value in ["0", "-1", "x", "32768", "1.5", ""] {
        let errors = app.get(&format!("{path}?attempt={value}")).await.errors();
        assert_eq!(errors, [("?attempt".to_owned(), "parameter_invalid".to_owned())], "{value}");
    }
}

#[tokio::test]
async fn a_baseline_of_the_successes_before_an_execution() {
    let app = App::new().await;
    let job_id = app.job(&json!({})).await;
    let path = format!("/v1/jobs/{job_id}/baseline");
    let none = app.get(&path).await.expect(200);
    assert_eq!((&none["runs"], &none["total_ms"]), (&json!(0), &Value::Null));
    let mut runs = Vec::new();
    for (number, status) in [(1, true), (2, true), (3, false), (4, true), (5, true)] {
        let execution = run(&app, &job_id).await;
        let timing = PhaseTimings {
            total: Duration::from_millis(number * 10),
            dns: (number == 1).then_some(Duration::from_micros(1500)),
            ..PhaseTimings::default()
        };
        let (status, disposition) = match status {
            true => (AttemptStatus::Success, Disposition::Succeeded),
            false => (AttemptStatus::Timeout, Disposition::Failed { error_class: "timeout_response".into() }),
        };
        attempt(&app, &execution, Outcome { timing, ..Outcome::of(status) }, disposition).await;
        runs.push(execution);
    }
    let before = app.get(&format!("{path}?before={}", runs[4])).await.expect(200);
    let expected = json!({
        "runs": 3, "dns_ms": { "p50": 1.5, "p95": 1.5 }, "connect_ms": null, "tls_ms": null, "first_byte_ms": null, "body_ms": null,
        "total_ms": { "p50": 20.0, "p95": 40.0 },
    });
    assert_eq!(before, expected);
    let last = app.get(&format!("{path}?runs=1")).await.expect(200);
    assert_eq!((&last["runs"], &last["total_ms"]["p50"]), (&json!(1), &json!(50.0)));
    for (query, pointer) in
        [("runs=0", "?runs"), ("runs=251", "?runs"), ("runs=x", "?runs"), ("before=job_1", "?before")]
    {
        let errors = app.get(&format!("{path}?{query}")).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), "parameter_invalid".to_owned())], "{query}");
    }
    let other = app.post("/v1/jobs", &job(&json!({}))).await.expect(201);
    let other = format!("/v1/jobs/{}/baseline", other["id"].as_str().unwrap());
    assert_eq!(app.get(&other).await.expect(200)["runs"], 0);
}
