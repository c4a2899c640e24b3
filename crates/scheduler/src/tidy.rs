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

/// Each of five kinds is swept for so long in one pass, and the next goes on with it: together they must fit into the minute that a pass has.
const ENOUGH: Duration = Duration::from_secs(8);

/// One pass. What fails keeps nothing else from being done; the error is that of the first that failed.
pub async fn tidy(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let done = [
        make_days(scheduler).await,
        drop_days(scheduler).await,
        sweep_notifications(scheduler).await,
        sweep_keys(scheduler).await,
        sweep_audit(scheduler).await,
        sweep_invitations(scheduler).await,
        sweep_workspaces(scheduler).await,
        sweep_jobs(scheduler).await,
        forget_sessions(scheduler).await,
    ];
    let mut failed = done.into_iter().filter_map(Result::err);
    let first = failed.next();
    for error in failed {
        tracing::warn!(%error, "another part of tidy failed");
    }
    first.map_or(Ok(()), Err)?;
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

async fn sweep_notifications(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let Some(oldest) = start_of(scheduler, scheduler.settings.retention_days) else { return Ok(()) };
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while notifications::sweep_old(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize
        && begun.elapsed() < ENOUGH
    {}
    Ok(())
}

/// Idempotency keys of executions that are kept no longer.
async fn sweep_keys(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let Some(oldest) = start_of(scheduler, scheduler.settings.retention_days) else { return Ok(()) };
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while executions::sweep_keys(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize
        && begun.elapsed() < ENOUGH
    {}
    Ok(())
}

async fn sweep_audit(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let Some(oldest) = start_of(scheduler, scheduler.settings.audit_retention_days) else { return Ok(()) };
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while audit::sweep_old(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize
        && begun.elapsed() < ENOUGH
    {}
    Ok(())
}

async fn sweep_invitations(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    invitations::sweep(&mut *scheduler.db.conn().await?, scheduler.clock.now()).await?;
    Ok(())
}

async fn sweep_workspaces(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while !workspaces::sweep_deleted(&mut conn, SWEEP_JOBS).await? && begun.elapsed() < ENOUGH {}
    Ok(())
}

async fn sweep_jobs(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
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

/// The start of the first day that is kept.
fn start_of(scheduler: &Scheduler, days: u16) -> Option<DateTime<Utc>> {
    let oldest = days_before(scheduler.clock.now(), days)?;
    Some(oldest.and_time(NaiveTime::MIN).and_utc())
}

fn days_before(now: DateTime<Utc>, days: u16) -> Option<NaiveDate> {
    now.date_naive().checked_sub_days(Days::new(days.into()))
}
