//! Jobs from creation to the recorded result, with failures on the way.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashSet;
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::{
        execution::Source,
        id::{JobId, WorkspaceId},
        ledger::Ledger,
        schedule::Schedule,
    },
    runtime::tasks,
    store::{
        executions::{self, NewRun},
        wake::Waker,
    },
};
use trigrun_testkit::{
    TestDb,
    jobs::{definition, every_seconds},
    process::{Process, Role, command, configure},
    redis,
    target::{Script, Target},
};

use crate::{TIMEOUT, until};

/// A job that fires every second, starting in about two seconds; also the instant of the first fire.
pub(super) async fn job_every_second(
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
async fn every_fire_runs_once_although_a_scheduler_is_killed() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let start = |role| Process::start(role, &db.settings(), &redis);
    let (killed, other_scheduler) = (start(Role::Scheduler), start(Role::Scheduler));
    let executors = [start(Role::Executor), start(Role::Executor)];
    until("both executors run", async || db.count("select count(*) from executors").await == 2).await;
    let (job, first) = job_every_second(&db, workspace, &target.url("/tick")).await;
    let last = first + TimeDelta::seconds(29);
    until("half of the fires are due", async || db.now().await > first + TimeDelta::seconds(15)).await;
    killed.kill();
    until("all fires are due", async || db.now().await > last).await;

    let window = format!(
        "from all_executions where job_id = '{}' and scheduled_for between '{first}' and '{last}'",
        job.uuid()
    );
    until("every run ends", async || {
        db.count(&format!("select count(*) {window} and status = 'succeeded'")).await == 30
    })
    .await;
    assert_eq!(db.count(&format!("select count(*) {window}")).await, 30, "none is recorded too often");
    assert_eq!(db.count(&format!("select count(distinct scheduled_for) {window}")).await, 30);
    assert_eq!(db.count(&format!("select count(*) {window} and attempt_count <> 1")).await, 0);
    let sent: Vec<String> =
        target.hits().iter().map(|hit| hit.header("trigrun-execution-id").unwrap().to_owned()).collect();
    let distinct: HashSet<&String> = sent.iter().collect();
    assert_eq!(sent.len(), distinct.len(), "no request was sent twice");
    let ledger = db.ledger(workspace, job, first, last + TimeDelta::milliseconds(1)).await;
    assert_eq!(ledger, Ledger { due: 30, executed: 30, ..Ledger::default() });
    for process in [other_scheduler].into_iter().chain(executors) {
        assert!(process.terminate().await.unwrap().success());
    }
}

#[tokio::test]
async fn another_executor_runs_the_work_of_a_killed_one() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let start = |role| Process::start(role, &db.settings(), &redis);
    let (_scheduler, killed) = (start(Role::Scheduler), start(Role::Executor));
    target.respond_in_turn("/slow", [Script::Never, Script::status(200)]);
    db.job(workspace, &definition(Schedule::OneTime, &target.url("/slow"))).await;
    target.wait_for(1, TIMEOUT).await.expect("the first request arrives");
    killed.kill();
    let _other = start(Role::Executor);
    target.wait_for(2, TIMEOUT).await.expect("the request is sent again");
    until("the run ends", async || {
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
    assert_eq!(ids.len(), 1, "both requests have the same execution id");
}

#[tokio::test]
async fn no_run_is_lost_when_redis_is_wiped() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let start = |role| Process::start(role, &db.settings(), &redis);
    let (_scheduler, _executor) = (start(Role::Scheduler), start(Role::Executor));
    let (job, first) = job_every_second(&db, workspace, &target.url("/tick")).await;
    let mut connection = redis::connection().await;
    let namespace = db.redis(&redis).await.namespace;
    until("the streams were deleted for ten seconds", async || {
        for shard in 0..16 {
            let key = format!("{namespace}:{{{shard}}}:executions");
            let _: i64 = ::redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
        }
        db.now().await > first + TimeDelta::milliseconds(9_500)
    })
    .await;
    let window = format!(
        "from all_executions where job_id = '{}' and scheduled_for between '{first}' and '{}'",
        job.uuid(),
        first + TimeDelta::seconds(9)
    );
    until("every run ends", async || {
        db.count(&format!("select count(*) {window} and status = 'succeeded'")).await == 10
    })
    .await;
    assert_eq!(db.count(&format!("select count(*) {window}")).await, 10);
}

/// The scheduler polls once an hour here, and executors take nothing from Postgres that was never published.
#[tokio::test]
async fn a_notification_of_postgres_starts_a_run_without_polling() {
    let db = TestDb::new().await;
    let (workspace, target, redis) =
        (db.workspace("a").await, Target::start().await.unwrap(), redis::settings());
    let mut scheduler = command("scheduler", &db.settings());
    configure(&mut scheduler, Role::Scheduler, &db.settings(), &redis);
    scheduler.env("TRIGRUN__SCHEDULER__POLL_MS", "3600000");
    let _scheduler = Process::spawn("scheduler", scheduler).unwrap();
    let _executor = Process::start(Role::Executor, &db.settings(), &redis);
    let job = db.job(workspace, &every_seconds(3600, &target.url("/now"))).await;
    let waker = Waker::default();
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tasks::spawn("waker", waker.clone().run(db.db().clone(), stop));
    for run in 1..=5 {
        let now = db.now().await;
        let new =
            NewRun { source: Source::Manual, replay_of: None, traceparent: None, depth: 0, key: None, now };
        executions::insert_now(&mut *db.conn().await, workspace, job, new).await.unwrap();
        // Repeated, because the scheduler may not be listening yet.
        until("the run starts", async || {
            waker.wake();
            target.hits().len() == run
        })
        .await;
    }
    until("all are recorded", async || {
        db.count("select count(*) from executions where status = 'succeeded'").await == 5
    })
    .await;
}
