//! A whole executor against a real Postgres, a real Redis and a scripted target.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;
use trigrun_core::{
    domain::{
        attempt::AttemptStatus,
        execution::{Execution, Status},
        request::{Body, Headers},
        retry::DeliveryGuarantee,
    },
    store::leases,
};
use trigrun_testkit::target::Script;

use crate::bench::{Bench, DEADLINE};

#[tokio::test]
async fn a_dispatch_becomes_a_recorded_request() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    let mut definition = bench.definition("/hook");
    definition.request.method = trigrun_core::domain::request::Method::Post;
    definition.request.body = Some(Body::Json("{ \"b\":1.0, \"a\":1 }".into()));
    definition.request.headers = Headers::check(vec![("X-Key".into(), "value".into())]).unwrap();
    let id = bench.published(&definition).await;
    let execution = bench.ended(id).await;
    assert_eq!((execution.status, execution.attempt_count), (Status::Succeeded, 1));
    assert!(execution.lateness_us.is_some() && execution.duration_us.is_some());
    let attempt = &execution.attempts[0];
    assert_eq!((attempt.status, attempt.status_code), (AttemptStatus::Success, Some(200)));
    assert!(attempt.timing.connect.is_some() && attempt.timing.first_byte.is_some());

    let hit = &bench.target.hits()[0];
    assert_eq!(hit.body, "{ \"b\":1.0, \"a\":1 }");
    let job = execution.job.to_string();
    let expected = [
        ("content-type", "application/json"),
        ("x-key", "value"),
        ("trigrun-execution-id", &id.to_string()),
        ("trigrun-job-id", &job),
        ("trigrun-attempt", "1"),
        ("trigrun-depth", "1"),
        ("user-agent", concat!("TrigRun/", env!("CARGO_PKG_VERSION"))),
    ];
    for (name, value) in expected {
        assert_eq!(hit.header(name), Some(value), "{name}");
    }
    assert!(
        hit.header("traceparent").unwrap().starts_with("00-")
            && hit.header("trigrun-scheduled-for").is_some()
    );
    executor.stop().await;
}

#[tokio::test]
async fn the_request_is_sent_at_its_instant_and_not_before() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    // The session exists and the first connection is open.
    bench.ended(bench.published(&bench.definition("/warm")).await).await;
    let job = bench.db.job(bench.workspace, &bench.definition("/hook")).await;
    let id = bench.run_in(job, TimeDelta::seconds(4)).await;
    bench.publish(id).await;
    let running = bench.when(id, |execution| execution.status == Status::Running).await;
    assert!(
        bench.db.now().await < running.scheduled_for && bench.target.hits().len() == 1,
        "leased ahead, and not sent"
    );
    let lateness = bench.ended(id).await.lateness_us.unwrap();
    // The benchmarks measure the precision. Here it only must not wait for something else, such as the next heartbeat.
    assert!(lateness < 2_000_000, "{lateness} µs");
    // Up to the error of the executor's reading of Postgres's clock.
    let earliest = running.scheduled_for - TimeDelta::milliseconds(500);
    assert!(DateTime::<Utc>::from(bench.target.hits()[1].arrived_at) >= earliest);
    executor.stop().await;
}

#[tokio::test]
async fn headers_leave_as_they_were_written() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    let mut definition = bench.definition("/hook");
    definition.request.method = trigrun_core::domain::request::Method::Post;
    definition.request.body = Some(Body::Text("text".into()));
    let headers =
        [("X-B", "1"), ("SOAPAction", "x"), ("accept", "text/xml"), ("x-a", "2"), ("Content-type", "y")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    definition.request.headers = Headers::check(headers.to_vec()).unwrap();
    bench.ended(bench.published(&definition).await).await;
    let own = [
        "TrigRun-Job-Id",
        "TrigRun-Execution-Id",
        "TrigRun-Attempt",
        "TrigRun-Depth",
        "TrigRun-Scheduled-For",
    ];
    let signed = ["traceparent", "webhook-signature", "webhook-timestamp", "webhook-id", "Content-Length"];
    let expected = ["Host", "User-Agent"].into_iter().map(str::to_owned);
    let expected =
        expected.chain(headers.map(|(name, _)| name)).chain(own.into_iter().chain(signed).map(str::to_owned));
    assert_eq!(bench.target.hits()[0].names, expected.collect::<Vec<_>>());
    executor.stop().await;
}

#[tokio::test]
async fn a_request_that_was_not_processed_takes_no_attempt() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    let mut definition = bench.definition("/hook");
    definition.retry_policy.max_attempts = 1;
    let given_up = Script::status(408).header("connection", "close");
    bench.target.respond_in_turn("/hook", [Script::default(), given_up, Script::default()]);
    for _ in 0..2 {
        let execution = bench.ended(bench.published(&definition).await).await;
        assert_eq!((execution.status, execution.attempt_count), (Status::Succeeded, 1));
    }
    assert_eq!((bench.target.hits().len(), bench.target.connections()), (3, 2));

    definition.delivery = DeliveryGuarantee::AtMostOnce;
    for connections in 3..=4 {
        bench.ended(bench.published(&definition).await).await;
        assert_eq!(bench.target.connections(), connections, "each has its own");
    }
    executor.stop().await;
}

#[tokio::test]
async fn a_failed_attempt_is_retried_with_the_same_id() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond_in_turn("/hook", [Script::status(500), Script::status(503), Script::status(200)]);
    let id = bench.published(&bench.definition("/hook")).await;
    let execution = bench.ended(id).await;
    let codes: Vec<_> = execution.attempts.iter().map(|attempt| attempt.status_code).collect();
    assert_eq!((execution.status, codes), (Status::Succeeded, vec![Some(500), Some(503), Some(200)]));
    let hits = bench.target.hits();
    let attempts: Vec<_> = hits.iter().map(|hit| hit.header("trigrun-attempt").unwrap().to_owned()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
    assert!(hits.iter().all(|hit| hit.header("trigrun-execution-id") == Some(&id.to_string())));
    let waits: Vec<_> = hits.windows(2).map(|pair| pair[1].arrived - pair[0].arrived).collect();
    assert!(waits[0] >= Duration::from_millis(375) && waits[1] >= Duration::from_millis(750), "{waits:?}");
    executor.stop().await;
}

#[tokio::test]
async fn a_timeout_names_its_limit() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/hook", Script::Never);
    let mut definition = bench.definition("/hook");
    (definition.request.timeout_seconds, definition.retry_policy.max_attempts) = (1, 1);
    let execution = bench.ended(bench.published(&definition).await).await;
    let expected = "The server did not begin to respond in time. The limit is 1 s (request.timeout_seconds).";
    assert_eq!(execution.attempts[0].error.as_deref(), Some(expected));
    assert_eq!(execution.attempts[0].remote_address, Some(bench.target.address().to_string()));
    executor.stop().await;
}

#[tokio::test]
async fn a_permanent_failure_is_not_retried() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/hook", Script::status(404));
    let execution = bench.ended(bench.published(&bench.definition("/hook")).await).await;
    assert_eq!((execution.status, execution.attempt_count), (Status::Failed, 1));
    executor.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_with_a_missing_secret_or_to_a_refused_address() {
    let mut bench = Bench::new().await;
    let mut secret = bench.definition("/hook");
    secret.request.headers =
        Headers::check(vec![("Authorization".into(), "Bearer secret://key".into())]).unwrap();
    let executor = bench.executor();
    let execution = bench.ended(bench.published(&secret).await).await;
    assert_eq!(
        (execution.status, execution.error_class.as_deref()),
        (Status::Failed, Some("secret_missing"))
    );
    assert!(execution.attempts[0].error.as_deref().unwrap().contains("no secret key"));
    executor.stop().await;
    // Opened, and refused all the same; then not opened.
    let named = |bench: &Bench| {
        let mut named = bench.definition("/hook");
        named.request.url = bench.target.url_of("localhost", "/hook");
        named
    };
    for (refused, code) in [("127.0.0.1", "url_address_refused"), ("localhost", "url_name_refused")] {
        bench.settings.egress.refuse = vec![refused.parse().unwrap()];
        let executor = bench.executor();
        let definition = if refused == "localhost" { named(&bench) } else { bench.definition("/hook") };
        let execution = bench.ended(bench.published(&definition).await).await;
        assert_eq!(
            (execution.attempts[0].status, execution.error_class.as_deref()),
            (AttemptStatus::Blocked, Some(code))
        );
        executor.stop().await;
    }
    bench.settings.egress.refuse.clear();
    bench.settings.egress.allow.clear();
    let executor = bench.executor();
    let execution = bench.ended(bench.published(&bench.definition("/hook")).await).await;
    assert_eq!((execution.status, execution.attempts[0].status), (Status::Failed, AttemptStatus::Blocked));
    assert_eq!((bench.target.hits().len(), bench.target.connections()), (0, 0));
    executor.stop().await;
}

#[tokio::test]
async fn a_secret_is_sent_and_never_shown() {
    const VALUE: &str = "s3cr\u{e9}t/value+1";
    let bench = Bench::new().await;
    bench.secret("key", VALUE).await;
    let executor = bench.executor();
    let mut definition = bench.definition("/hook");
    definition.request.headers =
        Headers::check(vec![("X-Key".into(), "Bearer secret://key, {{job_id}}".into())]).unwrap();
    let echo = format!("{}: {VALUE} or {}", "x".repeat(65_530), "rest");
    bench
        .target
        .respond("/hook", Script::status(500).header("x-echo", &format!("you sent {VALUE}")).body(echo));
    definition.retry_policy.max_attempts = 1;
    let execution = bench.ended(bench.published(&definition).await).await;
    let job = execution.job.to_string();
    let sent = bench.target.hits()[0].header("x-key").unwrap().to_owned();
    assert_eq!(sent, format!("Bearer {VALUE}, {job}"));
    let attempt = &execution.attempts[0];
    let preview = String::from_utf8_lossy(&attempt.body_preview).into_owned();
    assert!(
        !preview.contains("s3cr") && preview.contains('x') && attempt.body_truncated,
        "the preview ends where the secret begins"
    );
    let echoed = attempt.response_headers.iter().find(|(name, _)| name == "x-echo").unwrap();
    assert_eq!(echoed.1, "you sent ••••");
    let canary = format!("%{}%", VALUE.replace('\u{e9}', "_"));
    let kept = format!("select count(*) from attempts a where a::text like '{canary}'");
    assert_eq!(bench.db.count(&kept).await, 0);
    // A changed value counts from the next attempt on.
    bench.target.respond("/hook", Script::status(200));
    bench.change_secret("key", "other").await;
    bench.ended(bench.published(&definition).await).await;
    assert!(bench.target.hits()[1].header("x-key").unwrap().starts_with("Bearer other, job_"));
    executor.stop().await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_is_not_reported_as_missing() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.secret("key", "value").await;
    bench.db.execute("update secrets set sealed = decode(repeat('00', 40), 'hex')").await;
    let mut definition = bench.definition("/hook");
    definition.request.headers = Headers::check(vec![("X-Key".into(), "secret://key".into())]).unwrap();
    let execution = bench.ended(bench.published(&definition).await).await;
    assert_eq!(execution.error_class.as_deref(), Some("secret_unreadable"));
    assert!(bench.target.hits().is_empty());
    executor.stop().await;
}

/// The operator can give the executor the right key: nothing fails until then.
#[tokio::test]
async fn a_run_whose_key_cannot_be_opened_waits_until_it_can() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.secret("key", "value").await;
    bench.db.execute("create table kept as select * from workspace_keys").await;
    bench.db.execute("update workspace_keys set wrapped = decode(repeat('00', 60), 'hex')").await;
    let mut definition = bench.definition("/hook");
    definition.request.headers = Headers::check(vec![("X-Key".into(), "secret://key".into())]).unwrap();
    let (waiting, cancelled) = (bench.published(&definition).await, bench.published(&definition).await);
    let signed = bench.published(&bench.definition("/signed")).await;
    let is_running = |execution: &Execution| execution.status == Status::Running;
    for id in [waiting, cancelled, signed] {
        bench.when(id, is_running).await;
    }
    leases::cancel(&mut *bench.db.conn().await, bench.workspace, cancelled).await.unwrap();
    // The executor is asked to stop while they wait: nothing is lost, and another one continues.
    executor.stop().await;
    for id in [waiting, signed] {
        assert_eq!(bench.get(id).await.status, Status::Queued, "released");
        assert!(bench.get(id).await.attempts.is_empty());
    }
    let executor = bench.executor();
    bench.publish(waiting).await;
    bench.publish(signed).await;
    bench.when(waiting, is_running).await;
    assert!(bench.target.hits().is_empty());
    bench
        .db
        .execute("update workspace_keys k set wrapped = o.wrapped from kept o where o.workspace_id = k.workspace_id")
        .await;
    for id in [waiting, signed] {
        assert_eq!(bench.ended(id).await.status, Status::Succeeded);
    }
    let sent = bench.target.hits();
    assert!(sent.iter().any(|hit| hit.header("x-key") == Some("value")));
    bench.verify(&sent[..1], sent[0].header("webhook-id").unwrap()).await;
    assert_eq!(bench.get(cancelled).await.status, Status::Cancelled);
    executor.stop().await;
}

#[tokio::test]
async fn requests_are_signed_and_rendered_the_same_on_every_attempt() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    let mut definition = bench.definition("/hook?e={{execution_id}}");
    definition.request.method = trigrun_core::domain::request::Method::Post;
    definition.request.body =
        Some(Body::Json(r#"{"at":"{{scheduled_for}}","id":"{{uuid}}","other":"{{name}}"}"#.into()));
    bench.target.respond_in_turn("/hook", [Script::status(500), Script::status(200)]);
    let id = bench.published(&definition).await;
    bench.ended(id).await;
    let hits = bench.target.hits();
    assert_eq!((hits.len(), &hits[0].body, &hits[0].path), (2, &hits[1].body, &hits[1].path));
    assert_eq!(hits[0].path, format!("/hook?e={id}"));
    let body: serde_json::Value = serde_json::from_slice(&hits[0].body).unwrap();
    assert_eq!(
        (&body["at"], &body["other"]),
        (&hits[0].header("trigrun-scheduled-for").unwrap().into(), &"{{name}}".into())
    );
    bench.verify(&hits, &id.to_string()).await;
    executor.stop().await;
}

#[tokio::test]
async fn work_is_taken_from_postgres_while_the_streams_are_unavailable() {
    let mut bench = Bench::new().await;
    bench.settings.redis.url = "redis://127.0.0.1:1".to_owned().into();
    let executor = bench.executor();
    let job = bench.db.job(bench.workspace, &bench.definition("/hook")).await;
    let id = bench.run_in(job, TimeDelta::zero()).await;
    assert_eq!(bench.ended(id).await.status, Status::Succeeded);
    executor.stop().await;
}

#[tokio::test]
async fn a_drain_finishes_requests_in_flight_and_releases_the_rest() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/slow", Script::status(200).after(Duration::from_secs(1)));
    bench.target.respond("/fails", Script::status(500));
    let mut persistent = bench.definition("/fails");
    persistent.retry_policy.max_attempts = 10;
    let retrying = bench.published(&persistent).await;
    bench.when(retrying, |execution| execution.attempt_count >= 2).await;
    let job = bench.db.job(bench.workspace, &bench.definition("/later")).await;
    let slow = bench.published(&bench.definition("/slow")).await;
    let in_flight = async {
        while !bench.target.hits().iter().any(|hit| hit.path == "/slow") {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(DEADLINE, in_flight).await.expect("it is sent");
    // Leased ahead: it is due well after the drain has begun.
    let waiting = bench.run_in(job, TimeDelta::seconds(4)).await;
    bench.publish(waiting).await;
    bench.when(waiting, |execution| execution.status == Status::Running).await;
    executor.stop().await;
    let [slow, retrying, waiting] =
        [bench.get(slow).await, bench.get(retrying).await, bench.get(waiting).await];
    assert_eq!(slow.status, Status::Succeeded);
    assert!(matches!(retrying.status, Status::Retrying), "{retrying:?}");
    assert_eq!((waiting.status, waiting.attempt_count), (Status::Queued, 0));
    assert!(bench.target.hits().iter().all(|hit| hit.path != "/later"));
    assert_eq!(bench.db.count("select count(*) from runs where owner_id is not null").await, 0);
    assert_eq!(bench.db.count("select count(*) from executors where ended_at is null").await, 0);
}

#[tokio::test]
async fn a_cancelled_run_is_aborted() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/slow", Script::status(200).after(2 * DEADLINE));
    let id = bench.published(&bench.definition("/slow")).await;
    bench.target.wait_for(1, DEADLINE).await.unwrap();
    let ended = leases::cancel(&mut *bench.db.conn().await, bench.workspace, id).await.unwrap();
    assert_eq!(ended, None);
    assert!(
        bench.target.wait_for_open(0, DEADLINE).await,
        "the connection is closed before the target responds"
    );
    let execution = bench.get(id).await;
    assert_eq!((execution.status, execution.attempts.len()), (Status::Cancelled, 1));
    assert_eq!(execution.attempts[0].status, AttemptStatus::Interrupted);
    // Its permit and its stream entry are free again.
    let next = bench.published(&bench.definition("/hook")).await;
    assert_eq!(bench.ended(next).await.status, Status::Succeeded);
    executor.stop().await;
}

/// As when Postgres becomes unavailable at this moment.
#[tokio::test]
async fn a_session_that_cannot_begin_is_retried() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    let until_some = async |count: &str| {
        let polled = async { while bench.db.count(count).await == 0 {} };
        tokio::time::timeout(DEADLINE, polled).await.expect(count);
    };
    let live = "select count(*) from executors where ended_at is null";
    until_some(live).await;
    // A sequence counts even what is rolled back.
    let outage = "create sequence tries;
        create function outage() returns trigger language plpgsql as $$ begin
            perform nextval('tries');
            raise exception 'the server stops' using errcode = 'admin_shutdown';
        end $$;
        create trigger outage before insert on executors for each row execute function outage()";
    bench.db.execute(outage).await;
    bench.db.execute("update executors set ended_at = now()").await;
    until_some("select count(*) from tries where is_called").await;
    bench.db.execute("drop trigger outage on executors").await;
    until_some(live).await;
    let next = bench.published(&bench.definition("/hook")).await;
    assert_eq!(bench.ended(next).await.status, Status::Succeeded);
    executor.stop().await;
}

#[tokio::test]
async fn an_expired_executor_begins_another_session() {
    let bench = Bench::new().await;
    let executor = bench.executor();
    bench.target.respond("/slow", Script::status(200).after(2 * DEADLINE));
    let id = bench.published(&bench.definition("/slow")).await;
    bench.target.wait_for(1, DEADLINE).await.unwrap();
    bench.db.execute("update executors set ended_at = now()").await;
    let sessions =
        async { while bench.db.count("select count(*) from executors where ended_at is null").await == 0 {} };
    tokio::time::timeout(DEADLINE, sessions).await.expect("a new session begins");
    assert_eq!(bench.get(id).await.status, Status::Running, "recover reclaims it, not this executor");
    let next = bench.published(&bench.definition("/hook")).await;
    assert_eq!(bench.ended(next).await.status, Status::Succeeded);
    executor.stop().await;
}
