//! The main loop of an executor process: one session after another until shutdown.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    crypto::seal::{KeyError, KeySettings, MasterKeys},
    domain::address::EgressPolicy,
    runtime::{clock::Clock, hold::HoldWatch, open_files, probes, process::ends_with, tasks::spawn},
    store::{self, Db, StoreError, executors, leases, wake::Waker, workspace_keys},
    stream::{Consumer, StreamError, consumer::Acknowledger},
    telemetry::metrics,
};

use crate::{
    ExecutorSettings, Settings,
    accounts::Accounts,
    attempt::AttemptRunner,
    egress::{self, Egress, EgressError},
    in_flight::InFlight,
    intake::{Intake, MAX_IN_LINE, SlotTurns, WaitingJobs, acknowledge},
    notify::{
        DELIVERIES_PERCENT, MAX_DELIVERIES, Notifier,
        email::{Mailer, SmtpError},
    },
    owner::Shares,
    reconcile::LeaseReconciler,
    record::Recorder,
    request_tests::{MAX_TESTS, RequestTester, TESTS_PERCENT},
    retries::Retries,
    secrets::SecretResolver,
    session::Session,
    timer::PreciseTimer,
};

/// Results wait here for the recorder. While the queue is full, runs do not end and keep their permits.
const MAX_QUEUED_RESULTS: usize = 1024;
const MAX_QUEUED_RECEIPTS: usize = 1024;
/// Files that are not connections to targets, name servers or Postgres: connections to Redis, the mail server and from Prometheus,
/// libraries, logs.
const OWN_FILES: usize = 128;
/// With fewer files for connections, an executor does not start.
const MIN_OPEN_FILES: usize = 256;
/// Threads for long computations, and how much of what is free of them one account may use.
const COMPUTE_THREADS: usize = 4;
const COMPUTE_PERCENT: usize = 50;
/// How much of what is free of the line one account may occupy: with its jobs, more than half of it.
const LINE_PERCENT: usize = 1000;
/// How long the last results may take to be recorded once nothing is in flight.
const FINAL_RECORD_TIMEOUT: Duration = Duration::from_secs(10);

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
    #[error("at most {limit} files may be open, and an executor needs {needed}: raise the limit (ulimit -n)")]
    OpenFiles { limit: usize, needed: usize },
    #[error("the timer thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The parts that outlive a session.
struct Process {
    settings: Settings,
    db: Db,
    clock: Clock,
    hold: HoldWatch,
    egress: Egress,
    policy: EgressPolicy,
    waker: Waker,
    secrets: Arc<SecretResolver>,
    accounts: Accounts,
    /// Raised when this process has written a notification.
    notification_written: Arc<Notify>,
}

/// Runs an executor until shutdown, then drains: finishes the requests in flight and releases the rest.
pub async fn serve(settings: Settings, shutdown: CancellationToken) -> Result<(), ExecutorError> {
    let db = Db::new(&settings.postgres)?;
    let installation = store::installation::id(&mut *db.conn().await?).await?;
    let settings = Settings { redis: settings.redis.of_installation(installation), ..settings };
    let clock = Clock::synchronised(&db).await?;
    let hold = HoldWatch::read(&db).await?;
    let secrets = Arc::new(SecretResolver::new(usable_keys(&settings.keys, &db).await?, clock.clone()));
    let policy = EgressPolicy::new(settings.egress.allow.clone())
        .with_ports(settings.egress.allow_ports.clone())
        .without(settings.egress.refuse.clone());
    let mailer = Mailer::new(&settings.smtp, &settings.redis)?;
    let max_requests_per_destination = settings.egress.max_requests_per_destination.get();
    let egress = Egress::new(egress::Settings {
        max_requests_per_destination,
        max_open_files: max_open_files(&settings)?,
        ..egress::Settings::new(policy.clone())
    })?;
    let (waker, background) = (Waker::default(), CancellationToken::new());
    let _ends_background = background.clone().drop_guard();
    spawn("waker", waker.clone().run(db.clone(), background.clone()));
    spawn("clock", clock.clone().run(db.clone(), background.clone()));
    spawn("hold", hold.clone().run(db.clone(), background.clone()));
    match probes::serve(settings.telemetry.probes_address, db.clone(), hold.clone(), background).await {
        Ok(address) => tracing::info!(probes = %address, "executor started"),
        Err(error) => {
            tracing::error!(%error, address = %settings.telemetry.probes_address, "cannot serve probes and metrics")
        }
    }
    let (accounts, notification_written) = (Accounts::default(), Arc::<Notify>::default());
    let notifier = Notifier {
        db: db.clone(),
        clock: clock.clone(),
        hold: hold.clone(),
        secrets: secrets.clone(),
        egress: egress.clone(),
        policy: policy.clone(),
        mailer,
        wake: notification_written.clone(),
        capacity: Shares::new(MAX_DELIVERIES, DELIVERIES_PERCENT),
        deliveries: TaskTracker::new(),
    };
    let notifying = ends_with("notify", shutdown.clone(), Arc::new(notifier).run(shutdown.clone()));
    let process =
        Process { settings, db, clock, hold, egress, policy, waker, secrets, accounts, notification_written };
    while !shutdown.is_cancelled() {
        process.run_session(&shutdown).await?;
    }
    log_panic(notifying.await);
    tracing::info!("executor stopped");
    Ok(())
}

/// How many files connections to targets and name servers may use.
fn max_open_files(settings: &Settings) -> Result<usize, ExecutorError> {
    let limit = usize::try_from(open_files::raise_limit()).unwrap_or(usize::MAX);
    let own = OWN_FILES + settings.postgres.max_connections;
    let wanted = egress::wanted_open_files(settings.executor.max_in_flight);
    let left = limit.saturating_sub(own);
    if left < MIN_OPEN_FILES {
        return Err(ExecutorError::OpenFiles { limit, needed: own + MIN_OPEN_FILES });
    }
    if left < wanted {
        tracing::warn!(
            limit,
            needed = own + wanted,
            "the limit of open files is below what the settings can need: raise it (ulimit -n), or lower executor.max_in_flight"
        );
    } else {
        tracing::info!(limit, needed = own + wanted, "the limit of open files suffices");
    }
    Ok(left.min(wanted))
}

/// The master keys; an error if one that is in use is missing or is another one.
async fn usable_keys(settings: &KeySettings, db: &Db) -> Result<MasterKeys, ExecutorError> {
    let master = MasterKeys::new(settings)?;
    workspace_keys::register(&mut *db.conn().await?, &master).await?;
    Ok(master)
}

impl Process {
    /// From the first heartbeat until shutdown, or until the session has expired.
    async fn run_session(&self, shutdown: &CancellationToken) -> Result<(), ExecutorError> {
        let Some(session) = Session::begin(&self.db, &self.clock, shutdown).await else { return Ok(()) };
        let heartbeat_stop = CancellationToken::new();
        let heartbeat = spawn(
            "heartbeat",
            session.clone().keep_alive(self.db.clone(), self.egress.clone(), heartbeat_stop.clone()),
        );

        let stop = shutdown.child_token();
        let (retries, in_flight) = (Arc::<Retries>::default(), InFlight::default());
        let (results, results_reader) = mpsc::channel(MAX_QUEUED_RESULTS);
        let (receipts, receipts_reader) = mpsc::channel(MAX_QUEUED_RECEIPTS);
        let recorder = Recorder {
            db: self.db.clone(),
            clock: self.clock.clone(),
            session: session.clone(),
            retries: retries.clone(),
            in_flight: in_flight.clone(),
            waker: self.waker.clone(),
            notification_written: self.notification_written.clone(),
            draining: stop.clone(),
        };
        // If one of these ends early, the session ends in order and another begins.
        let recording = ends_with("record", stop.clone(), recorder.run(results_reader));
        let acknowledger = acknowledge(Acknowledger::new(&self.settings.redis)?, receipts_reader);
        let acknowledging = ends_with("acknowledge", stop.clone(), acknowledger);

        let ExecutorSettings { max_in_flight, max_buffered_bytes, account_percent, .. } =
            self.settings.executor;
        metrics::permits(max_in_flight);
        let runs = TaskTracker::new();
        let intake = Arc::new(Intake {
            db: self.db.clone(),
            session: session.clone(),
            accounts: self.accounts.clone(),
            permits: Shares::new(max_in_flight, account_percent),
            memory: Shares::new(max_buffered_bytes, account_percent),
            line: Shares::new(MAX_IN_LINE, LINE_PERCENT),
            slot_turns: SlotTurns::new(account_percent),
            waiting_jobs: WaitingJobs::default(),
            in_flight: in_flight.clone(),
            secrets: self.secrets.clone(),
            runner: Arc::new(self.attempt_runner(&session, &stop)?),
            results,
            receipts,
            runs: runs.clone(),
            search: Mutex::default(),
            waker: self.waker.clone(),
            stop: stop.clone(),
        });
        let aborting = in_flight.clone().abort_when_expired(session.expired.clone(), heartbeat_stop.clone());
        let aborting = spawn("abort", aborting);
        let (available, is_available) = watch::channel(true);
        let consumer = Consumer::new(&self.settings.redis, session.id)?;
        // During a drain, requests in flight can still be cancelled.
        let reconciler = LeaseReconciler {
            db: self.db.clone(),
            session: session.clone(),
            in_flight,
            retries: retries.clone(),
            waker: self.waker.clone(),
        };
        let reconciling = spawn("reconcile", reconciler.run(heartbeat_stop.clone()));
        let tester = Arc::new(RequestTester {
            db: self.db.clone(),
            accounts: self.accounts.clone(),
            capacity: Shares::new(MAX_TESTS, TESTS_PERCENT),
            memory: intake.memory.clone(),
            secrets: self.secrets.clone(),
            runner: intake.runner.clone(),
            runs: runs.clone(),
            ended: Notify::new(),
        });
        let loops = [
            ends_with("request_tests", stop.clone(), tester.run(stop.clone())),
            ends_with("receive", stop.clone(), intake.clone().receive(consumer, available)),
            ends_with("retry", stop.clone(), intake.clone().retry(retries)),
            ends_with("take_waiting", stop.clone(), intake.clone().take_waiting()),
            ends_with("postgres_fallback", stop.clone(), intake.postgres_fallback(is_available)),
        ];

        tokio::select! {
            () = stop.cancelled() => {}
            () = session.expired.cancelled() => stop.cancel(),
        }
        for ended in loops {
            log_panic(ended.await);
        }
        self.drain(&session, runs).await;
        // The last run has ended, so the recorder reaches the end of its queue, and then the acknowledger.
        let last_results = async {
            log_panic(recording.await);
            log_panic(acknowledging.await);
        };
        if tokio::time::timeout(FINAL_RECORD_TIMEOUT, last_results).await.is_err() {
            tracing::warn!("cannot record the last results; the executions are reclaimed and run again");
        }
        self.end(&session).await;
        heartbeat_stop.cancel();
        log_panic(heartbeat.await);
        log_panic(reconciling.await);
        log_panic(aborting.await);
        Ok(())
    }

    fn attempt_runner(
        &self,
        session: &Session,
        draining: &CancellationToken,
    ) -> Result<AttemptRunner, ExecutorError> {
        Ok(AttemptRunner {
            db: self.db.clone(),
            egress: self.egress.clone(),
            policy: self.policy.clone(),
            timer: PreciseTimer::start()?,
            clock: self.clock.clone(),
            session: session.clone(),
            hold: self.hold.clone(),
            compute: Shares::new(COMPUTE_THREADS, COMPUTE_PERCENT),
            draining: draining.clone(),
        })
    }

    /// Waits for the requests in flight. Executions that wait for their next attempt are released immediately.
    async fn drain(&self, session: &Session, runs: TaskTracker) {
        runs.close();
        if session.expired.is_cancelled() {
            return runs.wait().await;
        }
        self.release_retrying(session).await;
        if !runs.is_empty() {
            tracing::info!(in_flight = runs.len(), "finishing the requests in flight");
        }
        let grace = Duration::from_secs(self.settings.executor.drain_seconds);
        if tokio::time::timeout(grace, runs.wait()).await.is_err() {
            tracing::warn!(in_flight = runs.len(), "did not end in time; they are reclaimed");
            session.expired.cancel();
        }
    }

    async fn end(&self, session: &Session) {
        self.release_retrying(session).await;
        let ended = async { executors::end(&mut *self.db.conn().await?, session.id).await };
        if let Err::<_, StoreError>(error) = ended.await {
            tracing::warn!(%error, "cannot end the session; a scheduler expires it");
        }
    }

    async fn release_retrying(&self, session: &Session) {
        let released =
            async { leases::release_retrying(&mut *self.db.conn().await?, session.id, None).await };
        match released.await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(executions = count, "waiting retries released");
                self.waker.wake();
            }
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, "cannot release the waiting retries; they are reclaimed")
            }
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task panicked: this is a defect");
    }
}
