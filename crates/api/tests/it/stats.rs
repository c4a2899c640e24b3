//! Statistics, failures, health, hosts, usage and the ledger of a workspace.

use chrono::{DateTime, TimeDelta, Utc};
use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::{
    domain::{
        id::{ExecutionId, JobId},
        statistics::bucket,
    },
    store::statistics::Counting,
};

use trigrun_testkit::jobs::every_seconds;

use crate::app::App;

const ROW: &str = "insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, attempt_count, error_class,
                                           status_code, lateness_us, started_at, finished_at)";

/// Records an execution of the job that took 100 ms.
async fn ended(app: &App, job: &str, due_at: DateTime<Utc>, status: &str, attempts: u16) {
    let job: JobId = job.parse().unwrap();
    let (class, code) = if status == "failed" { ("'http_503'", 503) } else { ("null", 200) };
    app.db
        .execute(&format!(
            "{ROW} select '{}', workspace_id, id, 1, '{status}', 'manual', '{due_at}', {attempts}, {class}, {code}, 1000, '{due_at}',
                          '{due_at}'::timestamptz + interval '100 ms' from jobs where id = '{}'",
            ExecutionId::at(due_at).uuid(),
            job.uuid()
        ))
        .await;
}

async fn count(app: &App) {
    app.db.count_executions(Counting::Minutes).await;
    app.db.count_executions(Counting::Hours).await;
}

async fn job(app: &App, name: &str, host: &str, tags: &[&str]) -> String {
    app.job(&json!({ "name": name, "tags": tags, "request": { "url": format!("https://{host}/") } })).await
}

async fn stats(app: &App, query: &str) -> Value {
    app.get(&format!("/v1/stats?{query}")).await.expect(200)
}

fn keys(stats: &Value) -> Vec<(String, i64, i64)> {
    let group = |group: &Value| {
        let totals = &group["totals"];
        let key = group["key"].as_str().unwrap_or("").to_owned();
        (key, totals["due"].as_i64().unwrap(), totals["failed"].as_i64().unwrap())
    };
    stats["data"].as_array().unwrap().iter().map(group).collect()
}

#[tokio::test]
async fn executions_are_counted_by_the_time_at_which_they_were_due() {
    let app = App::new().await;
    let job = job(&app, "a", "a.example", &[]).await;
    let start = bucket(app.db.now().await, 60) - TimeDelta::minutes(10);
    for (minute, status, attempts) in [(0, "succeeded", 1), (0, "failed", 3), (2, "succeeded", 2)] {
        ended(&app, &job, start + TimeDelta::minutes(minute), status, attempts).await;
    }
    let theirs = app.db.workspace("theirs").await;
    app.db.job(theirs, &every_seconds(60, "https://a.example/")).await;
    let before = app.db.now().await;
    count(&app).await;
    let (from, to) = (
        start.to_rfc3339().replace('+', "%2B"),
        (start + TimeDelta::minutes(5)).to_rfc3339().replace('+', "%2B"),
    );
    let shown = stats(&app, &format!("from={from}&to={to}&step=60")).await;
    assert!(
        shown["fresh_until"].as_str().unwrap()
            >= before.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).as_str()
    );
    assert_eq!((&shown["step_seconds"], &shown["keys"]), (&json!(60), &json!(1)));
    let group = &shown["data"][0];
    let totals = json!({ "due": 3, "succeeded": 2, "failed": 1, "cancelled": 0, "skipped": 0, "retried": 2, "attempts": 6 });
    assert_eq!((&group["key"], &group["totals"]), (&Value::Null, &totals));
    let at =
        |minute| (start + TimeDelta::minutes(minute)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let buckets = json!([
        { "at": at(0), "succeeded": 1, "failed": 1, "skipped": 0, "retried": 1 },
        { "at": at(2), "succeeded": 1, "failed": 0, "skipped": 0, "retried": 1 },
    ]);
    assert_eq!(group["buckets"], buckets);
    let lateness = &group["lateness_ms"];
    assert_eq!(
        (&lateness["max"], &lateness["histogram"]),
        (&json!(1.0), &json!([{ "below_ms": 1.024, "count": 3 }]))
    );
    let p95 = group["duration_ms"]["p95"].as_f64().unwrap();
    assert!((p95 - 100.0).abs() <= 6.25, "{p95}");
    // The executions of a job are read themselves, so any minute can be asked for.
    let of_job = stats(&app, &format!("from={from}&to={to}&step=60&job_id={job}")).await;
    assert_eq!(of_job["data"], shown["data"]);
}

#[tokio::test]
async fn executions_are_counted_by_job_host_tag_and_class() {
    let app = App::new().await;
    let (a, b) =
        (job(&app, "first", "a.example", &["x", "y"]).await, job(&app, "second", "b.example", &["x"]).await);
    let now = app.db.now().await;
    for (job, status) in
        [(&a, "succeeded"), (&a, "failed"), (&b, "succeeded"), (&b, "succeeded"), (&b, "succeeded")]
    {
        ended(&app, job, now - TimeDelta::minutes(1), status, 1).await;
    }
    count(&app).await;
    let own = |key: &str, due, failed| (key.to_owned(), due, failed);
    let by_job = stats(&app, "by=job").await;
    assert_eq!(keys(&by_job), [own(&a, 2, 1), own(&b, 3, 0)]);
    assert_eq!(by_job["data"][0]["name"], "first");
    assert_eq!(keys(&stats(&app, "by=job&limit=1").await), [own(&a, 2, 1)]);
    assert_eq!(keys(&stats(&app, "by=host").await), [own("a.example", 2, 1), own("b.example", 3, 0)]);
    assert_eq!(keys(&stats(&app, "by=tag").await), [own("x", 5, 1), own("y", 2, 1)]);
    assert_eq!(keys(&stats(&app, "by=error_class").await), [own("http_503", 1, 1)]);
    assert!(keys(&stats(&app, &format!("by=error_class&job_id={b}")).await).is_empty());
    assert_eq!(keys(&stats(&app, &format!("job_id={a}")).await), [own("", 2, 1)]);
    app.send(Method::PATCH, &format!("/v1/jobs/{a}"), &[], r#"{"key": "a"}"#).await.expect(200);
    assert_eq!(keys(&stats(&app, "job_id=a").await), [own("", 2, 1)]);
    assert!(keys(&stats(&app, "job_id=none").await).is_empty());
    assert_eq!(keys(&stats(&app, &format!("by=job&job_id={a}")).await), [own(&a, 2, 1)]);
    assert_eq!(keys(&stats(&app, "host=b.example").await), [own("", 3, 0)]);
    assert_eq!(keys(&stats(&app, "tag=y").await), [own("", 2, 1)]);
    assert_eq!(keys(&stats(&app, "by=job&host=b.example&tag=x").await), [own(&b, 3, 0)]);
    assert_eq!(keys(&stats(&app, "step=86400").await).iter().map(|key| key.1).sum::<i64>(), 5);
    let job_of_others =
        app.db.job(app.db.workspace("theirs").await, &every_seconds(60, "https://a.example/")).await;
    assert!(keys(&stats(&app, &format!("job_id={job_of_others}")).await).is_empty());
}

#[tokio::test]
async fn what_is_not_counted_is_refused() {
    let app = App::new().await;
    let job = job(&app, "a", "a.example", &[]).await;
    let old = "from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z";
    for (query, parameter, code) in [
        ("step=90".to_owned(), "?step", "out_of_range"),
        ("step=59".to_owned(), "?step", "out_of_range"),
        ("step=172800".to_owned(), "?step", "out_of_range"),
        ("limit=251".to_owned(), "?limit", "out_of_range"),
        ("by=day".to_owned(), "?by", "parameter_invalid"),
        ("job_id=job_1".to_owned(), "?job_id", "parameter_invalid"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z".to_owned(), "?from", "window_empty"),
        ("from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z".to_owned(), "?from", "window_too_long"),
        (format!("{old}&step=60"), "?step", "not_counted"),
        ("step=60&by=job".to_owned(), "?step", "not_counted"),
        ("step=1800&host=a.example".to_owned(), "?step", "not_counted"),
        ("by=host&tag=a".to_owned(), "?by", "not_counted"),
        (format!("by=tag&job_id={job}"), "?by", "not_counted"),
        (format!("tag=a&job_id={job}"), "?by", "not_counted"),
        (
            "from=2026-01-01T00:00:00Z&to=2026-01-16T00:00:00Z&by=job&limit=250".to_owned(),
            "?limit",
            "too_many",
        ),
    ] {
        let errors = app.get(&format!("/v1/stats?{query}")).await.errors();
        assert_eq!(errors, [(parameter.to_owned(), code.to_owned())], "{query}");
    }
    assert!(keys(&stats(&app, &format!("{old}&step=60&job_id={job}")).await).is_empty());
}

async fn health(app: &App, job: &str) -> (String, i64) {
    let health = app.get(&format!("/v1/jobs/{job}")).await.expect(200)["health"].clone();
    assert_eq!(health["since"].is_null(), health["state"] == "never_ran", "{health}");
    (health["state"].as_str().unwrap().to_owned(), health["failures_in_a_row"].as_i64().unwrap())
}

async fn jobs_by_health(app: &App, state: &str) -> Vec<String> {
    let jobs = app.get(&format!("/v1/jobs?health={state}")).await.expect(200);
    jobs["data"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_job_is_failing_until_it_succeeds() {
    let app = App::new().await;
    let (failing, recovered) =
        (job(&app, "failing", "a.example", &[]).await, job(&app, "recovered", "a.example", &[]).await);
    let well = job(&app, "well", "b.example", &[]).await;
    job(&app, "new", "b.example", &[]).await;
    let now = app.db.now().await;
    assert_eq!(health(&app, &failing).await, ("never_ran".to_owned(), 0));
    for minute in [5, 4] {
        for job in [&failing, &recovered] {
            ended(&app, job, now - TimeDelta::minutes(minute), "failed", 1).await;
        }
    }
    ended(&app, &recovered, now - TimeDelta::minutes(3), "succeeded", 1).await;
    ended(&app, &well, now - TimeDelta::minutes(3), "succeeded", 1).await;
    count(&app).await;
    assert_eq!(health(&app, &failing).await, ("failing".to_owned(), 2));
    assert_eq!(health(&app, &recovered).await, ("well".to_owned(), 0));
    assert_eq!(jobs_by_health(&app, "failing").await, ["failing"]);
    assert_eq!(jobs_by_health(&app, "well").await, ["well", "recovered"]);
    assert_eq!(jobs_by_health(&app, "never_ran").await, ["new"]);
    app.db
        .execute("update job_versions set secrets = '{key,other}' where name in ('well', 'new', 'recovered')")
        .await;
    app.db.execute("update jobs set state = 'paused' where name = 'recovered'").await;
    for name in ["key", "theirs"] {
        app.post("/v1/secrets", &json!({ "name": name, "value": "12345678" })).await.expect(201);
    }
    assert_eq!(jobs_by_health(&app, "will_fail").await, ["new", "well"]);
    let counts = app.get("/v1/jobs/counts?health=will_fail").await.expect(200);
    assert_eq!((&counts["all"], &counts["active"]), (&json!(2), &json!(2)));
    app.post("/v1/secrets", &json!({ "name": "other", "value": "12345678" })).await.expect(201);
    assert_eq!(jobs_by_health(&app, "will_fail").await, [] as [&str; 0]);
    let invalid = app.get("/v1/jobs?health=sick").await.errors();
    assert_eq!(invalid, [("?health".to_owned(), "parameter_invalid".to_owned())]);

    let cause = |failures: &Value| {
        let cause = failures["data"][0].clone();
        let names: Vec<String> = cause["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["name"].as_str().unwrap().to_owned())
            .collect();
        (cause["sentence"].as_str().unwrap().to_owned(), names, cause["status_code"].clone())
    };
    let failures = app.get("/v1/failures").await.expect(200);
    let (sentence, names, code) = cause(&failures);
    assert_eq!(sentence, "a.example responds with 503: 2 executions of 1 job.");
    assert_eq!(
        (names, code, &failures["is_complete"]),
        (vec!["failing".to_owned()], json!(503), &json!(true))
    );
    let sample = failures["data"][0]["sample_execution_id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/v1/executions/{sample}")).await.expect(200)["job_id"], json!(failing));
    let all = app.get("/v1/failures?state=all").await.expect(200);
    assert_eq!(cause(&all).0, "a.example responds with 503: 4 executions of 2 jobs.");
    assert_eq!(cause(&all).1, ["failing", "recovered"]);
    for state in ["now", "all"] {
        let since =
            app.get(&format!("/v1/failures?state={state}&since=2999-01-01T00:00:00Z")).await.expect(200);
        assert_eq!(since["data"], json!([]));
    }
    let invalid = app.get("/v1/failures?state=then").await.errors();
    assert_eq!(invalid, [("?state".to_owned(), "parameter_invalid".to_owned())]);
}

#[tokio::test]
async fn hosts_are_listed_with_their_jobs_and_results() {
    let app = App::new().await;
    let a = job(&app, "a", "a.example", &[]).await;
    app.job(&json!({ "request": { "url": "https://a.example/2" }, "state": "paused" })).await;
    job(&app, "b", "b.example", &[]).await;
    let now = app.db.now().await;
    ended(&app, &a, now - TimeDelta::hours(2), "succeeded", 1).await;
    ended(&app, &a, now - TimeDelta::minutes(1), "failed", 1).await;
    ended(&app, &a, now - TimeDelta::days(8), "failed", 1).await;
    count(&app).await;
    let hosts = app.get("/v1/hosts").await.expect(200);
    assert_eq!(hosts["is_complete"], true);
    let names: Vec<&str> =
        hosts["data"].as_array().unwrap().iter().map(|host| host["host"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.example", "b.example"]);
    let host = &hosts["data"][0];
    for (field, value) in [("jobs", 2), ("active", 1), ("failing", 1), ("succeeded_7d", 1), ("failed_7d", 1)]
    {
        assert_eq!(host[field], json!(value), "{field}: {host}");
    }
    // Every five minutes; the last may be in the next minute.
    assert!((11..=12).contains(&host["next_hour"].as_i64().unwrap()), "{host}");
    assert_eq!((host["p95_ms"].is_number(), &hosts["data"][1]["p95_ms"]), (true, &Value::Null));
}

#[tokio::test]
async fn usage_shows_what_is_used_and_allowed() {
    let app = App::new().await;
    let usage = app.get("/v1/usage").await.expect(200);
    let tokens = usage["tokens"]["used"].as_i64().unwrap();
    let none = json!({ "used": 0, "limit": null });
    assert_eq!((&usage["jobs"], &usage["executions_per_minute"]), (&none, &none));
    let job = job(&app, "a", "a.example", &[]).await;
    app.post(&format!("/v1/jobs/{job}/run-now"), &json!({})).await.expect(202);
    let usage = app.get("/v1/usage").await.expect(200);
    assert_eq!(usage["jobs"]["used"], 1);
    assert_eq!(usage["executions_per_minute"]["used"], 1);
    assert_eq!(usage["tokens"]["used"], json!(tokens));
}

#[tokio::test]
async fn the_ledger_of_a_workspace_adds_up_those_of_its_jobs() {
    let app = App::new().await;
    let now = app.db.now().await;
    let definition = every_seconds(60, "https://a.example/");
    let mut jobs = Vec::new();
    for _ in 0..2 {
        jobs.push(app.db.job_created_at(app.workspace, &definition, now - TimeDelta::minutes(10)).await);
    }
    let ledger = app.get("/v1/ledger").await.expect(200);
    let mut sums = (0, 0);
    for job in &jobs {
        let one = app.get(&format!("/v1/jobs/{job}/ledger")).await.expect(200);
        sums = (sums.0 + one["due"].as_i64().unwrap(), sums.1 + one["gaps"].as_i64().unwrap());
    }
    assert_eq!(
        (&ledger["jobs_checked"], &ledger["jobs_left"], &ledger["next_cursor"]),
        (&json!(2), &json!(0), &Value::Null)
    );
    // A fire may have become a gap in between.
    let gaps = ledger["gaps"].as_i64().unwrap();
    assert!((sums.1 - 2..=sums.1).contains(&gaps) && gaps > 0, "{ledger} {sums:?}");
    assert!((sums.0 - 2..=sums.0).contains(&ledger["due"].as_i64().unwrap()));
    assert_eq!(ledger["mismatches"].as_array().unwrap().len() as i64, gaps);
    let mismatches = ledger["mismatches"].as_array().unwrap();
    assert!(jobs.iter().all(|job| mismatches.iter().any(|it| it["job_id"] == job.to_string())), "{ledger}");
    assert_eq!(app.get("/v1/ledger?cursor=1").await.errors()[0].1, "cursor_invalid");
    let window = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z";
    assert_eq!(app.get(&format!("/v1/ledger?{window}")).await.errors()[0].1, "window_empty");
}
