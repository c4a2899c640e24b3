//! Redis is moved while work goes on, in the order that docs/operations.md gives.

use chrono::TimeDelta;
use std::time::Duration;
use trigrun_core::domain::ledger::Ledger;
use trigrun_testkit::{
    TestDb,
    process::{Process, Role},
    redis,
    target::Target,
};

use crate::journeys::{job_of_every_second, until};

#[tokio::test]
async fn another_redis_is_moved_to_without_a_late_run() {
    let db = TestDb::new().await;
    let (workspace, target) = (db.workspace("a").await, Target::start().await.unwrap());
    // Another namespace is another Redis to all that use it.
    let (old, new) = (redis::settings(), redis::settings());
    let executors = async |count: i64| {
        let living = "select count(*) from executors where ended_at is null";
        until("they are there", Duration::from_secs(20), async || db.count(living).await == count).await;
    };
    let start = |role, redis| Process::start(role, &db.settings(), redis);
    let (scheduler, one, other) =
        (start(Role::Scheduler, &old), start(Role::Executor, &old), start(Role::Executor, &old));
    executors(2).await;
    let (job, first) = job_of_every_second(&db, workspace, &target.url("/tick")).await;
    target.wait_for(2, Duration::from_secs(30)).await.expect("it runs");

    // Half of the executors, the schedulers, the other half.
    let _one = start(Role::Executor, &new);
    executors(3).await;
    assert!(one.terminate().await.unwrap().success());
    target.wait_for(4, Duration::from_secs(30)).await.expect("it runs on");
    let _scheduler = start(Role::Scheduler, &new);
    assert!(scheduler.terminate().await.unwrap().success());
    target.wait_for(7, Duration::from_secs(30)).await.expect("it runs on");
    let _other = start(Role::Executor, &new);
    executors(3).await;
    assert!(other.terminate().await.unwrap().success());
    target.wait_for(9, Duration::from_secs(30)).await.expect("it runs on");

    let last = first + TimeDelta::seconds(8);
    let window = format!(
        "from executions where job_id = '{}' and scheduled_for between '{first}' and '{last}'",
        job.uuid()
    );
    until("every run ends", Duration::from_secs(10), async || {
        db.count(&format!("select count(*) {window} and status = 'succeeded'")).await == 9
    })
    .await;
    let ledger = db.ledger(workspace, job, first, last + TimeDelta::milliseconds(1)).await;
    assert_eq!(ledger, Ledger { due: 9, executed: 9, ..Ledger::default() });
    let worst = db.count(&format!("select max(lateness_us) {window}")).await;
    assert!(worst < 2_500_000, "{worst} µs");
}
