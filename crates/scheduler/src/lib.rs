//! The scheduler: six duties, repeated. Any number of schedulers may run; none leads.
//!
//! - [`plan`] records the fires of the next moments, each exactly once;
//! - [`publish`] rings the stream shortly before each instant;
//! - [`silence`] declares dead which executors say nothing any more;
//! - [`recover`] sets going again what lost its executor, its bell or its slot;
//! - [`tidy`] makes room: days of history, deleted jobs, old notifications, readers that are gone;
//! - [`measure`] tells the metrics what waits.
//!
//! Each is a pass: a plain async function that may fail, may run in two processes at once, and is called directly by tests.

mod bells;
pub mod measure;
mod passes;
pub mod plan;
pub mod publish;
pub mod recover;
mod settings;
pub mod silence;
pub mod tidy;

use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Notify};
use trigrun_core::{
    runtime::clock::Clock,
    store::{Db, StoreError},
    stream::{Producer, StreamError},
};

use bells::Bells;
pub use passes::serve;
pub use settings::{DEFAULTS, SchedulerSettings, Settings};
use silence::Silence;

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
    /// Ringing and looking are two connections, so that neither waits for the other.
    ringing: Mutex<Producer>,
    looking: Mutex<Producer>,
    /// What this process has recorded and is going to ring.
    bells: Bells,
    /// Which executors say nothing any more.
    silence: Silence,
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
            ringing: Mutex::new(Producer::new(&settings.redis)?),
            looking: Mutex::new(Producer::new(&settings.redis)?),
            bells: Bells::default(),
            silence: Silence::default(),
            plan_now: Notify::new(),
            publish_now: Notify::new(),
        })
    }

    fn lead(&self) -> Duration {
        Duration::from_millis(self.settings.lead_ms)
    }

    async fn ringing(&self) -> MutexGuard<'_, Producer> {
        self.ringing.lock().await
    }

    fn work_is_due(&self) {
        self.plan_now.notify_one();
        self.publish_now.notify_one();
    }
}
