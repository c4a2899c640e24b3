//! Redis is replaced while jobs run, in the order that docs/operations.md gives.

use chrono::TimeDelta;
use trigrun_core::{domain::ledger::Ledger, stream::RedisSettings};
use trigrun_testkit::{
    TestDb,
    process::{Process, Role},
    redis,
    target::Target,
};

use crate::{TIMEOUT, journeys::job_every_second, until};

#[tokio::test]
async fn moving_to_another_redis_loses_no_run() {
    let db = TestDb::new().await;
    let (workspace, target) = (db.workspace("a").await, Target::start().await.unwrap());
    // Another namespace acts as another Redis.
    let (old, new) = (redis::settings(), redis::settings());
    let executors = async |count: i64| {
        let live = "select count(*) from executors where ended_at is null";
        until("the executors run", async || db.count(live).await == count).await;
    };
    let start = |role, redis: &RedisSettings| Process::start(role, &db.settings(), redis);
    let (scheduler, first_executor, second_executor) =
        (start(Role::Scheduler, &old), start(Role::Executor, &old), start(Role::Executor, &old));
    executors(2).await;
    let (job, first) = job_every_second(&db, workspace, &target.url("/tick")).await;
    target.wait_for(2, TIMEOUT).await.expect("it runs");

    // Half of the executors, the scheduler, the other half.
    let _first_executor = start(Role::Executor, &new);
    executors(3).await;
    assert!(first_executor.terminate().await.unwrap().success());
    target.wait_for(4, TIMEOUT).await.expect("it still runs");
    let _scheduler = start(Role::Scheduler, &new);
    assert!(scheduler.terminate().await.unwrap().success());
    target.wait_for(7, TIMEOUT).await.expect("it still runs");
    let _second_executor = start(Role::Executor, &new);
    executors(3).await;
    assert!(second_executor.terminate().await.unwrap().success());
    target.wait_for(9, TIMEOUT).await.expect("it still runs");

    let last = first + TimeDelta::seconds(8);
    let window = format!(
        "from all_executions where job_id = '{}' and scheduled_for between '{first}' and '{last}'",
        job.uuid()
    );
    until("every run ends", async || {
        db.count(&format!("select count(*) {window} and status = 'succeeded'")).await == 9
    })
    .await;
    let ledger = db.ledger(workspace, job, first, last + TimeDelta::milliseconds(1)).await;
    assert_eq!(ledger, Ledger { due: 9, executed: 9, ..Ledger::default() });
}
