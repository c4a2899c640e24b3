//! Creates partitions ahead and purges old data: days of executions, notifications, keys, the audit log, versions of jobs, deleted jobs and
//! workspaces, ended executor sessions and their consumers in the streams.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use std::time::{Duration, Instant};
use trigrun_core::{
    store::{
        audit, executions, executors, invitations, jobs, notifications, partitions, request_tests,
        statistics::{self, Kept},
        verifications, workspaces,
    },
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// Executions of deleted jobs purged by one transaction.
const PURGE_EXECUTIONS_BATCH: i32 = 5000;
/// Old notifications, keys and entries of the audit log purged by one statement.
const PURGE_ROWS_BATCH: i64 = 5000;
/// Versions of jobs purged by one statement, each with a request of up to 256 KiB.
const PURGE_VERSIONS_BATCH: i64 = 1000;
/// Jobs of deleted workspaces purged by one transaction.
const PURGE_JOBS_BATCH: i64 = 500;

/// How long sums of minutes are kept: a day, and what is asked for at the end of it.
const MINUTES_KEPT: TimeDelta = TimeDelta::hours(30);

/// How long one pass purges each of eight kinds; the next pass continues. Together they must fit into the minute that a pass has.
const PURGE_TIMEOUT: Duration = Duration::from_secs(6);

/// One pass. Each part is done even if another fails; the error is that of the first part that failed.
pub async fn clean_up(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let done = [
        create_partitions(scheduler).await,
        drop_partitions(scheduler).await,
        purge_notifications(scheduler).await,
        purge_keys(scheduler).await,
        purge_audit(scheduler).await,
        purge_statistics(scheduler).await,
        purge_invitations(scheduler).await,
        purge_verifications(scheduler).await,
        purge_tests(scheduler).await,
        purge_workspaces(scheduler).await,
        purge_jobs(scheduler).await,
        purge_versions(scheduler).await,
        purge_sessions(scheduler).await,
    ];
    let mut failed = done.into_iter().filter_map(Result::err);
    let first = failed.next();
    for error in failed {
        tracing::warn!(%error, "another part of retention failed");
    }
    first.map_or(Ok(()), Err)?;
    metrics::pass("retention", started.elapsed());
    Ok(())
}

async fn create_partitions(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let width = partitions::width(scheduler.settings.retention_days);
    let created =
        partitions::make_ahead(&mut *scheduler.db.conn().await?, scheduler.clock.now(), width).await?;
    if created > 0 {
        tracing::info!(partitions = created, "created ahead");
    }
    Ok(())
}

async fn drop_partitions(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    if let Some(oldest) = days_before(scheduler.clock.now(), scheduler.settings.retention_days) {
        for dropped in partitions::drop_behind(&mut *scheduler.db.conn().await?, oldest).await? {
            tracing::info!(partition = dropped, "dropped: older than retention_days");
        }
    }
    Ok(())
}

async fn purge_notifications(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let Some(oldest) = start_of(scheduler, scheduler.settings.retention_days) else { return Ok(()) };
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while notifications::purge_old(&mut conn, oldest, PURGE_ROWS_BATCH).await? == PURGE_ROWS_BATCH as usize
        && begun.elapsed() < PURGE_TIMEOUT
    {}
    Ok(())
}

/// Idempotency keys of executions that are no longer kept.
async fn purge_keys(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let Some(oldest) = start_of(scheduler, scheduler.settings.retention_days) else { return Ok(()) };
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while executions::purge_keys(&mut conn, oldest, PURGE_ROWS_BATCH).await? == PURGE_ROWS_BATCH as usize
        && begun.elapsed() < PURGE_TIMEOUT
    {}
    Ok(())
}

async fn purge_audit(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let Some(oldest) = start_of(scheduler, scheduler.settings.audit_retention_days) else { return Ok(()) };
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while audit::purge_old(&mut conn, oldest, PURGE_ROWS_BATCH).await? == PURGE_ROWS_BATCH as usize
        && begun.elapsed() < PURGE_TIMEOUT
    {}
    Ok(())
}

async fn purge_statistics(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (mut conn, begun, now) = (scheduler.db.conn().await?, Instant::now(), scheduler.clock.now());
    let hours =
        start_of(scheduler, scheduler.settings.retention_days).map(|oldest| (Kept::AsExecutions, oldest));
    for (kept, oldest) in [(Kept::Hours, now - MINUTES_KEPT)].into_iter().chain(hours) {
        while statistics::purge_old(&mut conn, kept, oldest, PURGE_ROWS_BATCH).await?
            == PURGE_ROWS_BATCH as usize
            && begun.elapsed() < PURGE_TIMEOUT
        {}
    }
    Ok(())
}

async fn purge_invitations(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    invitations::purge(&mut *scheduler.db.conn().await?, scheduler.clock.now()).await?;
    Ok(())
}

async fn purge_verifications(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    verifications::purge(&mut *scheduler.db.conn().await?, scheduler.clock.now()).await?;
    Ok(())
}

async fn purge_tests(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while request_tests::purge(&mut conn, PURGE_ROWS_BATCH).await? == PURGE_ROWS_BATCH as usize
        && begun.elapsed() < PURGE_TIMEOUT
    {}
    Ok(())
}

async fn purge_workspaces(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while !workspaces::purge_deleted(&mut conn, PURGE_JOBS_BATCH).await? && begun.elapsed() < PURGE_TIMEOUT {}
    Ok(())
}

async fn purge_jobs(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    while !jobs::purge_deleted(&mut conn, PURGE_EXECUTIONS_BATCH).await? && begun.elapsed() < PURGE_TIMEOUT {}
    Ok(())
}

/// Versions that no execution can have. Partitions may keep executions for longer than `retention_days`.
async fn purge_versions(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (mut conn, begun) = (scheduler.db.conn().await?, Instant::now());
    let Some(oldest) = partitions::oldest(&mut conn).await? else { return Ok(()) };
    while jobs::purge_versions(&mut conn, oldest - TimeDelta::days(1), PURGE_VERSIONS_BATCH).await?
        == PURGE_VERSIONS_BATCH as usize
        && begun.elapsed() < PURGE_TIMEOUT
    {}
    Ok(())
}

/// Executor sessions that ended long ago, and consumers of the streams that belong to no live session. Needs Redis, so it comes
/// last.
async fn purge_sessions(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let mut conn = scheduler.db.conn().await?;
    executors::prune(&mut conn).await?;
    let live: Vec<_> = executors::live(&mut conn).await?.into_iter().map(|session| session.id).collect();
    drop(conn);
    let removed = scheduler.inspector.lock().await.retire(&live).await?;
    if removed > 0 {
        tracing::info!(consumers = removed, "removed from the streams");
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
