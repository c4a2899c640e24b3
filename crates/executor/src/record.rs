//! Records ended attempts, many at a time.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    crypto,
    domain::{
        attempt::Outcome,
        execution::{Source, Status},
        id::ExecutionId,
        retry::DeliveryGuarantee,
    },
    runtime::clock::Clock,
    store::{
        Db, StoreError,
        leases::{self, Ended},
        wake::Waker,
    },
    telemetry::{metrics, trace},
};

use crate::{
    in_flight::{Capacity, InFlight, InFlightGuard},
    retries::Retries,
    session::Session,
    spans,
};

/// The maximum number of attempts that one transaction records.
const RECORD_BATCH: usize = 500;
/// Results that arrive this soon after an urgent one are recorded with it.
const GATHER_TIMEOUT: Duration = Duration::from_millis(2);
/// The same if none of them is urgent, fewer than [`ENOUGH`] have arrived, and at most [`FEW_IN_FLIGHT`] runs are in flight. A commit costs
/// more than a result.
const LONG_GATHER_TIMEOUT: Duration = Duration::from_millis(50);
/// With more, others wait for the capacity that an unrecorded run holds: an account may hold as much as it gave back a moment ago.
const FEW_IN_FLIGHT: usize = 512;
/// Also bounds how many requests are sent again if this process dies before it has recorded them.
const ENOUGH: usize = 64;

/// A run whose attempt has ended. Once it is recorded, guard and capacity are dropped.
pub struct FinishedRun {
    pub ended: Box<Ended>,
    /// Until then, the lease reconciler knows the run.
    pub guard: InFlightGuard,
    pub capacity: Box<Capacity>,
}

/// The attempts that were recorded. If an earlier try may have committed without a response, the set may be incomplete.
struct Recorded {
    ids: HashSet<ExecutionId>,
    is_complete: bool,
}

pub struct Recorder {
    pub db: Db,
    pub clock: Clock,
    pub session: Session,
    pub retries: Arc<Retries>,
    pub in_flight: InFlight,
    pub waker: Waker,
    /// Raised when this process has written a notification.
    pub notification_written: Arc<Notify>,
    /// Cancelled at shutdown: from then on, retries are released.
    pub draining: CancellationToken,
}

impl Recorder {
    /// Records until every sender is gone.
    pub async fn run(self, mut results: mpsc::Receiver<FinishedRun>) {
        let mut batch = Vec::with_capacity(RECORD_BATCH);
        while let Some(first) = results.recv().await {
            batch.push(first);
            let may_wait = self.in_flight.count() <= FEW_IN_FLIGHT;
            gather(&mut results, &mut batch, may_wait).await;
            let (ended, guards): (Vec<Ended>, Vec<_>) =
                batch.drain(..).map(|result| (*result.ended, (result.guard, result.capacity))).unzip();
            if let Some(recorded) = self.record(&ended).await {
                self.follow_up(&ended, &recorded).await;
            }
            // Only now may the reconciler and the intake forget these runs.
            drop(guards);
        }
    }

    /// Repeats until Postgres responds; `None` when the session has expired.
    async fn record(&self, ended: &[Ended]) -> Option<Recorded> {
        let mut failures = 0u32;
        loop {
            let started = Instant::now();
            match self.try_record(ended).await {
                Ok(ids) => {
                    let ids = ids.into_iter().collect();
                    spans::recorded(ended, &ids, &self.clock, started);
                    return Some(Recorded { ids, is_complete: failures == 0 });
                }
                Err(error) if failures == 0 => {
                    tracing::warn!(%error, attempts = ended.len(), "cannot record results; they are kept");
                }
                Err(error) => tracing::debug!(%error, "still cannot record results"),
            }
            failures += 1;
            let wait = Duration::from_millis(50 * u64::from(failures.min(40))).mul_f64(0.5 + crypto::unit());
            self.session.expired.run_until_cancelled(tokio::time::sleep(wait)).await?;
        }
    }

    async fn try_record(&self, ended: &[Ended]) -> Result<Vec<ExecutionId>, StoreError> {
        let mut conn = self.db.conn().await?;
        let recorded = leases::record(&mut conn, self.session.id, ended).await;
        if !recorded.as_ref().is_err_and(leases::is_repeated) {
            return recorded;
        }
        // The others of the batch must be recorded.
        let repeated = leases::remove_repeated(&mut conn, ended).await?;
        metrics::repeated_ends(repeated.len());
        for execution in repeated {
            tracing::error!(%execution, "an execution that had ended ran again; its first record stays");
        }
        leases::record(&mut conn, self.session.id, ended).await
    }

    async fn follow_up(&self, ended: &[Ended], recorded: &Recorded) {
        let mut released = Vec::new();
        for ended in ended {
            let execution = ended.lease.execution;
            if recorded.ids.contains(&execution) {
                count(ended);
            } else if recorded.is_complete {
                tracing::info!(%execution, "result discarded: the execution was reclaimed, cancelled or deleted");
                continue;
            }
            // Also those that a try without a response may have recorded: the next lease shows whether they still belong to this session.
            if let Some(due_at) = ended.attempt.disposition.due_at()
                && (self.draining.is_cancelled() || !self.retries.push(execution, due_at))
            {
                released.push(execution);
            }
        }
        self.release(&released).await;
        if ended.iter().any(|ended| ended.lease.holds_slot) {
            self.waker.wake();
        }
        if ended.iter().any(|ended| ended.lease.notifies) {
            self.notification_written.notify_one();
        }
    }

    /// Retries that this process cannot wait for, wait in Postgres. If this fails, they stay with the session and are reclaimed when
    /// it ends.
    async fn release(&self, retrying: &[ExecutionId]) {
        if retrying.is_empty() {
            return;
        }
        let result = async {
            leases::release_retrying(&mut *self.db.conn().await?, self.session.id, Some(retrying)).await
        };
        if let Err::<_, StoreError>(error) = result.await {
            tracing::warn!(%error, executions = retrying.len(), "cannot release waiting retries");
        }
    }
}

/// Something waits for the result: a free slot, the state of the job, a notification, or the user who asked for the run. And a request that
/// must not be sent twice is recorded as soon as possible.
fn is_urgent(result: &FinishedRun) -> bool {
    let lease = &result.ended.lease;
    lease.holds_slot
        || lease.ends_job
        || lease.notifies
        || lease.source != Source::Schedule
        || lease.delivery == DeliveryGuarantee::AtMostOnce
}

/// Adds to a batch that has one result.
async fn gather(results: &mut mpsc::Receiver<FinishedRun>, batch: &mut Vec<FinishedRun>, may_wait: bool) {
    let start = tokio::time::Instant::now();
    let mut is_short = !may_wait || batch.iter().any(is_urgent);
    while batch.len() < RECORD_BATCH {
        let timeout = if is_short || batch.len() >= ENOUGH { GATHER_TIMEOUT } else { LONG_GATHER_TIMEOUT };
        match tokio::time::timeout_at(start + timeout, results.recv()).await {
            Ok(Some(next)) => {
                is_short |= is_urgent(&next);
                batch.push(next);
            }
            Ok(None) | Err(_) => return,
        }
    }
}

fn count(ended: &Ended) {
    let Outcome { status, error_class, .. } = ended.attempt.outcome;
    metrics::attempt(status.as_str(), error_class);
    let status_after = Status::from(&ended.attempt.disposition);
    if status_after.is_terminal() {
        metrics::execution_ended(status_after.as_str());
    }
    if ended.lease.number == 1
        && let Some(late) = ended.lateness_us
    {
        metrics::lateness(Duration::from_micros(late.unsigned_abs()));
    }
    tracing::debug!(
        execution = %ended.lease.execution,
        trace_id = trace::id(ended.lease.traceparent.as_deref()),
        number = ended.lease.number,
        status = status.as_str(),
        error = ended.attempt.outcome.error.as_deref(),
        lateness_us = ended.lateness_us,
        "recorded"
    );
}
