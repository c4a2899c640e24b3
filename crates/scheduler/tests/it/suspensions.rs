//! Suspended workspaces: their fires are recorded as skipped, and what is open is cancelled.

use chrono::TimeDelta;
use trigrun_core::store::{leases, tenants};
use trigrun_scheduler::{plan::plan, suspension::cancel_suspended};
use trigrun_testkit::jobs::{by_operator, every_seconds};

use crate::bench::{Bench, URL};

impl Bench {
    async fn suspend(&self) {
        let mut conn = self.db.conn().await;
        assert!(tenants::suspend(&mut conn, self.workspace, &by_operator("unpaid")).await.unwrap());
    }

    async fn resume(&self) {
        assert!(
            tenants::resume(&mut *self.db.conn().await, self.workspace, &by_operator("paid")).await.unwrap()
        );
    }
}

#[tokio::test]
async fn fires_are_skipped_and_no_other_workspace_notices() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let suspended = bench.job_due(TimeDelta::seconds(5), &every_seconds(60, URL)).await;
    let missed = bench.job_due(TimeDelta::minutes(30), &every_seconds(600, URL)).await;
    let created_at = bench.db.now().await - TimeDelta::seconds(65);
    let theirs = bench.db.workspace("theirs").await;
    let theirs = bench.db.job_created_at(theirs, &every_seconds(60, URL), created_at).await;
    bench.suspend().await;
    plan(&scheduler).await.unwrap();
    let skips = format!(
        "select skip_reason || ' ' || skip_count from executions where job_id in ('{}', '{}') and status = 'skipped' order by skip_count",
        suspended.uuid(),
        missed.uuid()
    );
    assert_eq!(bench.db.lines(&skips).await, ["suspended 1", "suspended 4"]);
    let open = "select job_id from runs";
    assert_eq!(bench.db.lines(open).await, [theirs.uuid().to_string()]);
    let due = "select count(*) from job_timers where next_run_at <= now()";
    assert_eq!(bench.db.count(due).await, 0, "the timers have advanced");
}

#[tokio::test]
async fn open_executions_are_cancelled_and_none_begins() {
    let bench = Bench::new().await;
    let (one, other) = (bench.scheduler().await, bench.scheduler().await);
    let job = bench.db.job(bench.workspace, &every_seconds(60, URL)).await;
    let (running, waiting) = (bench.run_now(job).await, bench.run_now(job).await);
    let session = bench.session().await;
    let mut conn = bench.db.conn().await;
    assert_eq!(leases::lease(&mut conn, session, &[running]).await.unwrap().len(), 1);
    cancel_suspended(&one).await.unwrap();
    assert_eq!(bench.db.count("select count(*) from runs").await, 2, "no workspace is suspended");
    bench.suspend().await;
    assert!(leases::lease(&mut conn, session, &[waiting]).await.unwrap().is_empty());
    let (first, second) = tokio::join!(cancel_suspended(&one), cancel_suspended(&other));
    first.unwrap();
    second.unwrap();
    assert_eq!(bench.db.count("select count(*) from runs").await, 0);
    assert_eq!(bench.db.count("select count(*) from executions where status = 'cancelled'").await, 2);
    assert!(leases::owned(&mut conn, session).await.unwrap().running.is_empty(), "its executor aborts it");
}

#[tokio::test]
async fn a_resumed_workspace_runs_its_next_fires() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    bench.suspend().await;
    let job = bench.job_due(TimeDelta::seconds(30), &every_seconds(60, URL)).await;
    plan(&scheduler).await.unwrap();
    let mut conn = bench.db.conn().await;
    assert!(!tenants::suspend(&mut conn, bench.workspace, &by_operator("again")).await.unwrap());
    bench.resume().await;
    assert!(!tenants::resume(&mut conn, bench.workspace, &by_operator("paid")).await.unwrap());
    let back = format!("update job_timers set next_run_at = now() where job_id = '{}'", job.uuid());
    bench.db.execute(&back).await;
    plan(&scheduler).await.unwrap();
    assert_eq!(bench.db.count("select count(*) from runs").await, 1);
    let written = "select action || ' ' || array_to_string(details, ' ') from audit_entries
                   where action ~ 'suspended|resumed' order by action desc";
    assert_eq!(bench.db.lines(written).await, ["workspace.suspended reason unpaid", "workspace.resumed "]);
}
