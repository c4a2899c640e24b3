//! Takes in work: from the streams, from retries that are due, from the executions that wait for capacity, and, while the streams are
//! unavailable, all of it from Postgres.
//!
//! Never more than there are permits (one per execution in flight). What an account, workspace or job may not run now, because it has
//! its share of this process, waits in Postgres, where any executor finds it.

use backon::{ConstantBuilder, Retryable};
use chrono::TimeDelta;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    crypto,
    domain::id::ExecutionId,
    failpoint,
    runtime::tasks,
    store::{
        Db, StoreError,
        leases::{self, AfterRelease, DueExecution, Lease},
        lower_bound::LowerBound,
        wake::Waker,
    },
    stream::{
        Consumer, Received, StreamError,
        consumer::{Acknowledger, Receipt},
        key::Lane,
    },
    telemetry::metrics,
};

use crate::{
    accounts::Accounts,
    attempt::AttemptRunner,
    in_flight::{AttemptKey, Capacity, InFlight},
    owner::Shares,
    record::FinishedRun,
    retries::Retries,
    secrets::SecretResolver,
    session::Session,
    spans,
};

mod limited;
mod line;
mod start;
mod waiting;

pub use limited::SlotTurns;
pub use line::MAX_IN_LINE;
use line::Reading;
pub use waiting::WaitingJobs;

/// The maximum number of executions in one lease statement.
const LEASE_BATCH: usize = 500;
/// How often a full process looks whether it has a permit: another task may have received the notification.
const CAPACITY_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// How often due work is taken from Postgres while the streams are unavailable, and how far ahead.
const FALLBACK_INTERVAL: Duration = Duration::from_millis(25);
const FALLBACK_LEAD: TimeDelta = TimeDelta::milliseconds(50);
/// How often the empty streams make it look for work that was not published.
const OVERDUE_INTERVAL: Duration = Duration::from_secs(1);
/// Work that was due this long ago, while nothing waits in the streams, was not published.
const OVERDUE_LEAD: TimeDelta = TimeDelta::seconds(-2);
/// After this a lease statement is repeated on another connection; `reconcile` releases what the first one leased unseen.
const LEASE_TIMEOUT: Duration = Duration::from_secs(15);
const STREAM_RETRY_INTERVAL: Duration = Duration::from_millis(200);
const RELEASE_RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Receipts that cannot be acknowledged now are kept up to this number. The scheduler removes the entries of ended consumers.
const MAX_KEPT_RECEIPTS: usize = 100_000;

pub struct Intake {
    pub db: Db,
    pub session: Session,
    pub accounts: Accounts,
    /// One for each execution in flight.
    pub permits: Shares,
    /// Bytes of requests and responses in flight.
    pub memory: Shares,
    /// Leases that wait for a moment until their account's runs return permits.
    pub line: Shares,
    pub slot_turns: SlotTurns,
    /// The jobs whose executions wait for capacity, as far as this process knows.
    pub waiting_jobs: WaitingJobs,
    pub in_flight: InFlight,
    pub secrets: Arc<SecretResolver>,
    pub runner: Arc<AttemptRunner>,
    pub results: mpsc::Sender<FinishedRun>,
    pub receipts: mpsc::Sender<Vec<Receipt>>,
    pub runs: TaskTracker,
    pub search: Mutex<LowerBound>,
    pub waker: Waker,
    /// Cancelled when nothing more may be taken in.
    pub stop: CancellationToken,
}

impl Intake {
    /// Reads the streams, and reports in `available` whether they can be read.
    pub async fn receive(self: Arc<Self>, mut consumer: Consumer, available: watch::Sender<bool>) {
        let (mut reading, mut last_check) = (Reading::new(), Instant::now());
        while let Some(limit) = self.capacity().await {
            let (lanes, wait) = reading.lanes(&self.line, Instant::now().into());
            let received = self.stop.run_until_cancelled(consumer.receive(lanes, limit, wait)).await;
            match received {
                None => return,
                Some(Ok(received)) => {
                    metrics::streams_usable(true);
                    if !available.send_replace(true) {
                        tracing::info!("the streams are available again");
                    }
                    if !received.is_empty() {
                        self.take_received(received).await;
                        continue;
                    }
                    if lanes == Lane::ALL && last_check.elapsed() >= OVERDUE_INTERVAL {
                        last_check = Instant::now();
                        self.take_overdue(limit).await;
                    }
                }
                Some(Err(error)) => self.streams_failed(&error, &available).await,
            }
        }
    }

    /// Empty streams may also be streams that cannot be written to: work that is overdue by seconds is taken from Postgres.
    async fn take_overdue(self: &Arc<Self>, limit: usize) {
        match self.due(OVERDUE_LEAD, limit).await {
            Ok(due) if due.is_empty() => {}
            Ok(due) => {
                tracing::info!(executions = due.len(), "overdue and not published: taken from Postgres");
                self.take(due, Vec::new()).await;
            }
            Err(error) => tracing::debug!(%error, "cannot look for overdue work"),
        }
    }

    async fn streams_failed(&self, error: &StreamError, available: &watch::Sender<bool>) {
        metrics::streams_usable(false);
        if available.send_replace(false) {
            tracing::warn!(%error, "the streams are unavailable; due work is taken from Postgres");
        }
        let pause = STREAM_RETRY_INTERVAL.mul_f64(0.5 + crypto::unit());
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }

    async fn take_received(self: &Arc<Self>, received: Vec<Received>) {
        if received.is_empty() {
            return;
        }
        let (mut published, mut receipts, mut malformed) = (Vec::new(), Vec::new(), Vec::new());
        for Received { executions, receipt } in received {
            match executions {
                Some(executions) => {
                    published.extend(executions);
                    receipts.push(receipt);
                }
                None => malformed.push(receipt),
            }
        }
        if !malformed.is_empty() {
            tracing::warn!(entries = malformed.len(), "malformed stream entries; they are dropped");
            malformed.iter().for_each(|_| metrics::malformed_entry());
            self.acknowledge(malformed).await;
        }
        if failpoint::is(failpoint::ACKNOWLEDGE_BEFORE_LEASE) {
            self.acknowledge(std::mem::take(&mut receipts)).await;
        }
        self.take(published, receipts).await;
    }

    /// Leases retries that are due.
    pub async fn retry(self: Arc<Self>, retries: Arc<Retries>) {
        loop {
            // Otherwise a hold would make this process forget them.
            let released = self.runner.hold.released();
            if self.stop.run_until_cancelled(released).await.is_none() {
                return;
            }
            let Some(due) =
                self.stop.run_until_cancelled(retries.next(&self.runner.clock, LEASE_BATCH)).await
            else {
                return;
            };
            if self.runner.hold.is_active() {
                let now = self.runner.clock.now();
                for execution in due {
                    // A full queue forgets it; `reconcile` finds it.
                    let _is_kept = retries.push(execution, now);
                }
                continue;
            }
            self.take(due, Vec::new()).await;
        }
    }

    /// Takes due work from Postgres while the streams are unavailable.
    pub async fn postgres_fallback(self: Arc<Self>, mut available: watch::Receiver<bool>) {
        loop {
            let unavailable = async { available.wait_for(|available| !available).await.is_ok() };
            if self.stop.run_until_cancelled(unavailable).await != Some(true) {
                return;
            }
            let Some(limit) = self.capacity().await else { return };
            let pause = match self.due(FALLBACK_LEAD, limit).await {
                Ok(due) => {
                    if self.take(due, Vec::new()).await == limit {
                        continue;
                    }
                    FALLBACK_INTERVAL
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot look for due work");
                    FALLBACK_INTERVAL * 10
                }
            };
            self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    async fn due(&self, lead: TimeDelta, limit: usize) -> Result<Vec<ExecutionId>, StoreError> {
        let (after, end) = (self.search().next(Instant::now()), self.runner.clock.now() + lead);
        let due = leases::due(&mut *self.db.conn().await?, after, lead, limit as i64).await?;
        // They are in order.
        self.search().searched(due.first().map(|due| due.due_at), end, Instant::now());
        Ok(due.iter().map(DueExecution::execution).collect())
    }

    /// For work that the streams did not bring.
    fn search(&self) -> MutexGuard<'_, LowerBound> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many executions may be taken in now: at least one, once there is no hold. `None` when nothing more may be.
    async fn capacity(&self) -> Option<usize> {
        loop {
            if self.stop.is_cancelled() {
                return None;
            }
            match self.permits.free() {
                _ if self.runner.hold.is_active() => {
                    self.stop.run_until_cancelled(self.runner.hold.released()).await;
                }
                0 => self.wait_for_capacity().await,
                free => return Some(free.min(LEASE_BATCH)),
            }
        }
    }

    async fn wait_for_capacity(&self) {
        let freed = tokio::time::timeout(CAPACITY_CHECK_INTERVAL, self.permits.freed());
        let _ = self.stop.run_until_cancelled(freed).await;
    }

    /// Leases these executions, starts those for which there is capacity, and returns how many it leased. Then acknowledges the stream
    /// entries: Postgres knows that their executions are leased, or wait.
    async fn take(self: &Arc<Self>, mut ids: Vec<ExecutionId>, receipts: Vec<Receipt>) -> usize {
        let (mut leased_count, mut rest) = (0, Vec::new());
        while !ids.is_empty() {
            let Some(limit) = self.capacity().await else { return leased_count };
            let batch: Vec<ExecutionId> = ids.drain(..limit.min(ids.len())).collect();
            let started = Instant::now();
            let Some(leases) = self.lease(&batch).await else { return leased_count };
            spans::leased(&leases, !receipts.is_empty(), &self.runner.clock, started);
            leased_count += leases.len();
            if leases.len() < batch.len() {
                rest.extend(batch.into_iter().filter(|id| leases.iter().all(|lease| lease.execution != *id)));
            }
            self.start_all(leases).await;
        }
        if rest.is_empty() {
            self.acknowledge(receipts).await;
        } else {
            let leasing = self.clone().take_limited_of(rest, receipts);
            tasks::spawn("lease_limited", self.runs.track_future(leasing));
        }
        leased_count
    }

    /// Starts the runs for which there is capacity. A few others wait in line for a moment; the rest are released, and wait in Postgres.
    async fn start_all(self: &Arc<Self>, leases: Vec<Lease>) {
        let owners = self.accounts.owners(&self.db, &leases).await;
        let (mut ready, mut line, mut excess) = (Vec::with_capacity(leases.len()), Vec::new(), Vec::new());
        for (lease, owner) in leases.into_iter().zip(owners) {
            let permit = self.permits.try_take(owner, 1);
            let memory = permit.as_ref().and_then(|_| self.memory.try_take(owner, lease.bytes()));
            match (permit, memory) {
                (Some(permit), Some(memory)) => ready.push((lease, Capacity::new(permit, memory))),
                _ => match self.stand_in_line(owner, lease) {
                    Ok(in_line) => line.push(in_line),
                    Err(key) => excess.push(key),
                },
            }
        }
        self.begin(ready);
        if !line.is_empty() {
            tasks::spawn("line", self.runs.track_future(self.clone().wait_in_line(line)));
        }
        if !excess.is_empty() {
            self.waiting_jobs.expect();
            self.release(&excess, AfterRelease::Wait).await;
        }
    }

    /// Repeats until Postgres responds; `None` when nothing more may be taken in.
    async fn lease(&self, ids: &[ExecutionId]) -> Option<Vec<Lease>> {
        let mut failures = 0u32;
        loop {
            let leased = async { leases::lease(&mut *self.db.conn().await?, self.session.id, ids).await };
            let timed_out = |_| Err(StoreError::Unavailable(format!("no response within {LEASE_TIMEOUT:?}")));
            match tokio::time::timeout(LEASE_TIMEOUT, leased).await.unwrap_or_else(timed_out) {
                Ok(leases) => return Some(leases),
                Err::<_, StoreError>(error) if failures == 0 => {
                    tracing::warn!(%error, executions = ids.len(), "cannot lease")
                }
                Err(error) => tracing::debug!(%error, "still cannot lease"),
            }
            failures += 1;
            let wait = Duration::from_millis(50 * u64::from(failures.min(20))).mul_f64(0.5 + crypto::unit());
            self.stop.run_until_cancelled(tokio::time::sleep(wait)).await?;
        }
    }

    /// Nothing was sent, so another executor may send at once. Retried a few times, because an unreleased lease counts as sent when the
    /// session expires.
    async fn release(&self, keys: &[AttemptKey], then: AfterRelease) {
        let release =
            || async { leases::release(&mut *self.db.conn().await?, self.session.id, keys, then).await };
        let retries =
            ConstantBuilder::default().with_delay(RELEASE_RETRY_INTERVAL).with_max_times(10).with_jitter();
        match release.retry(retries).await {
            Ok(_) if then == AfterRelease::Publish => self.waker.wake(),
            Ok(_) => {}
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, executions = keys.len(), "cannot release; other executors reclaim them");
            }
        }
    }

    async fn acknowledge(&self, receipts: Vec<Receipt>) {
        if !receipts.is_empty() {
            // The acknowledger ends after this.
            let _ = self.receipts.send(receipts).await;
        }
    }
}

/// Acknowledges stream entries whose executions are leased. A failure does no harm: the execution of an entry that is read twice is
/// leased once.
pub async fn acknowledge(mut acknowledger: Acknowledger, mut receipts: mpsc::Receiver<Vec<Receipt>>) {
    let mut kept: Vec<Receipt> = Vec::new();
    while let Some(more) = receipts.recv().await {
        kept.extend(more);
        while kept.len() < LEASE_BATCH
            && let Ok(more) = receipts.try_recv()
        {
            kept.extend(more);
        }
        match acknowledger.acknowledge(&kept).await {
            Ok(()) => kept.clear(),
            Err(error) => {
                tracing::debug!(%error, entries = kept.len(), "cannot acknowledge");
                kept.truncate(MAX_KEPT_RECEIPTS);
            }
        }
    }
}
