//! The life of an executor process: session after session until it is asked to end.

use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    crypto::seal::{KeyError, KeySettings, MasterKeys},
    domain::address::EgressPolicy,
    runtime::{clock::Clock, probes, process::ends_with, tasks::spawn},
    store::{Db, StoreError, executors, leases, wake::Waker, workspace_keys},
    stream::{Consumer, StreamError, consumer::Acknowledger},
    telemetry::metrics,
};

use crate::{
    Settings,
    attempt::Performer,
    egress::{self, Egress, EgressError},
    in_flight::InFlight,
    intake::{Intake, acknowledge},
    notify::{
        Notifier, Room,
        email::{Mailer, SmtpError},
    },
    reconcile::Watch,
    record::Recorder,
    retries::Retries,
    secrets::SecretResolver,
    session::Session,
    timer::Hold,
};

/// Results wait here for the recorder; a full queue keeps runs, and with them permits, from ending.
const RESULTS: usize = 1024;
const RECEIPTS: usize = 1024;
/// One shard, and so one workspace, has at most this part of the room.
const SHARES: usize = 4;
/// How long the end of a session may take once nothing is in flight any more.
const LAST_WORDS: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error(transparent)]
    MasterKeys(#[from] KeyError),
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    #[error("the timer thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What outlives a session.
struct Process {
    settings: Settings,
    db: Db,
    clock: Clock,
    egress: Egress,
    policy: EgressPolicy,
    waker: Waker,
    vault: Arc<SecretResolver>,
    /// Raised when a notification was written.
    told: Arc<Notify>,
}

/// Runs an executor until shutdown, then drains: finishes what is on its way, hands back the rest.
pub async fn serve(settings: Settings, shutdown: CancellationToken) -> Result<(), ExecutorError> {
    let db = Db::new(&settings.postgres)?;
    let clock = Clock::synchronised(&db).await?;
    let vault = Arc::new(SecretResolver::new(usable_keys(&settings.keys, &db).await?, clock.clone()));
    let policy = EgressPolicy::new(settings.egress.allow.clone());
    let mailer = Mailer::new(&settings.smtp, &settings.redis)?;
    let egress = Egress::new(egress::Settings::new(policy.clone()))?;
    let (waker, background) = (Waker::default(), CancellationToken::new());
    let _ends_background = background.clone().drop_guard();
    spawn("waker", waker.clone().run(db.clone(), background.clone()));
    spawn("clock", clock.clone().run(db.clone(), background.clone()));
    match probes::serve(settings.telemetry.probes_address, db.clone(), background).await {
        Ok(address) => tracing::info!(probes = %address, "executor started"),
        Err(error) => {
            tracing::error!(%error, address = %settings.telemetry.probes_address, "probes and metrics cannot be served")
        }
    }
    let told = Arc::<Notify>::default();
    let notifier = Notifier {
        db: db.clone(),
        clock: clock.clone(),
        vault: vault.clone(),
        egress: egress.clone(),
        policy: policy.clone(),
        mailer,
        wake: told.clone(),
        room: Room::default(),
        deliveries: TaskTracker::new(),
    };
    let notifying = ends_with("notify", shutdown.clone(), Arc::new(notifier).run(shutdown.clone()));
    let process = Process { settings, db, clock, egress, policy, waker, vault, told };
    while !shutdown.is_cancelled() {
        process.one_session(&shutdown).await?;
    }
    report(notifying.await);
    tracing::info!("executor stopped");
    Ok(())
}

/// The master keys; an error when one that is in use is not among them.
async fn usable_keys(settings: &KeySettings, db: &Db) -> Result<MasterKeys, ExecutorError> {
    let master = MasterKeys::new(settings)?;
    workspace_keys::check(&mut *db.conn().await?, &master).await?;
    Ok(master)
}

impl Process {
    /// From its first heartbeat until shutdown, or until it is declared dead.
    async fn one_session(&self, shutdown: &CancellationToken) -> Result<(), ExecutorError> {
        let Some(session) = Session::begin(&self.db, &self.clock, shutdown).await else { return Ok(()) };
        let heart_stops = CancellationToken::new();
        let heart = spawn("heartbeat", session.clone().keep_alive(self.db.clone(), heart_stops.clone()));

        let stop = shutdown.child_token();
        let retries = Arc::<Retries>::default();
        let (done, done_reader) = mpsc::channel(RESULTS);
        let (receipts, receipts_reader) = mpsc::channel(RECEIPTS);
        let recorder = Recorder {
            db: self.db.clone(),
            clock: self.clock.clone(),
            session: session.clone(),
            retries: retries.clone(),
            waker: self.waker.clone(),
            told: self.told.clone(),
            draining: stop.clone(),
        };
        // A part that ends too soon ends the session, in order; then another begins.
        let recording = ends_with("record", stop.clone(), recorder.run(done_reader));
        let acknowledger = acknowledge(Acknowledger::new(&self.settings.redis)?, receipts_reader);
        let acknowledging = ends_with("acknowledge", stop.clone(), acknowledger);

        let max_in_flight = self.settings.executor.max_in_flight;
        metrics::permits(max_in_flight);
        let runs = TaskTracker::new();
        let in_flight = InFlight::new((max_in_flight / SHARES).max(1));
        let intake = Arc::new(Intake {
            db: self.db.clone(),
            session: session.clone(),
            permits: Arc::new(Semaphore::new(max_in_flight)),
            in_flight: in_flight.clone(),
            vault: self.vault.clone(),
            performer: Arc::new(self.performer(&session, &stop)?),
            done,
            receipts,
            runs: runs.clone(),
            waker: self.waker.clone(),
            stop: stop.clone(),
        });
        let (up, is_up) = watch::channel(true);
        let consumer = Consumer::new(&self.settings.redis, session.id)?;
        // Requests on their way can be cancelled while the rest has stopped.
        let watch = Watch {
            db: self.db.clone(),
            session: session.clone(),
            in_flight,
            retries: retries.clone(),
            waker: self.waker.clone(),
        };
        let watching = spawn("watch", watch.run(heart_stops.clone()));
        let loops = [
            ends_with("receive", stop.clone(), intake.clone().receive(consumer, up)),
            ends_with("repeat", stop.clone(), intake.clone().repeat(retries)),
            ends_with("stand_in", stop.clone(), intake.stand_in(is_up)),
        ];

        tokio::select! {
            () = stop.cancelled() => {}
            () = session.lost.cancelled() => stop.cancel(),
        }
        for ended in loops {
            report(ended.await);
        }
        self.drain(&session, runs).await;
        // The last run is over: the recorder comes to the end of its queue, and the acknowledger after it.
        let last_words = async {
            report(recording.await);
            report(acknowledging.await);
        };
        if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
            tracing::warn!(
                "the last results could not be recorded; the executions are taken over and run again"
            );
        }
        self.end(&session).await;
        heart_stops.cancel();
        report(heart.await);
        report(watching.await);
        Ok(())
    }

    fn performer(&self, session: &Session, draining: &CancellationToken) -> Result<Performer, ExecutorError> {
        Ok(Performer {
            egress: self.egress.clone(),
            policy: self.policy.clone(),
            hold: Hold::start()?,
            clock: self.clock.clone(),
            session: session.clone(),
            draining: draining.clone(),
        })
    }

    /// Waits for the requests that are on their way. What only waits for its next attempt is handed back at once.
    async fn drain(&self, session: &Session, runs: TaskTracker) {
        runs.close();
        if session.lost.is_cancelled() {
            return runs.wait().await;
        }
        self.release_retrying(session).await;
        if !runs.is_empty() {
            tracing::info!(in_flight = runs.len(), "finishing what is on its way");
        }
        let grace = Duration::from_secs(self.settings.executor.drain_seconds);
        if tokio::time::timeout(grace, runs.wait()).await.is_err() {
            tracing::warn!(in_flight = runs.len(), "did not end in time; they are taken over");
            session.lost.cancel();
        }
    }

    async fn end(&self, session: &Session) {
        self.release_retrying(session).await;
        let ended = async { executors::end(&mut *self.db.conn().await?, session.id).await };
        if let Err::<_, StoreError>(error) = ended.await {
            tracing::warn!(%error, "the session could not be ended; it is found silent later");
        }
    }

    async fn release_retrying(&self, session: &Session) {
        let handed = async { leases::release_retrying(&mut *self.db.conn().await?, session.id, None).await };
        match handed.await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(executions = count, "waiting retries handed back");
                self.waker.wake();
            }
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, "waiting retries could not be handed back; they are taken over")
            }
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task ended in panic: this is a defect");
    }
}
