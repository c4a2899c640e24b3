//! The executor's session: a row in Postgres with a heartbeat. A lease is valid as long as its session.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::{
        id::ExecutorId,
        lease::{HEARTBEAT_INTERVAL, SELF_FENCE_TIMEOUT},
    },
    runtime::{clock::Clock, tasks::every},
    store::{Db, StoreError, executors},
};

use crate::egress::Egress;

/// After this a heartbeat is sent again, on another connection.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
const SEND_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Cheap to clone.
#[derive(Clone)]
pub struct Session {
    pub id: ExecutorId,
    /// When the last heartbeat that Postgres recorded was sent, by the monotonic clock. No scheduler has seen it earlier, so the
    /// session cannot expire before the TTL has passed since then.
    last_heartbeat: Arc<Mutex<Instant>>,
    /// Cancelled when a scheduler has expired the session.
    pub expired: CancellationToken,
}

impl Session {
    /// Repeats until Postgres has recorded the session; `None` at shutdown.
    pub async fn begin(db: &Db, clock: &Clock, shutdown: &CancellationToken) -> Option<Self> {
        let begun = Mutex::new(None);
        let ends = shutdown.child_token();
        let pass = || async {
            let (sent, id) = (Instant::now(), ExecutorId::at(clock.now()));
            executors::insert(&mut *db.conn().await?, id, &name()).await?;
            *locked(&begun) = Some(Self {
                id,
                last_heartbeat: Arc::new(Mutex::new(sent)),
                expired: CancellationToken::new(),
            });
            ends.cancel();
            Ok::<_, StoreError>(())
        };
        every("session", ends.clone(), HEARTBEAT_INTERVAL, std::future::pending, pass).await;
        begun.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends heartbeats until `stop`, or until the session has expired.
    pub async fn keep_alive(self, db: Db, egress: Egress, stop: CancellationToken) {
        let ends = stop.child_token();
        let heartbeat = || self.send_heartbeat(&db, &egress, &ends);
        every("heartbeat", ends.clone(), HEARTBEAT_INTERVAL, std::future::pending, heartbeat).await;
    }

    async fn send_heartbeat(
        &self,
        db: &Db,
        egress: &Egress,
        ends: &CancellationToken,
    ) -> Result<(), StoreError> {
        let sent = Instant::now();
        let heartbeat = async { executors::heartbeat(&mut *db.conn().await?, self.id).await };
        let timed_out = |_| Err(StoreError::Unavailable(format!("no response within {HEARTBEAT_TIMEOUT:?}")));
        let live = tokio::time::timeout(HEARTBEAT_TIMEOUT, heartbeat).await.unwrap_or_else(timed_out)?;
        if let Some(live) = live {
            *locked(&self.last_heartbeat) = sent;
            egress.set_live_executors(live);
        } else {
            tracing::error!(session = %self.id, "expired by a scheduler");
            self.expired.cancel();
            ends.cancel();
        }
        Ok(())
    }

    /// Whether a request may be sent now: no scheduler can have expired the session yet.
    pub fn may_send(&self) -> bool {
        self.since_heartbeat() < SELF_FENCE_TIMEOUT
    }

    /// Waits until requests may be sent. Never resolves when the session has expired; then the waiting run is dropped.
    pub async fn wait_until_may_send(&self) {
        while !self.may_send() {
            tokio::time::sleep(SEND_CHECK_INTERVAL).await;
        }
    }

    fn since_heartbeat(&self) -> Duration {
        locked(&self.last_heartbeat).elapsed()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Host and process, for operators who read the table.
fn name() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}:{}", host.as_deref().unwrap_or("unknown"), std::process::id())
}
