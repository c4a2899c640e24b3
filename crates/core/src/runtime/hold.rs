//! The hold of the installation, as this process knows it.

use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::tasks::every;
use crate::{
    domain::hold::Hold,
    store::{Db, StoreError, holds},
    telemetry::metrics,
};

/// A process obeys within a second. A read takes a millisecond.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// After this it is read again, on another connection.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Cheap to clone.
#[derive(Clone)]
pub struct HoldWatch(Arc<watch::Sender<Option<Hold>>>);

impl HoldWatch {
    /// Reads it, before the process does anything.
    pub async fn read(db: &Db) -> Result<Self, StoreError> {
        let this = Self(Arc::new(watch::Sender::new(None)));
        this.update(db).await?;
        Ok(this)
    }

    /// Reads it again and again, until `stop`.
    pub async fn run(self, db: Db, stop: CancellationToken) {
        every("hold", stop, POLL_INTERVAL, std::future::pending, || self.update(&db)).await;
    }

    pub fn is_active(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub fn get(&self) -> Option<Hold> {
        self.0.borrow().clone()
    }

    /// Waits until there is none.
    pub async fn released(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(Option::is_none).await;
    }

    async fn update(&self, db: &Db) -> Result<(), StoreError> {
        let read = async { holds::active(&mut *db.conn().await?).await };
        let timed_out = |_| Err(StoreError::Unavailable(format!("no response within {READ_TIMEOUT:?}")));
        let hold = tokio::time::timeout(READ_TIMEOUT, read).await.unwrap_or_else(timed_out)?;
        metrics::hold(hold.is_some());
        self.0.send_if_modified(|known| {
            let has_changed = *known != hold;
            if has_changed {
                match &hold {
                    Some(hold) => {
                        tracing::warn!(since = %hold.since, reason = hold.reason, "held: nothing is sent")
                    }
                    None => tracing::info!("released"),
                }
                *known = hold;
            }
            has_changed
        });
        Ok(())
    }
}
