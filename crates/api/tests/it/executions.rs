//! Executions in responses: lists, filters, attempts, runs, replays, cancellation, and the ledger.

use chrono::TimeDelta;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome, PhaseTimings},
        id::{ExecutionId, ExecutorId},
    },
    store::{
        executors,
        leases::{self, Ended},
        slots,
    },
};

use crate::app::App;

async fn run_now(app: &App, job: &str) -> String {
    let run = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    run["id"].as_str().unwrap().to_owned()
}

/// Records one attempt of the execution, as an executor would.
pub async fn attempt(app: &App, execution: &str, outcome: Outcome, disposition: Disposition) {
    let (mut conn, now) = (app.db.conn().await, app.db.now().await);
    let session = ExecutorId::at(now);
    executors::insert(&mut conn, session, "test").await.unwrap();
    let id: ExecutionId = execution.parse().unwrap();
    let lease = leases::lease(&mut conn, session, &[id]).await.unwrap().remove(0);
    let ended_at = now + TimeDelta::milliseconds(120);
    let ended = Ended {
        lease,
        attempt: EndedAttempt { outcome, disposition, started_at: now, ended_at },
        lateness_us: Some(1234),
    };
    assert_eq!(leases::record(&mut conn, session, &[ended]).await.unwrap(), [id]);
}

pub fn failed() -> (Outcome, Disposition) {
    let outcome = Outcome {
        status_code: Some(404),
        error_class: Some("http_4xx"),
        error: Some("The server responded with 404 Not Found: check the path of the URL.".into()),
        ..Outcome::of(AttemptStatus::HttpError)
    };
    (outcome, Disposition::Failed { error_class: "http_4xx".into() })
}

#[tokio::test]
async fn a_requested_run_is_queued_and_returned() {
    let app = App::new().await;
    let job = app.job(&json!({ "name": "nightly" })).await;
    let response = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await;
    let run = response.expect(202);
    assert_eq!(
        response.header("location"),
        Some(format!("/v1/executions/{}", run["id"].as_str().unwrap()).as_str())
    );
    assert_eq!(run, app.get(response.header("location").unwrap()).await.expect(200));
    let expected = json!({
        "id": run["id"], "job_id": job, "job_name": "nightly", "host": "example.com", "job_version": 1, "status": "queued", "source": "manual",
        "scheduled_for": run["scheduled_for"], "started_at": null, "finished_at": null,
        "next_attempt_at": null, "waiting_for": null, "lateness_ms": null, "duration_ms": null, "attempt_count": 0,
        "status_code": null, "error": null, "error_class": null, "replay_of": null, "attempts": [],
    });
    assert_eq!(run, expected);
    let job = app.get(&format!("/v1/jobs/{job}")).await.expect(200);
    assert_eq!(job["last_execution"]["id"], run["id"], "the schedule is unaffected: {job}");
    assert!(job["next_run_at"].is_string());
}

#[tokio::test]
async fn an_execution_with_its_attempt() {
    let app = App::new().await;
    let run = run_now(&app, &app.job(&json!({})).await).await;
    let ms = |ms| Some(Duration::from_micros(ms));
    let outcome = Outcome {
        status_code: Some(200),
        timing: PhaseTimings {
            dns: ms(1500),
            connect: ms(250),
            tls: None,
            first_byte: ms(2000),
            body: ms(10),
            total: Duration::from_micros(4001),
        },
        remote_address: Some("192.0.2.1:443".into()),
        http_version: Some("HTTP/2"),
        response_headers: vec![("set-cookie".into(), "a".into()), ("set-cookie".into(), "b".into())],
        body_preview: b"ok\0\xff".to_vec(),
        response_bytes: 4,
        ..Outcome::of(AttemptStatus::Success)
    };
    attempt(&app, &run, outcome, Disposition::Succeeded).await;
    let execution = app.get(&format!("/v1/executions/{run}")).await.expect(200);
    assert_eq!(execution["status"], "succeeded");
    assert_eq!((&execution["lateness_ms"], &execution["duration_ms"]), (&json!(1.234), &json!(120.0)));
    let attempt = &execution["attempts"][0];
    let expected = json!({
        "number": 1, "status": "success", "status_code": 200, "error_class": null, "error": null,
        "started_at": attempt["started_at"],
        "timing": { "dns_ms": 1.5, "connect_ms": 0.25, "tls_ms": null, "first_byte_ms": 2.0, "body_ms": 0.01, "total_ms": 4.001 },
        "remote_address": "192.0.2.1:443", "http_version": "HTTP/2",
        "response_headers": [{ "name": "set-cookie", "value": "a" }, { "name": "set-cookie", "value": "b" }],
        "body_preview": "b2sA/w==", "body_encoding": "base64", "body_truncated": false, "response_bytes": 4,
    });
    assert_eq!(*attempt, expected);
}

/// Leases the execution, as an executor would that is about to send its request.
async fn lease(app: &App, run: &str) -> (ExecutorId, leases::Lease) {
    let (mut conn, now) = (app.db.conn().await, app.db.now().await);
    let session = ExecutorId::at(now);
    executors::insert(&mut conn, session, "test").await.unwrap();
    let lease = leases::lease(&mut conn, session, &[run.parse().unwrap()]).await.unwrap().remove(0);
    (session, lease)
}

/// The execution by itself and in a list, which agree.
async fn shown(app: &App, run: &str) -> Value {
    let mut one = app.get(&format!("/v1/executions/{run}")).await.expect(200);
    let attempts = one.as_object_mut().unwrap().remove("attempts").unwrap();
    let list = app.get("/v1/executions").await.expect(200);
    let listed = list["data"].as_array().unwrap().iter().find(|listed| listed["id"] == run).unwrap();
    assert_eq!(*listed, one);
    one["attempts"] = attempts;
    one
}

#[tokio::test]
async fn an_execution_in_progress_shows_what_it_does() {
    let app = App::new().await;
    let run = run_now(&app, &app.job(&json!({})).await).await;
    let before = app.db.now().await - TimeDelta::seconds(1);
    let (session, leased) = lease(&app, &run).await;
    let running = shown(&app, &run).await;
    let instant = |value: &Value| value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(instant(&running["started_at"]) > before, "{running}");
    assert_eq!((&running["status"], &running["next_attempt_at"]), (&json!("running"), &Value::Null));

    let now = app.db.now().await;
    let due_at = now + TimeDelta::milliseconds(2500);
    let outcome = Outcome { status_code: Some(503), error: Some("Overloaded.".into()), ..failed().0 };
    let disposition = Disposition::Retry { due_at };
    let attempt = EndedAttempt { outcome, disposition, started_at: now, ended_at: now };
    let ended = Ended { lease: leased, attempt, lateness_us: Some(1) };
    leases::record(&mut *app.db.conn().await, session, &[ended]).await.unwrap();
    let retrying = shown(&app, &run).await;
    assert_eq!(retrying["status"], "retrying");
    assert_eq!(instant(&retrying["next_attempt_at"]).timestamp_millis(), due_at.timestamp_millis());
    assert_eq!((&retrying["status_code"], &retrying["error"]), (&json!(503), &json!("Overloaded.")));
    assert_eq!(instant(&retrying["started_at"]).timestamp_millis(), now.timestamp_millis());

    let failing = run_now(&app, &app.job(&json!({})).await).await;
    self::attempt(&app, &failing, failed().0, failed().1).await;
    let ended = shown(&app, &failing).await;
    assert_eq!((&ended["status_code"], &ended["error_class"]), (&json!(404), &json!("http_4xx")));
    assert_eq!(ended["error"], ended["attempts"][0]["error"]);
}

#[tokio::test]
async fn a_waiting_execution_says_what_for() {
    let app = App::new().await;
    let job = app.job(&json!({ "concurrency_limit": 1 })).await;
    let runs = [run_now(&app, &job).await, run_now(&app, &job).await];
    let (mut conn, now) = (app.db.conn().await, app.db.now().await);
    let session = ExecutorId::at(now);
    executors::insert(&mut conn, session, "test").await.unwrap();
    for run in &runs {
        let id: ExecutionId = run.parse().unwrap();
        for limited in slots::limited(&mut conn, session, &[id]).await.unwrap() {
            leases::lease_limited(&mut conn, session, &limited).await.unwrap();
        }
    }
    assert_eq!(shown(&app, &runs[0]).await["waiting_for"], Value::Null);
    let waiting = shown(&app, &runs[1]).await;
    assert_eq!(
        (&waiting["status"], &waiting["waiting_for"]),
        (&json!("queued"), &json!("concurrency_limit"))
    );
    let run = run_now(&app, &app.job(&json!({})).await).await;
    let (session, leased) = lease(&app, &run).await;
    let released = [(leased.execution, leased.number)];
    leases::release(&mut conn, session, &released, leases::AfterRelease::Wait).await.unwrap();
    let waiting = shown(&app, &run).await;
    assert_eq!((&waiting["status"], &waiting["waiting_for"]), (&json!("queued"), &json!("capacity")));
    assert_eq!(waiting["started_at"], Value::Null, "nothing was sent");
}

#[tokio::test]
async fn a_cancelled_attempt_has_its_times() {
    let app = App::new().await;
    let run = run_now(&app, &app.job(&json!({})).await).await;
    lease(&app, &run).await;
    // As if the request had been sent some seconds ago.
    app.db.execute("update runs set attempt_started_at = attempt_started_at - interval '7 seconds'").await;
    let cancelled =
        app.send(Method::POST, &format!("/v1/executions/{run}/cancel"), &[], "").await.expect(200);
    let attempt = &cancelled["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["error_class"]), (&json!("interrupted"), &json!("cancelled")));
    let total = attempt["timing"]["total_ms"].as_f64().unwrap();
    assert!(total >= 7000.0, "{cancelled}");
    assert_eq!((&cancelled["started_at"], &cancelled["error"]), (&attempt["started_at"], &attempt["error"]));
    assert!((cancelled["duration_ms"].as_f64().unwrap() - total).abs() < 0.01, "{cancelled}");
    assert_eq!(shown(&app, &run).await, cancelled);
}

#[tokio::test]
async fn lists_filters_and_pages() {
    let app = App::new().await;
    let (one, other) =
        (app.job(&json!({ "name": "One" })).await, app.job(&json!({ "name": "another" })).await);
    let mut runs = Vec::new();
    for job in [&one, &one, &other, &one, &other] {
        runs.push(run_now(&app, job).await);
    }
    let (outcome, next) = failed();
    attempt(&app, &runs[3], outcome, next).await;
    runs.reverse();
    let ids = async |path: &str| {
        let list = app.get(path).await.expect(200);
        let ids = list["data"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids("/v1/executions").await, runs, "newest first");
    let of_other = [runs[0].clone(), runs[2].clone()];
    assert_eq!(ids(&format!("/v1/executions?job_id={other}")).await, of_other);
    assert_eq!(ids(&format!("/v1/jobs/{other}/executions")).await, of_other);
    assert_eq!(ids("/v1/executions?job_name=ANOTHER").await, of_other);
    assert_eq!(ids("/v1/executions?status=failed&source=manual").await, [runs[1].clone()]);
    assert_eq!(ids("/v1/executions?status=failed,succeeded").await, [runs[1].clone()]);
    assert_eq!(ids(&format!("/v1/jobs/{one}/executions?status=queued,failed")).await.len(), 3);
    for filter in [
        "status_code=404",
        "error_class=http_4xx",
        "status_code=404&error_class=http_4xx&status=failed",
        "status_code=4xx",
        "min_attempts=1",
    ] {
        assert_eq!(ids(&format!("/v1/executions?{filter}")).await, [runs[1].clone()], "{filter}");
        assert_eq!(ids(&format!("/v1/jobs/{one}/executions?{filter}")).await, [runs[1].clone()], "{filter}");
        assert!(ids(&format!("/v1/jobs/{other}/executions?{filter}")).await.is_empty(), "{filter}");
    }
    for filter in ["status_code=500", "status_code=5xx", "min_attempts=2"] {
        assert!(ids(&format!("/v1/executions?{filter}")).await.is_empty(), "{filter}");
    }
    app.patch(&format!("/v1/jobs/{other}"), &json!({ "tags": ["blue"] })).await.expect(200);
    assert_eq!(ids("/v1/executions?tag=blue").await, of_other);
    assert!(ids("/v1/executions?tag=BLUE").await.is_empty());
    assert_eq!(ids("/v1/executions?host=EXAMPLE.com").await, runs);
    assert!(ids("/v1/executions?host=example.com:8443").await.is_empty());
    assert!(ids("/v1/executions?host=ample.com").await.is_empty());
    // The version that was run counts.
    let moved = json!({ "request": { "url": "https://b\u{fc}cher.example:8443/?x=https://example.com/" } });
    app.patch(&format!("/v1/jobs/{other}"), &moved).await.expect(200);
    runs.insert(0, run_now(&app, &other).await);
    for host in ["b%C3%BCcher.example", "xn--bcher-kva.example:8443"] {
        assert_eq!(ids(&format!("/v1/executions?host={host}")).await, [runs[0].clone()], "{host}");
    }
    app.send(Method::POST, &format!("/v1/executions/{}/cancel", runs[0]), &[], "").await.expect(200);
    assert_eq!(ids("/v1/executions?host=example.com").await, runs[1..]);
    for (query, pointer) in [
        ("status=failed,done", "?status"),
        ("status_code=99", "?status_code"),
        ("status_code=6xx", "?status_code"),
        ("min_attempts=0", "?min_attempts"),
        ("min_attempts=11", "?min_attempts"),
        ("host=a/b", "?host"),
    ] {
        let errors = app.get(&format!("/v1/executions?{query}")).await.errors();
        assert_eq!(
            errors,
            [(pointer.to_owned(), "parameter_invalid".to_owned())].map(|(at, code)| if at == "?host" {
                (at, "host_invalid".to_owned())
            } else {
                (at, code)
            })
        );
    }
    let runs = runs;
    assert!(ids("/v1/executions?source=schedule").await.is_empty());
    assert!(ids("/v1/executions?to=2020-01-01T00:00:00Z").await.is_empty());
    assert_eq!(ids("/v1/executions?from=2020-01-01T00:00:00Z").await.len(), 6);

    let (mut seen, mut path) = (Vec::new(), "/v1/executions?limit=2&source=manual".to_owned());
    loop {
        let page = app.get(&path).await.expect(200);
        let data = page["data"].as_array().unwrap();
        assert!(data.iter().all(|run| run.get("attempts").is_none()) && data.len() <= 2);
        seen.extend(data.iter().map(|run| run["id"].as_str().unwrap().to_owned()));
        let Value::String(cursor) = &page["next_cursor"] else {
            assert_eq!(page["has_more"], false);
            break;
        };
        assert_eq!(page["has_more"], true);
        let elsewhere = app.get(&format!("/v1/executions?limit=2&cursor={cursor}")).await.errors();
        assert_eq!(elsewhere[0].1, "cursor_invalid", "a cursor is bound to its filters");
        path = format!("/v1/executions?limit=2&source=manual&cursor={cursor}");
    }
    assert_eq!(seen, runs);
}

#[tokio::test]
async fn a_key_of_a_run_is_not_a_key_of_a_replay() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let keyed = async |path: &str| app.send(Method::POST, path, &[("idempotency-key", "bill-17")], "").await;
    let run = format!("/v1/jobs/{job}/run-now");
    let first = keyed(&run).await.expect(202);
    let replay = format!("/v1/executions/{}/replay", first["id"].as_str().unwrap());
    for path in [replay, format!("/v1/jobs/{}/run-now", app.job(&json!({})).await)] {
        let reused = keyed(&path).await;
        let earlier = reused.expect(200);
        assert_eq!((&earlier["id"], &earlier["job_id"]), (&first["id"], &json!(job)), "{path}");
        assert_eq!(reused.header("idempotent-replayed"), Some("true"));
        assert_eq!(reused.header("idempotent-request-differs"), Some("true"));
        assert!(earlier["warnings"][0].as_str().unwrap().contains("by a different request"), "{earlier}");
    }
    let same = keyed(&run).await;
    assert_eq!((&same.expect(200)["id"], same.header("idempotent-request-differs")), (&first["id"], None));
    let empty = app.send(Method::POST, &run, &[("idempotency-key", "")], "").await;
    assert_eq!(empty.errors(), [("Idempotency-Key".into(), "idempotency_key_invalid".into())]);
    assert_eq!(app.db.count("select count(*) from all_executions").await, 1);
}

#[tokio::test]
async fn a_used_key_is_replayed_before_validation() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let run = async || {
        let path = format!("/v1/jobs/{job}/run-now");
        app.send(Method::POST, &path, &[("idempotency-key", "bill-17")], "").await
    };
    let made = run().await.expect(202);
    // The job can no longer run, but the execution exists.
    app.db.execute("update jobs set state = 'draft'").await;
    assert_eq!(run().await.expect(200)["id"], made["id"]);
    // A key without an execution is free.
    app.db.execute("delete from run_keys").await;
    assert_eq!(run().await.problem(409), "job_is_draft");
    app.db.execute("update jobs set state = 'active'").await;
    run().await.expect(202);
}

#[tokio::test]
async fn a_replay_uses_the_current_definition() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let run = run_now(&app, &job).await;
    let (outcome, next) = failed();
    attempt(&app, &run, outcome, next).await;
    app.patch(&format!("/v1/jobs/{job}"), &json!({ "name": "mended" })).await.expect(200);
    let response = app.send(Method::POST, &format!("/v1/executions/{run}/replay"), &[], "").await;
    let replay = response.expect(202);
    assert_eq!((&replay["source"], &replay["replay_of"]), (&json!("replay"), &json!(run)));
    assert_eq!((&replay["job_version"], &replay["status"]), (&json!(2), &json!("queued")));
    assert_eq!(app.get(response.header("location").unwrap()).await.expect(200), replay);
    app.patch(&format!("/v1/jobs/{job}"), &json!({ "state": "draft" })).await.expect(200);
    let draft = app.send(Method::POST, &format!("/v1/executions/{run}/replay"), &[], "").await;
    assert_eq!(draft.problem(409), "job_is_draft");
}

#[tokio::test]
async fn a_cancelled_execution_has_ended() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let (waiting, ended) = (run_now(&app, &job).await, run_now(&app, &job).await);
    let cancel =
        async |run: &str| app.send(Method::POST, &format!("/v1/executions/{run}/cancel"), &[], "").await;
    let cancelled = cancel(&waiting).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["attempts"]), (&json!("cancelled"), &json!([])));
    assert!(cancelled["finished_at"].is_string());
    assert_eq!(cancel(&waiting).await.expect(200), cancelled, "cancelling is idempotent");
    let (outcome, next) = failed();
    attempt(&app, &ended, outcome, next).await;
    assert_eq!(cancel(&ended).await.problem(409), "execution_ended");
}

#[tokio::test]
async fn a_cancelled_one_time_job_is_completed() {
    let app = App::new().await;
    let job = app
        .post("/v1/jobs", &crate::app::job(&json!({ "kind": "one_time", "schedule": null })))
        .await
        .expect(201);
    let run = job["execution_id"].as_str().unwrap();
    app.send(Method::POST, &format!("/v1/executions/{run}/cancel"), &[], "").await.expect(200);
    let job = app.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(job["state"], "completed");
}

#[tokio::test]
async fn the_ledger_of_a_job() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}/ledger", app.job(&json!({})).await);
    let ledger = app.get(&path).await.expect(200);
    let expected = json!({
        "from": ledger["from"], "to": ledger["to"], "due": 0, "executed": 0, "skipped": {}, "pending": 0, "gaps": 0,
        "duplicates": 0, "mismatches": [],
    });
    assert_eq!(ledger, expected);
    // As if it had been created ten minutes ago, and no scheduler had planned since.
    app.db.execute("update jobs set created_at = created_at - interval '10 minutes 5 seconds'").await;
    app.db.execute("update job_versions set created_at = created_at - interval '10 minutes 5 seconds'").await;
    let ledger = app.get(&path).await.expect(200);
    assert_eq!(
        (&ledger["due"], &ledger["gaps"], &ledger["pending"]),
        (&json!(2), &json!(1), &json!(1)),
        "{ledger}"
    );
    assert_eq!(
        (&ledger["mismatches"][0]["kind"], &ledger["mismatches"][0]["execution_id"]),
        (&json!("gap"), &Value::Null)
    );
    for (query, pointer) in
        [("?from=2999-01-01T00:00:00Z", "?from"), ("?from=x", "?from"), ("?limit=1", "?limit")]
    {
        assert_eq!(app.get(&format!("{path}{query}")).await.errors()[0].0, pointer);
    }
}

#[tokio::test]
async fn a_one_time_job_is_completed_by_its_execution() {
    let app = App::new().await;
    let job = app
        .post("/v1/jobs", &crate::app::job(&json!({ "kind": "one_time", "schedule": null })))
        .await
        .expect(201);
    assert_eq!((&job["state"], &job["next_run_at"]), (&json!("active"), &Value::Null));
    let (path, run) =
        (format!("/v1/jobs/{}", job["id"].as_str().unwrap()), job["execution_id"].as_str().unwrap());
    let (outcome, next) = failed();
    attempt(&app, run, outcome, next).await;
    let ended = app.get(&path).await.expect(200);
    assert_eq!(
        (&ended["state"], &ended["last_execution"]["status"]),
        (&json!("completed"), &json!("failed"))
    );
    assert_eq!(app.send(Method::POST, &format!("{path}/pause"), &[], "").await.problem(409), "job_completed");
    assert_eq!(
        app.send(Method::POST, &format!("{path}/resume"), &[], "").await.problem(409),
        "job_completed"
    );
    assert_eq!(app.patch(&path, &json!({ "state": "active" })).await.problem(409), "job_completed");
    app.send(Method::POST, &format!("{path}/run-now"), &[], "").await.expect(202);
    let again = json!({ "kind": "scheduled", "schedule": { "run_at": "2999-01-01T00:00:00Z" } });
    let again = app.patch(&path, &again).await.expect(200);
    assert_eq!(
        (&again["state"], &again["next_run_at"]),
        (&json!("active"), &json!("2999-01-01T00:00:00.000Z"))
    );
}

/// A chain of runs, each of which asks for the next: its requests say how deep they are.
#[tokio::test]
async fn a_chain_of_runs_ends() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let send =
        async |path: &str, depth: &str| app.send(Method::POST, path, &[("trigrun-depth", depth)], "").await;
    let run_now = format!("/v1/jobs/{job}/run-now");
    let mut replay = String::new();
    for depth in ["0", "1", "2", "3"] {
        let run = send(&run_now, depth).await.expect(202);
        replay = format!("/v1/executions/{}/replay", run["id"].as_str().unwrap());
        send(&replay, depth).await.expect(202);
    }
    let depths = "select source || depth from all_executions order by id";
    let recorded = ["manual", "replay"].map(|source| (0..4).map(move |depth| format!("{source}{depth}")));
    let mut recorded: Vec<String> = recorded.into_iter().flatten().collect();
    let mut found = app.db.lines(depths).await;
    recorded.sort();
    found.sort();
    assert_eq!(found, recorded);
    for (path, body) in [
        (run_now.as_str(), String::new()),
        (&replay, String::new()),
        ("/v1/jobs", crate::app::job(&json!({})).to_string()),
        ("/v1/jobs/import", json!({ "crontab": "@daily https://example.com/" }).to_string()),
        (&format!("/v1/jobs/{job}/resume"), String::new()),
    ] {
        for depth in ["4", "32767", "-1", "deep", ""] {
            let refused = app.send(Method::POST, path, &[("trigrun-depth", depth)], &body).await;
            assert_eq!(refused.problem(508), "loop_detected", "{path} {depth}");
        }
    }
    let patch = async |depth: &str, name: &str| {
        let (path, body) = (format!("/v1/jobs/{job}"), json!({ "name": name }).to_string());
        app.send(Method::PATCH, &path, &[("trigrun-depth", depth)], &body).await
    };
    assert_eq!(patch("4", "deeper").await.problem(508), "loop_detected");
    // What a run creates or changes is as deep, until another request changes it.
    patch("2", "deep").await.expect(200);
    app.patch(&format!("/v1/jobs/{job}"), &json!({ "name": "again" })).await.expect(200);
    let versions = "select version || ':' || made_at_depth from job_versions order by version";
    assert_eq!(app.db.lines(versions).await, ["1:0", "2:2", "3:0"]);
    let once = crate::app::job(&json!({ "kind": "one_time", "schedule": {} })).to_string();
    app.send(Method::POST, "/v1/jobs", &[("trigrun-depth", "3")], &once).await.expect(201);
    assert_eq!(app.db.lines("select depth::text from all_executions where source = 'one_time'").await, ["3"]);
}

#[tokio::test]
async fn a_paused_job_does_not_run_itself() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let run_now = format!("/v1/jobs/{job}/run-now");
    let run = app.send(Method::POST, &run_now, &[], "").await.expect(202);
    let replay = format!("/v1/executions/{}/replay", run["id"].as_str().unwrap());
    app.send(Method::POST, &format!("/v1/jobs/{job}/pause"), &[], "").await.expect(200);
    for path in [&run_now, &replay] {
        let of_a_run = app.send(Method::POST, path, &[("trigrun-depth", "1")], "").await;
        assert_eq!(of_a_run.problem(409), "job_is_paused");
        app.send(Method::POST, path, &[], "").await.expect(202);
    }
}
