//! Makes room: partitions ahead, old days dropped, deleted jobs swept, ended sessions and their stream readers forgotten.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use std::time::{Duration, Instant};
use trigrun_core::{
    store::{audit, executions, executors, invitations, jobs, notifications, partitions, workspaces},
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// Executions of deleted jobs removed by one transaction.
const SWEEP: i32 = 5000;
/// Old notifications, keys and entries of the audit log removed by one statement.
const SWEEP_ROWS: i64 = 5000;
/// Jobs of deleted workspaces removed by one transaction.
const SWEEP_JOBS: i64 = 500;

/// What is swept is swept for so long in one pass; the next goes on with it.
const ENOUGH: Duration = Duration::from_secs(20);

/// One pass. What fails keeps nothing else from being done; the error is that of the first that failed.
pub async fn tidy(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let done = [
        make_days(scheduler).await,
        drop_days(scheduler).await,
        sweep_old(scheduler).await,
        sweep_deleted(scheduler).await,
        forget_sessions(scheduler).await,
    ];
    done.into_iter().collect::<Result<(), _>>()?;
    metrics::pass("tidy", started.elapsed());
    Ok(())
}

async fn make_days(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let made = partitions::make_ahead(&mut *scheduler.db.conn().await?, scheduler.clock.now()).await?;
    if made > 0 {
        tracing::info!(partitions = made, "made ahead");
    }
    Ok(())
}

async fn drop_days(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    if let Some(oldest) = days_before(scheduler.clock.now(), scheduler.settings.retention_days) {
        for dropped in partitions::drop_behind(&mut *scheduler.db.conn().await?, oldest).await? {
            tracing::info!(partition = dropped, "dropped: older than retention_days");
        }
    }
    Ok(())
}

/// Notifications, idempotency keys and entries of the audit log that are too old, and invitations that have expired.
async fn sweep_old(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (now, begun) = (scheduler.clock.now(), Instant::now());
    let mut conn = scheduler.db.conn().await?;
    let start = |oldest: NaiveDate| oldest.and_time(NaiveTime::MIN).and_utc();
    if let Some(oldest) = days_before(now, scheduler.settings.retention_days).map(start) {
        while notifications::sweep_old(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize
            && begun.elapsed() < ENOUGH
        {}
        while executions::sweep_keys(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize
            && begun.elapsed() < ENOUGH
        {}
    }
    if let Some(oldest) = days_before(now, scheduler.settings.audit_retention_days).map(start) {
        while audit::sweep_old(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize
            && begun.elapsed() < ENOUGH
        {}
    }
    invitations::sweep(&mut conn, now).await?;
    Ok(())
}

/// What belonged to workspaces and jobs that are deleted.
async fn sweep_deleted(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let begun = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    while !workspaces::sweep_deleted(&mut conn, SWEEP_JOBS).await? && begun.elapsed() < ENOUGH {}
    while !jobs::sweep_deleted(&mut conn, SWEEP).await? && begun.elapsed() < ENOUGH {}
    Ok(())
}

/// Executors that ended long ago, and the readers of the streams that nobody has any more. Needs Redis, so it comes last.
async fn forget_sessions(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let mut conn = scheduler.db.conn().await?;
    executors::prune(&mut conn).await?;
    let living: Vec<_> = executors::living(&mut conn).await?.into_iter().map(|session| session.id).collect();
    drop(conn);
    let retired = scheduler.looking.lock().await.retire(&living).await?;
    if retired > 0 {
        tracing::info!(readers = retired, "retired from the streams");
    }
    Ok(())
}

fn days_before(now: DateTime<Utc>, days: u16) -> Option<NaiveDate> {
    now.date_naive().checked_sub_days(Days::new(days.into()))
}
