//! Takes in work: from the streams, from retries that are due, and, while the streams are unavailable, from Postgres.
//!
//! Never more than there are permits (one per execution in flight): what this process cannot run now stays where another
//! executor may take it.

use backon::{ConstantBuilder, Retryable};
use chrono::TimeDelta;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    crypto,
    domain::{
        id::ExecutionId,
        workspace::{SHARDS, shard},
    },
    failpoint,
    runtime::tasks,
    store::{
        Db, StoreError,
        leases::{self, Lease},
        wake::Waker,
    },
    stream::{
        Consumer, Received, StreamError,
        consumer::{Acknowledger, Receipt},
    },
    telemetry::metrics,
};

use crate::{
    attempt::AttemptRunner,
    in_flight::{AttemptKey, InFlight, InFlightGuard},
    record::FinishedRun,
    retries::Retries,
    secrets::{RequestSecrets, SecretResolver},
    session::Session,
    spans,
};

/// The maximum number of executions in one lease statement.
const LEASE_BATCH: usize = 500;
/// How long a read waits for the first entry.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the available shards are read while others are full: shorter than the lead of the dispatch messages.
const CAPACITY_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// How often due work is taken from Postgres while the streams are unavailable, and how far ahead.
const FALLBACK_INTERVAL: Duration = Duration::from_millis(25);
const FALLBACK_LEAD: TimeDelta = TimeDelta::milliseconds(50);
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
    pub permits: Arc<Semaphore>,
    pub in_flight: InFlight,
    pub secrets: Arc<SecretResolver>,
    pub runner: Arc<AttemptRunner>,
    pub results: mpsc::Sender<FinishedRun>,
    pub receipts: mpsc::Sender<Vec<Receipt>>,
    pub runs: TaskTracker,
    pub waker: Waker,
    /// Cancelled when nothing more may be taken in.
    pub stop: CancellationToken,
}

impl Intake {
    /// Reads the streams, and reports in `available` whether they can be read.
    pub async fn receive(self: Arc<Self>, mut consumer: Consumer, available: watch::Sender<bool>) {
        let mut last_check = Instant::now();
        while let Some((shards, limit)) = self.capacity().await {
            // While some shards are full, the read does not block: Redis sometimes ends a blocked read a tenth of a second late.
            let has_all = shards.len() == usize::from(SHARDS.unsigned_abs());
            let block = if has_all { READ_TIMEOUT } else { Duration::ZERO };
            let received = self.stop.run_until_cancelled(consumer.receive(&shards, limit, block)).await;
            match received {
                None => return,
                Some(Ok(received)) => {
                    if !available.send_replace(true) {
                        tracing::info!("the streams are available again");
                    }
                    if !received.is_empty() {
                        self.take_received(received).await;
                        continue;
                    }
                    if last_check.elapsed() >= READ_TIMEOUT {
                        last_check = Instant::now();
                        self.take_overdue(&shards, limit).await;
                    }
                    if block.is_zero() {
                        self.wait_for_capacity().await;
                    }
                }
                Some(Err(error)) => self.streams_failed(&error, &available).await,
            }
        }
    }

    /// Empty streams may also be streams that cannot be written to: work that is overdue by seconds is taken from Postgres.
    async fn take_overdue(self: &Arc<Self>, shards: &[i16], limit: usize) {
        match self.due(shards, OVERDUE_LEAD, limit).await {
            Ok(due) if due.is_empty() => {}
            Ok(due) => {
                tracing::info!(executions = due.len(), "overdue and not published: taken from Postgres");
                self.take(due, Vec::new()).await;
            }
            Err(error) => tracing::debug!(%error, "cannot look for overdue work"),
        }
    }

    async fn streams_failed(&self, error: &StreamError, available: &watch::Sender<bool>) {
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
            let Some(due) =
                self.stop.run_until_cancelled(retries.next(&self.runner.clock, LEASE_BATCH)).await
            else {
                return;
            };
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
            let Some((shards, limit)) = self.capacity().await else { return };
            let pause = match self.due(&shards, FALLBACK_LEAD, limit).await {
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

    async fn due(
        &self,
        shards: &[i16],
        lead: TimeDelta,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        leases::due(&mut *self.db.conn().await?, shards, lead, limit as i64).await
    }

    /// The shards that have capacity, and how many executions may be taken in now: at least one. `None` when nothing more may be.
    async fn capacity(&self) -> Option<(Vec<i16>, usize)> {
        loop {
            let free = self.stop.run_until_cancelled(self.permits.acquire()).await?.ok()?;
            drop(free);
            let (shards, permits) = (self.in_flight.available_shards(), self.permits.available_permits());
            if !shards.is_empty() {
                return Some((shards, permits.clamp(1, LEASE_BATCH)));
            }
            self.wait_for_capacity().await;
        }
    }

    /// Waits until a full shard may have capacity. Not for long: the other shards may have work, and another waiting task may have
    /// received the notification.
    async fn wait_for_capacity(&self) {
        let freed = tokio::time::timeout(CAPACITY_CHECK_INTERVAL, self.in_flight.capacity_freed());
        let _ = self.stop.run_until_cancelled(freed).await;
    }

    /// At least one permit, at most `wanted`, as many as are available.
    async fn permits(&self, wanted: usize) -> Option<OwnedSemaphorePermit> {
        let mut permits = self.stop.run_until_cancelled(self.permits.clone().acquire_owned()).await?.ok()?;
        let more = self.permits.available_permits().min(wanted - 1);
        if let Ok(more) = self.permits.clone().try_acquire_many_owned(u32::try_from(more).unwrap_or(0)) {
            permits.merge(more);
        }
        Some(permits)
    }

    /// Leases these executions, starts those that it got, and returns how many. Never more than there are permits: what is leased
    /// can run. Then acknowledges the stream entries: Postgres knows that their executions are leased.
    async fn take(self: &Arc<Self>, mut ids: Vec<ExecutionId>, receipts: Vec<Receipt>) -> usize {
        let mut started_count = 0;
        while !ids.is_empty() {
            let Some(mut permits) = self.permits(ids.len()).await else { return started_count };
            let batch: Vec<ExecutionId> = ids.drain(..permits.num_permits().min(ids.len())).collect();
            let started = Instant::now();
            let Some(leases) = self.lease(&batch).await else { return started_count };
            spans::leased(&leases, !receipts.is_empty(), &self.runner.clock, started);
            let Some(secrets) = self.resolve_secrets(&leases).await else { return started_count };
            for (lease, secrets) in leases.into_iter().zip(secrets) {
                let Some(permit) = permits.split(1) else { break };
                self.start(lease, secrets, permit);
                started_count += 1;
            }
        }
        self.acknowledge(receipts).await;
        started_count
    }

    /// Repeats until Postgres responds. If the process must stop before that, the leases are released.
    async fn resolve_secrets(&self, leases: &[Lease]) -> Option<Vec<RequestSecrets>> {
        let mut is_logged = false;
        loop {
            let resolved = async { self.secrets.resolve(&mut *self.db.conn().await?, leases).await };
            match resolved.await {
                Ok(secrets) => return Some(secrets),
                Err::<_, StoreError>(error) => {
                    if !std::mem::replace(&mut is_logged, true) {
                        tracing::warn!(%error, executions = leases.len(), "cannot read secrets");
                    }
                }
            }
            let pause = tokio::time::sleep(RELEASE_RETRY_INTERVAL);
            if self.stop.run_until_cancelled(pause).await.is_none() {
                for lease in leases {
                    self.release((lease.execution, lease.number)).await;
                }
                return None;
            }
        }
    }

    fn start(self: &Arc<Self>, lease: Lease, secrets: RequestSecrets, permit: OwnedSemaphorePermit) {
        let key = (lease.execution, lease.number);
        // All leases end with their session.
        let guard = self.in_flight.add(key, shard(lease.workspace), self.session.expired.child_token());
        // Boxed, because every layer of a task moves its future once more.
        let run = Box::pin(self.clone().run(lease, secrets, guard, permit));
        tasks::spawn("run", self.runs.track_future(run));
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

    async fn run(
        self: Arc<Self>,
        lease: Lease,
        secrets: RequestSecrets,
        guard: InFlightGuard,
        permit: OwnedSemaphorePermit,
    ) {
        let key = (lease.execution, lease.number);
        match guard.revoked.run_until_cancelled(self.runner.run(lease, secrets)).await {
            // The recorder ends after the last run.
            Some(Some(ended)) => drop(self.results.send(FinishedRun { ended, guard, permit }).await),
            None => {
                tracing::debug!(execution = %key.0, "aborted: it was cancelled, deleted or reclaimed");
            }
            // Boxed, because it is large and rare.
            Some(None) => Box::pin(self.release(key)).await,
        }
    }

    /// Nothing was sent, so another executor may send at once. Retried a few times, because an unreleased lease counts as sent when the
    /// session expires.
    async fn release(&self, key: AttemptKey) {
        let release =
            || async { leases::release(&mut *self.db.conn().await?, self.session.id, &[key]).await };
        let retries =
            ConstantBuilder::default().with_delay(RELEASE_RETRY_INTERVAL).with_max_times(10).with_jitter();
        match release.retry(retries).await {
            Ok(_) => self.waker.wake(),
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, execution = %key.0, "cannot release; another executor reclaims it");
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
