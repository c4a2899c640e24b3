//! Wakes the scheduler for the API: Postgres NOTIFY, sent after the commit and coalesced.
//!
//! Only a hint: a scheduler that misses it finds the work by polling.

use diesel::sql_query;
use diesel_async::RunQueryDsl;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Conn, Db, PostgresSettings, StoreError, migrate};

const CHANNEL: &str = "trigrun_wake";
/// NOTIFY takes a lock that the commits of all notifying sessions share: one for many calls, and never inside a caller's transaction.
const COALESCE_INTERVAL: Duration = Duration::from_millis(2);
/// A listener only waits, so it does not notice when its connection is lost. It is replaced this often.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(30);

/// Passes calls of `wake` to one task, which notifies the schedulers. Cheap to clone.
#[derive(Clone, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// There is work that is due now. Never blocks.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Notifies the schedulers until `shutdown`. A failure is only logged: polling finds the work.
    pub async fn run(self, db: Db, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.0.notified()).await.is_some() {
            if let Err(error) = notify(&db).await
                && !shutdown.is_cancelled()
            {
                tracing::warn!(%error, "cannot wake the scheduler; it will find the work by polling");
            }
            tokio::time::sleep(COALESCE_INTERVAL).await;
        }
    }
}

async fn notify(db: &Db) -> Result<(), StoreError> {
    let mut conn = db.conn().await?;
    sql_query(format!("notify {CHANNEL}")).execute(&mut conn).await?;
    Ok(())
}

/// Listens on its own connection and calls `received` for each notification. Returns when the connection is due for replacement, or
/// lost.
pub async fn listen(
    settings: &PostgresSettings,
    received: impl Fn() + Send + Sync,
) -> Result<(), StoreError> {
    let mut conn: Conn = migrate::connect(settings).await?;
    sql_query(format!("listen {CHANNEL}")).execute(&mut conn).await?;
    // For notifications that were sent while no connection listened.
    received();
    let reconnect_at = tokio::time::Instant::now() + RECONNECT_INTERVAL;
    while let Ok(notified) = tokio::time::timeout_at(reconnect_at, conn.notified()).await {
        notified?;
        received();
    }
    Ok(())
}
