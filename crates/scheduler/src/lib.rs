//! The scheduler: six duties, repeated. Any number of schedulers may run; none leads.
//!
//! - [`plan`] records the fires of the next moments, each exactly once;
//! - [`publish`] publishes the stream shortly before each instant;
//! - [`liveness`] declares dead which executors say nothing any more;
//! - [`recover`] sets going again what lost its executor, its dispatch or its slot;
//! - [`retention`] makes room: days of history, deleted jobs, old notifications, readers that are gone;
//! - [`backlog`] tells the metrics what waits.
//!
//! Each is a pass: a plain async function that may fail, may run in two processes at once, and is called directly by tests.

pub mod backlog;
pub mod liveness;
mod loops;
mod pending;
pub mod plan;
pub mod publish;
pub mod recover;
pub mod retention;
mod settings;

use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Notify};
use trigrun_core::{
    runtime::clock::Clock,
    store::{Db, StoreError},
    stream::{Producer, StreamError},
};

use liveness::Liveness;
pub use loops::serve;
use pending::PendingDispatches;
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
    settings: SchedulerSettings,
    /// Ringing and inspector are two connections, so that neither waits for the other.
    publisher: Mutex<Producer>,
    inspector: Mutex<Producer>,
    /// What this process has recorded and is going to ring.
    pending: PendingDispatches,
    /// Which executors say nothing any more.
    liveness: Liveness,
    /// Raised whenever there is work that is due now: one for each loop that waits for it.
    plan_now: Notify,
    publish_now: Notify,
}

impl Scheduler {
    /// Connects to Postgres for its clock; Redis is connected when it is needed.
    pub async fn new(settings: &Settings) -> Result<Self, SchedulerError> {
        let db = Db::new(&settings.postgres)?;
        Ok(Self {
            clock: Clock::synchronised(&db).await?,
            db,
            settings: settings.scheduler.clone(),
            publisher: Mutex::new(Producer::new(&settings.redis)?),
            inspector: Mutex::new(Producer::new(&settings.redis)?),
            pending: PendingDispatches::default(),
            liveness: Liveness::default(),
            plan_now: Notify::new(),
            publish_now: Notify::new(),
        })
    }

    fn lead(&self) -> Duration {
        Duration::from_millis(self.settings.lead_ms)
    }

    async fn publisher(&self) -> MutexGuard<'_, Producer> {
        self.publisher.lock().await
    }

    fn work_is_due(&self) {
        self.plan_now.notify_one();
        self.publish_now.notify_one();
    }
}
