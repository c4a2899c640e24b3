//! Records ended attempts, many at a time.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    crypto,
    domain::{attempt::Outcome, id::ExecutionId},
    runtime::clock::Clock,
    store::{
        Db, StoreError,
        leases::{self, Ended, Next},
        wake::Waker,
    },
    telemetry::{metrics, trace},
};

use crate::{in_flight::Entry, retries::Retries, session::Session, spans};

/// So many attempts are recorded by one statement at the most.
const BATCH: usize = 500;
/// What comes within this time of the first goes with it.
const GATHER: Duration = Duration::from_millis(2);

/// What is left of a run when it has ended. Once it is recorded, the permit is given back.
pub struct Done {
    pub ended: Box<Ended>,
    /// Known to be ours until then.
    pub entry: Entry,
    pub permit: OwnedSemaphorePermit,
}

/// What was recorded; not certain to be all when an earlier try may have been received.
struct Recorded {
    ids: HashSet<ExecutionId>,
    certain: bool,
}

pub struct Recorder {
    pub db: Db,
    pub clock: Clock,
    pub session: Session,
    pub retries: Arc<Retries>,
    pub waker: Waker,
    /// Raised when a notification was written.
    pub told: Arc<Notify>,
    /// Cancelled when the process is asked to end: nobody here waits for retries any more.
    pub draining: CancellationToken,
}

impl Recorder {
    /// Records until every sender is gone.
    pub async fn run(self, mut done: mpsc::Receiver<Done>) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(first) = done.recv().await {
            batch.push(first);
            gather(&mut done, &mut batch).await;
            let (ended, held): (Vec<Ended>, Vec<_>) =
                batch.drain(..).map(|done| (*done.ended, (done.entry, done.permit))).unzip();
            if let Some(recorded) = self.record(&ended).await {
                self.follow_up(&ended, &recorded).await;
            }
            drop(held);
        }
    }

    /// Repeats until it is recorded; `None` when the session was lost meanwhile.
    async fn record(&self, ended: &[Ended]) -> Option<Recorded> {
        let mut failures = 0u32;
        loop {
            let started = Instant::now();
            match self.try_record(ended).await {
                Ok(ids) => {
                    let ids = ids.into_iter().collect();
                    spans::recorded(ended, &ids, &self.clock, started);
                    return Some(Recorded { ids, certain: failures == 0 });
                }
                Err(error) if failures == 0 => {
                    tracing::warn!(%error, attempts = ended.len(), "results are kept until they can be recorded");
                }
                Err(error) => tracing::debug!(%error, "results still cannot be recorded"),
            }
            failures += 1;
            let wait = Duration::from_millis(50 * u64::from(failures.min(40))).mul_f64(0.5 + crypto::unit());
            self.session.lost.run_until_cancelled(tokio::time::sleep(wait)).await?;
        }
    }

    async fn try_record(&self, ended: &[Ended]) -> Result<Vec<ExecutionId>, StoreError> {
        leases::record(&mut *self.db.conn().await?, self.session.id, ended).await
    }

    async fn follow_up(&self, ended: &[Ended], recorded: &Recorded) {
        let mut for_others = Vec::new();
        for ended in ended {
            let execution = ended.lease.execution;
            if recorded.ids.contains(&execution) {
                note(ended);
            } else if recorded.certain {
                tracing::info!(%execution, "its result is discarded: the execution was taken over, cancelled or deleted");
                continue;
            }
            // Also of those that an unanswered try may have recorded: the lease of the next attempt tells whether it is ours.
            if let Next::Retry { due_at } = ended.next
                && (self.draining.is_cancelled() || !self.retries.push(execution, due_at))
            {
                for_others.push(execution);
            }
        }
        self.release(&for_others).await;
        if ended.iter().any(|ended| ended.lease.holds_slot) {
            self.waker.wake();
        }
        if ended.iter().any(|ended| ended.lease.notifies) {
            self.told.notify_one();
        }
    }

    /// What this process has no room or time to wait for, waits in Postgres. If that fails it stays ours, and is found by the takeover
    /// when the session ends.
    async fn release(&self, retrying: &[ExecutionId]) {
        if retrying.is_empty() {
            return;
        }
        let handed = async {
            leases::release_retrying(&mut *self.db.conn().await?, self.session.id, Some(retrying)).await
        };
        if let Err::<_, StoreError>(error) = handed.await {
            tracing::warn!(%error, executions = retrying.len(), "waiting retries could not be handed back");
        }
    }
}

async fn gather(done: &mut mpsc::Receiver<Done>, batch: &mut Vec<Done>) {
    let more = async {
        while batch.len() < BATCH {
            match done.recv().await {
                Some(next) => batch.push(next),
                None => return,
            }
        }
    };
    // Running out of time is how most batches end.
    let _ = tokio::time::timeout(GATHER, more).await;
}

fn note(ended: &Ended) {
    let Outcome { status, error_class, .. } = ended.outcome;
    metrics::attempt(status.as_str(), error_class);
    match &ended.next {
        Next::Succeeded => metrics::execution_ended("succeeded"),
        Next::Failed { .. } => metrics::execution_ended("failed"),
        Next::Retry { .. } => {}
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
        error = ended.outcome.error.as_deref(),
        lateness_us = ended.lateness_us,
        "recorded"
    );
}
