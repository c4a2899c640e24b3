//! Where work comes in: from the stream, from retries that are due, and, while the stream is away, from Postgres.
//!
//! Never more than there are permits: what this process cannot run now stays where another may take it.

use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    crypto,
    domain::id::ExecutionId,
    runtime::tasks::every,
    store::{
        Db, StoreError,
        leases::{self, Lease},
        wake::Waker,
    },
    stream::{Consumer, Heard, StreamError, consumer::Receipt},
    telemetry::metrics,
};

use crate::{
    in_flight::{Entry, InFlight},
    perform::Performer,
    record::Done,
    retries::Retries,
    session::Session,
};

/// One lease statement is about so many executions at the most.
const BATCH: usize = 500;
/// How long a read waits for the first entry.
const BLOCK: Duration = Duration::from_secs(1);
/// How often Postgres is asked for due work while the stream is away, and how far ahead.
const STAND_IN_EVERY: Duration = Duration::from_millis(25);
const STAND_IN_LEAD: Duration = Duration::from_millis(50);
/// How often it is looked for leases that were taken away; an abort is promised within five seconds.
const WATCH_EVERY: Duration = Duration::from_secs(1);

pub struct Intake {
    pub db: Db,
    pub session: Session,
    pub permits: Arc<Semaphore>,
    pub max_in_flight: usize,
    pub in_flight: InFlight,
    pub performer: Arc<Performer>,
    pub done: mpsc::Sender<Done>,
    pub receipts: mpsc::Sender<Vec<Receipt>>,
    pub runs: TaskTracker,
    pub waker: Waker,
    /// Cancelled when nothing more is to be taken in.
    pub stop: CancellationToken,
}

type Receipts = HashMap<ExecutionId, Vec<Receipt>>;

impl Intake {
    /// Hears the stream, and says in `up` whether it can be heard.
    pub async fn hear(self: Arc<Self>, mut consumer: Consumer, up: watch::Sender<bool>) {
        while let Some(most) = self.room().await {
            let heard = self.stop.run_until_cancelled(consumer.hear(most, BLOCK)).await;
            match heard {
                None => return,
                Some(Ok(heard)) => {
                    if !up.send_replace(true) {
                        tracing::info!("the stream is back");
                    }
                    self.take_heard(heard).await;
                }
                Some(Err(error)) => self.stream_failed(&error, &up).await,
            }
        }
    }

    async fn stream_failed(&self, error: &StreamError, up: &watch::Sender<bool>) {
        if up.send_replace(false) {
            tracing::warn!(%error, "the stream is away; due work is taken from Postgres until it is back");
        }
        let pause = Duration::from_millis(200).mul_f64(0.5 + crypto::unit());
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }

    async fn take_heard(self: &Arc<Self>, heard: Vec<Heard>) {
        if heard.is_empty() {
            return;
        }
        let mut receipts = Receipts::new();
        let mut garbage = Vec::new();
        for Heard { bell, receipt } in heard {
            match bell {
                Some(bell) => receipts.entry(bell.execution).or_default().push(receipt),
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
        self.take(receipts.keys().copied().collect(), receipts).await;
    }

    /// Leases retries that are due.
    pub async fn repeat(self: Arc<Self>, retries: Arc<Retries>) {
        while let Some(most) = self.room().await {
            let Some(due) = self.stop.run_until_cancelled(retries.next(&self.performer.clock, most)).await
            else {
                return;
            };
            self.take(due, Receipts::new()).await;
        }
    }

    /// Takes due work from Postgres while the stream is away.
    pub async fn stand_in(self: Arc<Self>, mut up: watch::Receiver<bool>) {
        loop {
            let away = async { up.wait_for(|up| !up).await.is_ok() };
            if self.stop.run_until_cancelled(away).await != Some(true) {
                return;
            }
            let Some(most) = self.room().await else { return };
            match self.due(most).await {
                Ok(due) if due.len() == most => self.take(due, Receipts::new()).await,
                Ok(due) => {
                    self.take(due, Receipts::new()).await;
                    self.stop.run_until_cancelled(tokio::time::sleep(STAND_IN_EVERY)).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "Postgres cannot be asked for due work");
                    self.stop.run_until_cancelled(tokio::time::sleep(STAND_IN_EVERY * 10)).await;
                }
            }
        }
    }

    /// Aborts what was taken away from this session: cancelled, or deleted with its job. Lasts as long as there are runs.
    pub async fn watch(self: Arc<Self>, ended: CancellationToken) {
        let look = || async {
            let before = self.in_flight.all();
            if !before.is_empty() {
                let held = leases::held(&mut *self.db.conn().await?, self.session.id).await?;
                self.in_flight.abort_all_but(&before, &held);
            }
            Ok::<_, StoreError>(())
        };
        every("watch", ended, WATCH_EVERY, std::future::pending, look).await;
    }

    async fn due(&self, most: usize) -> Result<Vec<ExecutionId>, StoreError> {
        leases::due(&mut *self.db.conn().await?, STAND_IN_LEAD, most as i64).await
    }

    /// How much may be taken in now: at least one, once a permit is free. `None` when nothing more is to be taken in.
    async fn room(&self) -> Option<usize> {
        let free = self.stop.run_until_cancelled(self.permits.acquire()).await?.ok()?;
        drop(free);
        metrics::in_flight(self.max_in_flight - self.permits.available_permits());
        Some(self.permits.available_permits().clamp(1, BATCH))
    }

    /// Leases what is to be had of these and lets it run. Bells of what is not to be had are done with.
    async fn take(self: &Arc<Self>, ids: Vec<ExecutionId>, mut receipts: Receipts) {
        if ids.is_empty() {
            return;
        }
        let Some(leases) = self.lease(&ids).await else { return };
        for lease in leases {
            // Closed never; and what was leased has to be run, however long it waits for its permit.
            let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
            let bells = receipts.remove(&lease.execution).unwrap_or_default();
            let lost = self.session.lost.clone();
            let intake = self.clone();
            let entry = self.in_flight.enter(lease.execution, lease.number);
            let run = async move { lost.run_until_cancelled(intake.run(lease, entry, permit, bells)).await };
            trigrun_core::runtime::tasks::spawn("run", self.runs.track_future(run));
        }
        self.acknowledge(receipts.into_values().flatten().collect()).await;
    }

    /// Repeats until Postgres has answered; `None` when this process is to take nothing more.
    async fn lease(&self, ids: &[ExecutionId]) -> Option<Vec<Lease>> {
        let mut failures = 0u32;
        loop {
            let leased = async { leases::lease(&mut *self.db.conn().await?, self.session.id, ids).await };
            match leased.await {
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
        entry: Entry,
        permit: OwnedSemaphorePermit,
        receipts: Vec<Receipt>,
    ) {
        let taken = (lease.execution, lease.number);
        match entry.taken_away.run_until_cancelled(self.performer.perform(lease)).await {
            // The recorder ends after the last run.
            Some(Some(ended)) => drop(self.done.send(Done { ended, permit, receipts }).await),
            None => {
                tracing::info!(execution = %taken.0, "aborted: it was cancelled, deleted or taken over");
                self.acknowledge(receipts).await;
            }
            Some(None) => {
                self.hand_back(taken).await;
                self.acknowledge(receipts).await;
            }
        }
    }

    async fn hand_back(&self, taken: (ExecutionId, u16)) {
        let handed =
            async { leases::hand_back(&mut *self.db.conn().await?, self.session.id, &[taken]).await };
        match handed.await {
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
