//! Cancels the open executions of suspended workspaces. No executor begins them any more; those that run are aborted.

use std::time::Instant;
use trigrun_core::{store::leases, telemetry::metrics};

use crate::{Scheduler, SchedulerError};

const CANCEL_BATCH: i64 = 200;
/// Of one pass.
const MAX_BATCHES: usize = 50;

/// One pass. Of two at once, each cancels others.
pub async fn cancel_suspended(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let mut cancelled = 0;
    for _ in 0..MAX_BATCHES {
        let batch = leases::cancel_suspended(&mut *scheduler.db.conn().await?, CANCEL_BATCH).await?;
        cancelled += batch;
        if (batch as i64) < CANCEL_BATCH {
            break;
        }
    }
    if cancelled > 0 {
        tracing::info!(executions = cancelled, "cancelled executions of suspended workspaces");
    }
    metrics::pass("suspension", started.elapsed());
    Ok(())
}
