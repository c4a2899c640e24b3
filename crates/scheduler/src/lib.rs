//! The scheduler: turns schedules into executions and publishes them to the executors. Any number of schedulers may run; none
//! leads.
//!
//! A *timer* holds the time of a job's next *fire*. A fire is one scheduled occurrence; it is recorded as one *execution*, a row
//! in Postgres. A *dispatch message* announces one execution to the executors; an entry of a Redis stream carries up to 16 of
//! them: ids, and the time of publication.
//!
//! Each module holds one or two *passes*. A pass is a plain async function that may fail, may run in two processes at once, and
//! is called directly by tests.
//!
//! - [`watch`]: `watch` searches for work of all kinds and starts the passes that find some;
//! - [`plan`]: `plan` records the fires that are due within two seconds, then those that were missed, each exactly once, and advances the timers;
//! - [`publish`]: `publish` sends the dispatch messages of what this process planned, shortly before each due time, and
//!   `publish_requested` those of other executions whose publication is requested;
//! - [`liveness`]: ends the sessions of executors whose heartbeats stopped, as a part of `watch`;
//! - [`recover`]: `requeue` makes executions available again whose executor is gone, or that still wait although a slot is free, and repairs timers;
//!   `republish` does it for those whose dispatch message was lost;
//! - [`resume`]: `resume` resumes jobs whose pauses have ended;
//! - [`retention`]: `clean_up` creates partitions ahead and purges old data;
//! - [`backlog`]: `report` measures what waits;
//! - [`statistics`]: `count_minutes` and `count_hours` count ended executions;
//! - [`streams`]: `check_streams` checks that Redis can be used;
//! - [`installations`]: `announce` detects other installations in the namespace of this one.
//!
//! `loops` repeats the passes; `pending` is the queue between `plan` and `publish`.

pub mod backlog;
pub mod installations;
pub mod liveness;
mod loops;
mod pending;
pub mod plan;
pub mod publish;
pub mod recover;
pub mod resume;
pub mod retention;
mod searches;
mod settings;
pub mod statistics;
pub mod streams;
pub mod suspension;
pub mod watch;

use std::{sync::atomic::AtomicBool, time::Duration};
use tokio::sync::{Mutex, MutexGuard, Notify};
use trigrun_core::{
    runtime::{clock::Clock, hold::HoldWatch},
    store::{self, Db, StoreError},
    stream::{Producer, StreamError, check::StreamChecker, installations::Installations},
};

use backlog::OldestXmin;
use liveness::Liveness;
pub use loops::serve;
use pending::PendingDispatches;
use searches::Searches;
pub use settings::{DEFAULTS, SchedulerSettings, Settings};

#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// What the passes share.
pub struct Scheduler {
    db: Db,
    clock: Clock,
    hold: HoldWatch,
    settings: SchedulerSettings,
    /// Two connections to Redis, so that publishing does not wait for the inspection of a stream, nor the reverse.
    publisher: Mutex<Producer>,
    inspector: Mutex<Producer>,
    neighbours: Mutex<Neighbours>,
    checker: Mutex<StreamChecker>,
    searches: Searches,
    replication: OldestXmin,
    /// Dispatch messages of executions that this process planned, until they are published.
    pending: PendingDispatches,
    /// When this process saw which heartbeat.
    liveness: Liveness,
    /// Whether NOTIFY of the API is received.
    listens: AtomicBool,
    /// Raised when there may be work: each wakes the pass of its name.
    plan_now: Notify,
    publish_requested_now: Notify,
    republish_now: Notify,
    requeue_now: Notify,
}

/// The installations that use this namespace in Redis, and whether it is known that there are others than this one.
struct Neighbours {
    installations: Installations,
    are_known: bool,
}

impl Scheduler {
    /// Connects to Postgres, to read its clock and the id of the installation. Redis is connected at first use.
    pub async fn new(settings: &Settings) -> Result<Self, SchedulerError> {
        let db = Db::new(&settings.postgres)?;
        let installation = store::installation::id(&mut *db.conn().await?).await?;
        let redis = settings.redis.of_installation(installation);
        let installations = Installations::new(&settings.redis, installation)?;
        Ok(Self {
            clock: Clock::synchronised(&db).await?,
            hold: HoldWatch::read(&db).await?,
            db,
            settings: settings.scheduler.clone(),
            publisher: Mutex::new(Producer::new(&redis)?),
            inspector: Mutex::new(Producer::new(&redis)?),
            neighbours: Mutex::new(Neighbours { installations, are_known: false }),
            searches: Searches::default(),
            replication: OldestXmin::default(),
            checker: Mutex::new(StreamChecker::new(&redis)?),
            pending: PendingDispatches::default(),
            liveness: Liveness::default(),
            listens: AtomicBool::new(false),
            plan_now: Notify::new(),
            publish_requested_now: Notify::new(),
            republish_now: Notify::new(),
            requeue_now: Notify::new(),
        })
    }

    /// How far ahead fires are recorded.
    fn horizon(&self) -> Duration {
        Duration::from_millis(self.settings.horizon_ms)
    }

    /// How long before its due time a dispatch message is published: the executor leases the execution and connects in this time.
    fn lead(&self) -> Duration {
        Duration::from_millis(self.settings.lead_ms)
    }

    /// How long before its due time a requested publication is claimed: `lead` and one interval, because what is due sooner cannot wait for the
    /// next search.
    fn publish_ahead(&self) -> Duration {
        self.lead() + Duration::from_millis(self.settings.poll_ms)
    }

    async fn publisher(&self) -> MutexGuard<'_, Producer> {
        self.publisher.lock().await
    }

    /// Starts `plan` and `publish_requested`, which take up new work, without waiting for their next interval.
    fn wake_passes(&self) {
        self.plan_now.notify_one();
        self.publish_requested_now.notify_one();
    }
}
