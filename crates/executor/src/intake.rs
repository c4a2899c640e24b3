//! Where work comes in: from the stream, from retries that are due, and, while the stream is away, from Postgres.
//!
//! Never more than there are permits: what this process cannot run now stays where another may take it.

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
    attempt::Performer,
    in_flight::{Entry, InFlight},
    record::Done,
    retries::Retries,
    secrets::{Material, SecretResolver},
    session::Session,
    spans,
};

/// One lease statement is about so many executions at the most.
const BATCH: usize = 500;
/// How long a read waits for the first entry.
const BLOCK: Duration = Duration::from_secs(1);
/// How often the other shards are looked into while some are full: sooner than dispatches are published ahead.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often Postgres is asked for due work while the stream is away, and how far ahead.
const STAND_IN_EVERY: Duration = Duration::from_millis(25);
const STAND_IN_LEAD: TimeDelta = TimeDelta::milliseconds(50);
/// Work that should have been published so long ago, while nothing waits in the stream.
const OVERDUE_AFTER: TimeDelta = TimeDelta::seconds(-2);
/// A lease that is not answered by then is asked for again, on another connection; see also `watch`.
const LEASE_WITHIN: Duration = Duration::from_secs(15);
const RELEASE_RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Receipts that could not be delivered are kept up to here; a reader that goes leaves its entries to the scheduler.
const KEEP_RECEIPTS: usize = 100_000;

pub struct Intake {
    pub db: Db,
    pub session: Session,
    pub permits: Arc<Semaphore>,
    pub in_flight: InFlight,
    pub vault: Arc<SecretResolver>,
    pub performer: Arc<Performer>,
    pub done: mpsc::Sender<Done>,
    pub receipts: mpsc::Sender<Vec<Receipt>>,
    pub runs: TaskTracker,
    pub waker: Waker,
    /// Cancelled when nothing more is to be taken in.
    pub stop: CancellationToken,
}

impl Intake {
    /// Receives the stream, and says in `up` whether it can be received.
    pub async fn receive(self: Arc<Self>, mut consumer: Consumer, up: watch::Sender<bool>) {
        let mut looked = Instant::now();
        while let Some((open, most)) = self.room().await {
            // While some are full nobody waits in Redis, which ends a wait when it is woken by something else, at times a tenth of a second
            // late.
            let block = if open.len() == usize::from(SHARDS.unsigned_abs()) { BLOCK } else { Duration::ZERO };
            let received = self.stop.run_until_cancelled(consumer.receive(&open, most, block)).await;
            match received {
                None => return,
                Some(Ok(received)) => {
                    if !up.send_replace(true) {
                        tracing::info!("the stream is back");
                    }
                    if !received.is_empty() {
                        self.take_received(received).await;
                        continue;
                    }
                    if looked.elapsed() >= BLOCK {
                        looked = Instant::now();
                        self.take_overdue(&open, most).await;
                    }
                    if block.is_zero() {
                        self.room_again().await;
                    }
                }
                Some(Err(error)) => self.stream_failed(&error, &up).await,
            }
        }
    }

    /// A stream that is silent may also be one that nobody can write to: work that is overdue by seconds is taken from Postgres.
    async fn take_overdue(self: &Arc<Self>, open: &[i16], most: usize) {
        match self.due(open, OVERDUE_AFTER, most).await {
            Ok(due) if due.is_empty() => {}
            Ok(due) => {
                tracing::info!(executions = due.len(), "overdue and not published: taken from Postgres");
                self.take(due, Vec::new()).await;
            }
            Err(error) => tracing::debug!(%error, "Postgres cannot be asked for overdue work"),
        }
    }

    async fn stream_failed(&self, error: &StreamError, up: &watch::Sender<bool>) {
        if up.send_replace(false) {
            tracing::warn!(%error, "the stream is away; due work is taken from Postgres until it is back");
        }
        let pause = Duration::from_millis(200).mul_f64(0.5 + crypto::unit());
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }

    async fn take_received(self: &Arc<Self>, received: Vec<Received>) {
        if received.is_empty() {
            return;
        }
        let (mut published, mut receipts, mut garbage) = (Vec::new(), Vec::new(), Vec::new());
        for Received { executions, receipt } in received {
            match executions {
                Some(executions) => {
                    published.extend(executions);
                    receipts.push(receipt);
                }
                None => garbage.push(receipt),
            }
        }
        if !garbage.is_empty() {
            tracing::warn!(
                entries = garbage.len(),
                "the stream holds entries that this version does not understand; they are dropped"
            );
            garbage.iter().for_each(|_| metrics::malformed_entry());
            self.acknowledge(garbage).await;
        }
        if failpoint::is(failpoint::ACKNOWLEDGE_BEFORE_LEASE) {
            self.acknowledge(std::mem::take(&mut receipts)).await;
        }
        self.take(published, receipts).await;
    }

    /// Leases retries that are due.
    pub async fn repeat(self: Arc<Self>, retries: Arc<Retries>) {
        loop {
            let Some(due) = self.stop.run_until_cancelled(retries.next(&self.performer.clock, BATCH)).await
            else {
                return;
            };
            self.take(due, Vec::new()).await;
        }
    }

    /// Takes due work from Postgres while the stream is away.
    pub async fn stand_in(self: Arc<Self>, mut up: watch::Receiver<bool>) {
        loop {
            let away = async { up.wait_for(|up| !up).await.is_ok() };
            if self.stop.run_until_cancelled(away).await != Some(true) {
                return;
            }
            let Some((open, most)) = self.room().await else { return };
            let pause = match self.due(&open, STAND_IN_LEAD, most).await {
                Ok(due) => {
                    if self.take(due, Vec::new()).await == most {
                        continue;
                    }
                    STAND_IN_EVERY
                }
                Err(error) => {
                    tracing::debug!(%error, "Postgres cannot be asked for due work");
                    STAND_IN_EVERY * 10
                }
            };
            self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    async fn due(&self, open: &[i16], lead: TimeDelta, most: usize) -> Result<Vec<ExecutionId>, StoreError> {
        leases::due(&mut *self.db.conn().await?, open, lead, most as i64).await
    }

    /// The shards that have room, and how much may be taken in now: at least one. `None` when nothing more is to be taken in.
    async fn room(&self) -> Option<(Vec<i16>, usize)> {
        loop {
            let free = self.stop.run_until_cancelled(self.permits.acquire()).await?.ok()?;
            drop(free);
            let (open, permits) = (self.in_flight.open(), self.permits.available_permits());
            if !open.is_empty() {
                return Some((open, permits.clamp(1, BATCH)));
            }
            self.room_again().await;
        }
    }

    /// Waits until a shard that is full may have room; not for long, because the others may have something, and another who waits may have
    /// been told instead.
    async fn room_again(&self) {
        let freed = tokio::time::timeout(LOOK_AGAIN, self.in_flight.freed());
        let _ = self.stop.run_until_cancelled(freed).await;
    }

    /// At least one permit, at most `wanted`, as many as there are.
    async fn permits(&self, wanted: usize) -> Option<OwnedSemaphorePermit> {
        let mut permits = self.stop.run_until_cancelled(self.permits.clone().acquire_owned()).await?.ok()?;
        let more = self.permits.available_permits().min(wanted - 1);
        if let Ok(more) = self.permits.clone().try_acquire_many_owned(u32::try_from(more).unwrap_or(0)) {
            permits.merge(more);
        }
        Some(permits)
    }

    /// Leases what is to be had of these and lets it run; says how many. Never more than there are permits: what is leased can
    /// be run. Then the dispatches are done with: what they ring for is in Postgres's hands, as somebody's lease.
    async fn take(self: &Arc<Self>, mut ids: Vec<ExecutionId>, receipts: Vec<Receipt>) -> usize {
        let mut taken = 0;
        while !ids.is_empty() {
            let Some(mut permits) = self.permits(ids.len()).await else { return taken };
            let batch: Vec<ExecutionId> = ids.drain(..permits.num_permits().min(ids.len())).collect();
            let started = Instant::now();
            let Some(leases) = self.lease(&batch).await else { return taken };
            spans::leased(&leases, !receipts.is_empty(), &self.performer.clock, started);
            let Some(materials) = self.materials(&leases).await else { return taken };
            for (lease, material) in leases.into_iter().zip(materials) {
                let Some(permit) = permits.split(1) else { break };
                self.start(lease, material, permit);
                taken += 1;
            }
        }
        self.acknowledge(receipts).await;
        taken
    }

    /// What these need of what is sealed. When this process is to end before Postgres has answered, they are handed back.
    async fn materials(&self, leases: &[Lease]) -> Option<Vec<Material>> {
        let mut told = false;
        loop {
            let materials = async { self.vault.materials(&mut *self.db.conn().await?, leases).await };
            match materials.await {
                Ok(materials) => return Some(materials),
                Err::<_, StoreError>(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, executions = leases.len(), "cannot be prepared now");
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

    fn start(self: &Arc<Self>, lease: Lease, material: Material, permit: OwnedSemaphorePermit) {
        let key = (lease.execution, lease.number);
        // With the session, all that it holds is taken away.
        let entry = self.in_flight.enter(key, shard(lease.workspace), self.session.lost.child_token());
        // Boxed, because every layer of a task moves its future once more.
        let run = Box::pin(self.clone().run(lease, material, entry, permit));
        tasks::spawn("run", self.runs.track_future(run));
    }

    /// Repeats until Postgres has answered; `None` when this process is to take nothing more.
    async fn lease(&self, ids: &[ExecutionId]) -> Option<Vec<Lease>> {
        let mut failures = 0u32;
        loop {
            let leased = async { leases::lease(&mut *self.db.conn().await?, self.session.id, ids).await };
            let silent = |_| Err(StoreError::Unavailable(format!("no answer within {LEASE_WITHIN:?}")));
            match tokio::time::timeout(LEASE_WITHIN, leased).await.unwrap_or_else(silent) {
                Ok(leases) => return Some(leases),
                Err::<_, StoreError>(error) if failures == 0 => {
                    tracing::warn!(%error, executions = ids.len(), "cannot be leased now")
                }
                Err(error) => tracing::debug!(%error, "still cannot be leased"),
            }
            failures += 1;
            let wait = Duration::from_millis(50 * u64::from(failures.min(20))).mul_f64(0.5 + crypto::unit());
            self.stop.run_until_cancelled(tokio::time::sleep(wait)).await?;
        }
    }

    async fn run(
        self: Arc<Self>,
        lease: Lease,
        material: Material,
        entry: Entry,
        permit: OwnedSemaphorePermit,
    ) {
        let taken = (lease.execution, lease.number);
        match entry.taken_away.run_until_cancelled(self.performer.perform(lease, material)).await {
            // The recorder ends after the last run.
            Some(Some(ended)) => drop(self.done.send(Done { ended, entry, permit }).await),
            None => {
                tracing::debug!(execution = %taken.0, "aborted: it was cancelled, deleted or taken over");
            }
            // Boxed, because it is large and rare.
            Some(None) => Box::pin(self.release(taken)).await,
        }
    }

    /// Nothing was sent: somebody else may do so at once. Tried a few times, because what stays held is taken for sent.
    async fn release(&self, taken: (ExecutionId, u16)) {
        let hand = || async { leases::release(&mut *self.db.conn().await?, self.session.id, &[taken]).await };
        let tries =
            ConstantBuilder::default().with_delay(RELEASE_RETRY_INTERVAL).with_max_times(10).with_jitter();
        match hand.retry(tries).await {
            Ok(_) => self.waker.wake(),
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, execution = %taken.0, "could not be handed back; others take it over");
            }
        }
    }

    async fn acknowledge(&self, receipts: Vec<Receipt>) {
        if !receipts.is_empty() {
            // The reader of this channel ends after us.
            let _ = self.receipts.send(receipts).await;
        }
    }
}

/// Acknowledges dispatches whose executions are in Postgres's hands. Failing does no harm: a dispatch published twice finds its work taken.
pub async fn acknowledge(mut acknowledger: Acknowledger, mut receipts: mpsc::Receiver<Vec<Receipt>>) {
    let mut kept: Vec<Receipt> = Vec::new();
    while let Some(more) = receipts.recv().await {
        kept.extend(more);
        while kept.len() < BATCH
            && let Ok(more) = receipts.try_recv()
        {
            kept.extend(more);
        }
        match acknowledger.acknowledge(&kept).await {
            Ok(()) => kept.clear(),
            Err(error) => {
                tracing::debug!(%error, entries = kept.len(), "cannot be acknowledged now");
                kept.truncate(KEEP_RECEIPTS);
            }
        }
    }
}
