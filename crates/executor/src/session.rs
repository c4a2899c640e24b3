//! The executor's session: the life that its leases depend on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::{
        id::ExecutorId,
        lease::{HEARTBEAT, STOP_SENDING},
    },
    runtime::{clock::Clock, tasks::every},
    store::{Db, StoreError, executors},
};

/// A heartbeat without an answer is sent again on another connection.
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(3);

/// Cheap to clone.
#[derive(Clone)]
pub struct Session {
    pub id: ExecutorId,
    /// When the last heartbeat that Postgres has recorded was sent, by the monotonic clock: it lives at least from then on.
    beat: Arc<Mutex<Instant>>,
    /// Cancelled when others declared the session dead.
    pub lost: CancellationToken,
}

impl Session {
    /// Repeats until Postgres has received of it; `None` at shutdown.
    pub async fn begin(db: &Db, clock: &Clock, shutdown: &CancellationToken) -> Option<Self> {
        let begun = Mutex::new(None);
        let ends = shutdown.child_token();
        let pass = || async {
            let (sent, id) = (Instant::now(), ExecutorId::at(clock.now()));
            executors::insert(&mut *db.conn().await?, id, &name()).await?;
            *locked(&begun) =
                Some(Self { id, beat: Arc::new(Mutex::new(sent)), lost: CancellationToken::new() });
            ends.cancel();
            Ok::<_, StoreError>(())
        };
        every("session", ends.clone(), HEARTBEAT, std::future::pending, pass).await;
        begun.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Beats until `stop`, or until the session is lost.
    pub async fn keep_alive(self, db: Db, stop: CancellationToken) {
        let ends = stop.child_token();
        let beat = || self.beat(&db, &ends);
        every("heartbeat", ends.clone(), HEARTBEAT, std::future::pending, beat).await;
    }

    async fn beat(&self, db: &Db, ends: &CancellationToken) -> Result<(), StoreError> {
        let sent = Instant::now();
        let heartbeat = async { executors::heartbeat(&mut *db.conn().await?, self.id).await };
        let silent = |_| Err(StoreError::Unavailable(format!("no answer within {HEARTBEAT_WITHIN:?}")));
        if tokio::time::timeout(HEARTBEAT_WITHIN, heartbeat).await.unwrap_or_else(silent)? {
            *locked(&self.beat) = sent;
        } else {
            tracing::error!(session = %self.id, "declared dead by others; its work is theirs now");
            self.lost.cancel();
            ends.cancel();
        }
        Ok(())
    }

    /// Whether a request may leave now: for certain nobody has taken over yet.
    pub fn may_send(&self) -> bool {
        self.since_beat() < STOP_SENDING
    }

    /// Waits until requests may leave; for ever when the session is lost, and whoever waits is dropped with it.
    pub async fn may_send_again(&self) {
        while !self.may_send() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn since_beat(&self) -> Duration {
        locked(&self.beat).elapsed()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For people who look at the table: host and process.
fn name() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}:{}", host.as_deref().unwrap_or("unknown"), std::process::id())
}
