//! Makes room: partitions ahead, old days dropped, deleted jobs swept, ended sessions and their stream readers forgotten.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use std::time::Instant;
use trigrun_core::{
    store::{audit, executors, jobs, notifications, partitions, users, workspaces},
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// Executions of deleted jobs removed by one transaction.
const SWEEP: i32 = 5000;
/// Old notifications and entries of the audit log removed by one statement.
const SWEEP_ROWS: i64 = 5000;
/// Jobs of deleted workspaces removed by one transaction.
const SWEEP_JOBS: i64 = 500;

/// One pass.
pub async fn tidy(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    let now = scheduler.clock.now();
    let made = partitions::make_ahead(&mut conn, now).await?;
    if made > 0 {
        tracing::info!(partitions = made, "made ahead");
    }
    if let Some(oldest) = days_before(now, scheduler.settings.retention_days) {
        for dropped in partitions::drop_behind(&mut conn, oldest).await? {
            tracing::info!(partition = dropped, "dropped: older than retention_days");
        }
        let oldest = oldest.and_time(NaiveTime::MIN).and_utc();
        while notifications::sweep_old(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize {}
    }
    if let Some(oldest) = days_before(now, scheduler.settings.audit_retention_days) {
        let oldest = oldest.and_time(NaiveTime::MIN).and_utc();
        while audit::sweep_old(&mut conn, oldest, SWEEP_ROWS).await? == SWEEP_ROWS as usize {}
    }
    while !workspaces::sweep_deleted(&mut conn, SWEEP_JOBS).await? {}
    while !jobs::sweep_deleted(&mut conn, SWEEP).await? {}
    users::sweep_invitations(&mut conn, now).await?;
    executors::prune(&mut conn).await?;
    let living: Vec<_> = executors::living(&mut conn).await?.into_iter().map(|session| session.id).collect();
    drop(conn);
    let retired = scheduler.looking.lock().await.retire(&living).await?;
    if retired > 0 {
        tracing::info!(readers = retired, "retired from the streams");
    }
    metrics::pass("tidy", started.elapsed());
    Ok(())
}

fn days_before(now: DateTime<Utc>, days: u16) -> Option<NaiveDate> {
    now.date_naive().checked_sub_days(Days::new(days.into()))
}
