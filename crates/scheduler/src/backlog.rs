//! Measures the backlog (work that is due and that no executor owns yet) and what needs an operator, over all workspaces.
//! Every scheduler reports the same figures.

use chrono::TimeDelta;
use std::time::Instant;
use trigrun_core::{
    store::{backlog, partitions},
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// One pass.
pub async fn report(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    let backlog = backlog::measure(&mut conn).await?;
    let now = scheduler.clock.now();
    let oldest = backlog.oldest_due_at.map_or(TimeDelta::zero(), |due_at| now - due_at);
    metrics::waiting(backlog.waiting, oldest.to_std().unwrap_or_default());
    metrics::waiting_for_capacity(backlog.waiting_for_capacity);
    metrics::schedule_errors(backlog.schedule_errors);
    if let Some(newest) = partitions::newest(&mut conn).await? {
        metrics::partitions_ahead(newest - now.date_naive());
    }
    metrics::pass("backlog", started.elapsed());
    Ok(())
}
