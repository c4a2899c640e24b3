//! Detects that another installation uses the same namespace in Redis.

use std::time::Instant;
use trigrun_core::telemetry::metrics;

use crate::{Scheduler, SchedulerError};

/// Announces this installation in its namespace, and counts the others there. Logs once when the first is found.
pub async fn announce(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let mut neighbours = scheduler.neighbours.lock().await;
    let others = neighbours.installations.announce().await?;
    if others.is_empty() == neighbours.are_known {
        neighbours.are_known = !others.is_empty();
        match others.first() {
            Some(first) => tracing::warn!(
                installations = others.len(),
                first,
                "another installation uses the same namespace in Redis"
            ),
            None => tracing::info!("no other installation uses the namespace in Redis any more"),
        }
    }
    metrics::foreign_installations(others.len());
    metrics::pass("installations", started.elapsed());
    Ok(())
}
