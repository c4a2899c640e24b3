//! Measures the backlog (work that is due and that no executor owns yet) and what needs an operator, over all workspaces.
//! Every scheduler reports the same figures.

use chrono::TimeDelta;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use trigrun_core::{
    store::{
        backlog, partitions,
        snapshots::{self, Snapshots},
        statistics::{self, Counting},
    },
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// One pass.
pub async fn report(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    let search = &scheduler.searches.backlog;
    let (after, now) = (search.begin(), scheduler.clock.now());
    let backlog = backlog::measure(&mut conn, after).await?;
    search.succeeded(backlog.oldest_due_at.into_iter().chain(backlog.next_fire_at).min(), now);
    let oldest = backlog.oldest_due_at.map_or(TimeDelta::zero(), |due_at| now - due_at);
    metrics::waiting(backlog.waiting, oldest.to_std().unwrap_or_default());
    metrics::waiting_for_capacity(backlog.waiting_for_capacity);
    metrics::schedule_errors(backlog.schedule_errors);
    if let Some(newest) = partitions::newest(&mut conn).await? {
        metrics::partitions_ahead(newest - now.date_naive());
    }
    for counting in Counting::ALL {
        let fresh_until = statistics::fresh_until(&mut conn, *counting).await?;
        metrics::statistics_lag(counting.as_str(), now - fresh_until);
    }
    metrics::oldest_snapshot(
        scheduler.replication.oldest_snapshot(&snapshots::oldest(&mut conn).await?, started),
    );
    metrics::pass("backlog", started.elapsed());
    Ok(())
}

/// The oldest transaction id that replication keeps, and since when. Postgres knows no time of it: it advances every few seconds, unless
/// something keeps it.
#[derive(Default)]
pub struct OldestXmin(Mutex<Option<(String, Instant)>>);

impl OldestXmin {
    /// The age of the oldest snapshot of any kind.
    fn oldest_snapshot(&self, snapshots: &Snapshots, now: Instant) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let xmin = snapshots.replication_xmin.as_ref();
        if seen.as_ref().map(|(xmin, _)| xmin) != xmin {
            *seen = xmin.map(|xmin| (xmin.clone(), now));
        }
        let replication = seen.as_ref().map_or(Duration::ZERO, |(_, since)| now.duration_since(*since));
        let transaction = snapshots.oldest_transaction_seconds.unwrap_or_default();
        replication.max(Duration::try_from_secs_f64(transaction).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_replication_keeps_grows_older() {
        let (oldest, start) = (OldestXmin::default(), Instant::now());
        let at = |xmin: Option<&str>, transaction, seconds| {
            let snapshots = Snapshots {
                oldest_transaction_seconds: transaction,
                replication_xmin: xmin.map(str::to_owned),
            };
            oldest.oldest_snapshot(&snapshots, start + Duration::from_secs(seconds)).as_secs()
        };
        assert_eq!(at(None, None, 0), 0);
        assert_eq!(at(Some("7"), None, 10), 0);
        assert_eq!(at(Some("7"), Some(3.0), 70), 60);
        assert_eq!(at(Some("7"), Some(90.0), 80), 90, "a transaction is older");
        assert_eq!(at(Some("8"), None, 90), 0, "it has advanced");
        assert_eq!(at(None, Some(-0.1), 100), 0);
        assert_eq!(at(Some("8"), None, 110), 0);
    }
}
