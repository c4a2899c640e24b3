//! Each journey is a story that a user could watch.

use chrono::{DateTime, TimeDelta, Utc};
use std::{collections::HashSet, time::Duration};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::{
        execution::Source,
        id::{JobId, WorkspaceId},
        ledger::Ledger,
    },
    runtime::tasks,
    store::{
        executions::{self, NewRun},
        wake::Waker,
    },
};
use trigrun_testkit::{
    TestDb,
    jobs::every_seconds,
    process::{Process, Role},
    redis,
    target::{Script, Target},
};

/// Looks until `wanted` holds. Processes tell the test nothing, so it asks, and not for ever.
pub(super) async fn until(what: &str, within: Duration, mut wanted: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let look = async {
        while !wanted().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(within, look)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {within:?}"));
}

/// A job of every second whose first fire is `lead` from now, and its window of fires.
pub(super) async fn job_of_every_second(
    db: &TestDb,
    workspace: WorkspaceId,
    url: &str,
) -> (JobId, DateTime<Utc>) {
    let now = db.now().await;
    let first = now + TimeDelta::milliseconds(3000 - i64::from(now.timestamp_subsec_millis()));
    let job = db.job_created_at(workspace, &every_seconds(1, url), first - TimeDelta::seconds(1)).await;
    (job, first)
}

#[tokio::test]
async fn thirty_seconds_are_thirty_runs_also_when_a_scheduler_is_killed() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let start = |role| Process::start(role, &db.settings(), &redis);
    let (doomed, survivor) = (start(Role::Scheduler), start(Role::Scheduler));
    let (one, other) = (start(Role::Executor), start(Role::Executor));
    until("both executors start", Duration::from_secs(20), async || {
        db.count("select count(*) from executors").await == 2
    })
    .await;
    let (job, first) = job_of_every_second(&db, workspace, &target.url("/tick")).await;
    let last = first + TimeDelta::seconds(29);
    until("the middle", Duration::from_secs(40), async || db.now().await > first + TimeDelta::seconds(15))
        .await;
    doomed.kill();
    until("the last fire", Duration::from_secs(40), async || {
        db.now().await > last + TimeDelta::milliseconds(100)
    })
    .await;

    let window = format!(
        "from executions where job_id = '{}' and scheduled_for between '{first}' and '{last}'",
        job.uuid()
    );
    until("every run ends", Duration::from_secs(10), async || {
        db.count(&format!("select count(*) {window} and status = 'succeeded'")).await == 30
    })
    .await;
    assert_eq!(db.count(&format!("select count(*) {window}")).await, 30, "none too many");
    assert_eq!(db.count(&format!("select count(distinct scheduled_for) {window}")).await, 30, "none twice");
    assert_eq!(db.count(&format!("select count(*) {window} and attempt_count <> 1")).await, 0);
    let sent: Vec<String> =
        target.hits().iter().map(|hit| hit.header("trigrun-execution-id").unwrap().to_owned()).collect();
    let different: HashSet<&String> = sent.iter().collect();
    assert_eq!(sent.len(), different.len(), "no request was sent twice");
    let ledger = db.ledger(workspace, job, first, last + TimeDelta::milliseconds(1)).await;
    let proof = Ledger { due: 30, executed: 30, ..Ledger::default() };
    assert_eq!(ledger, proof, "recomputed from what was wanted, it is whole");
    let worst = db.count(&format!("select max(lateness_us) {window}")).await;
    assert!(worst < 2_000_000, "the other scheduler took over at once: {worst} µs");
    for process in [survivor, one, other] {
        assert!(process.terminate().await.unwrap().success());
    }
}

#[tokio::test]
async fn an_executor_that_is_killed_mid_request_is_succeeded_by_another() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let start = |role| Process::start(role, &db.settings(), &redis);
    let (_scheduler, doomed) = (start(Role::Scheduler), start(Role::Executor));
    target.answer_in_turn("/slow", [Script::Never, Script::status(200)]);
    let once = trigrun_testkit::jobs::definition(
        trigrun_core::domain::schedule::Schedule::OneTime,
        &target.url("/slow"),
    );
    db.job(workspace, &once).await;
    target.wait_for(1, Duration::from_secs(20)).await.expect("the first request arrives");
    doomed.kill();
    let _heir = start(Role::Executor);
    target.wait_for(2, Duration::from_secs(35)).await.expect("another executor takes over within 35 s");
    until("the run ends", Duration::from_secs(10), async || {
        db.count("select count(*) from executions where status = 'succeeded' and attempt_count = 2").await
            == 1
    })
    .await;
    assert_eq!(
        db.count("select count(*) from attempts where status = 'interrupted' and number = 1").await,
        1
    );
    let ids: HashSet<String> =
        target.hits().iter().map(|hit| hit.header("trigrun-execution-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "the target can tell that it is the same");
}

#[tokio::test]
async fn a_wiped_redis_costs_a_moment_and_no_run() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let start = |role| Process::start(role, &db.settings(), &redis);
    let (_scheduler, _executor) = (start(Role::Scheduler), start(Role::Executor));
    let (job, first) = job_of_every_second(&db, workspace, &target.url("/tick")).await;
    let mut connection = redis::connection().await;
    until("ten seconds of wiping", Duration::from_secs(30), async || {
        for shard in 0..16 {
            let key = format!("{}:{{{shard}}}:executions", redis.namespace);
            let _: i64 = ::redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
        }
        db.now().await > first + TimeDelta::milliseconds(9_500)
    })
    .await;
    let window = format!(
        "from executions where job_id = '{}' and scheduled_for between '{first}' and '{}'",
        job.uuid(),
        first + TimeDelta::seconds(9)
    );
    until("every run ends", Duration::from_secs(10), async || {
        db.count(&format!("select count(*) {window} and status = 'succeeded'")).await == 10
    })
    .await;
    assert_eq!(db.count(&format!("select count(*) {window}")).await, 10);
}

#[tokio::test]
async fn what_is_due_now_starts_at_once() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let start = |role| Process::start(role, &db.settings(), &redis);
    let (_scheduler, _executor) = (start(Role::Scheduler), start(Role::Executor));
    let definition = every_seconds(3600, &target.url("/now"));
    let job = db.job(workspace, &definition).await;
    let waker = Waker::default();
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    tasks::spawn("waker", waker.clone().run(db.db().clone(), stop));
    for run in 1..=21 {
        let now = db.now().await;
        let run_now = NewRun { source: Source::Manual, replay_of: None, traceparent: None, key: None, now };
        executions::insert_now(&mut *db.conn().await, workspace, job, run_now).await.unwrap();
        waker.wake();
        target.wait_for(run, Duration::from_secs(20)).await.expect("it runs");
    }
    until("all are recorded", Duration::from_secs(10), async || {
        db.count("select count(*) from executions where status = 'succeeded'").await == 21
    })
    .await;
    let median =
        db.count("select percentile_disc(0.5) within group (order by lateness_us) from executions").await;
    // Polling alone would take 125 ms on average; beside all other tests it is slower than on an idle machine.
    assert!(median < 100_000, "woken by NOTIFY: {median} µs");
}
