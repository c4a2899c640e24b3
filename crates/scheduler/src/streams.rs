//! Checks that the streams in Redis can be used. Most problems of Redis stop nothing, because executors then take work from Postgres: without
//! this check, operators would not see them.

use std::time::Instant;
use trigrun_core::telemetry::metrics;

use crate::{Scheduler, SchedulerError};

/// One pass.
pub async fn check_streams(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let checked = scheduler.checker.lock().await.check().await;
    metrics::streams_usable(checked.is_ok());
    checked?;
    metrics::pass("streams", started.elapsed());
    Ok(())
}
