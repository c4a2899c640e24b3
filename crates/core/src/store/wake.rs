//! The API's tap on the scheduler's shoulder: Postgres NOTIFY, sent after the commit and coalesced.
//!
//! Only a hint. Whoever misses it finds the work at the next poll.

use diesel::sql_query;
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Conn, Db, PostgresSettings, StoreError, migrate};

const CHANNEL: &str = "trigrun_wake";
/// NOTIFY takes a lock that all commits of notifying sessions share: one for many, and never inside a caller's transaction.
const COALESCE: Duration = Duration::from_millis(2);
/// A listener only waits, so that a connection which died without a word would leave it deaf for ever.
const RENEW: Duration = Duration::from_secs(30);

/// Hands wishes to wake to one task. Cheap to clone.
#[derive(Clone, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// There is work that is due now. Never waits.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Sends the wishes on until `shutdown`. A wish that cannot be sent is dropped: polling finds the work.
    pub async fn run(self, db: Db, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.0.notified()).await.is_some() {
            if let Err(error) = notify(&db).await {
                tracing::warn!(%error, "the scheduler could not be woken; it will find the work by polling");
            }
            tokio::time::sleep(COALESCE).await;
        }
    }
}

async fn notify(db: &Db) -> Result<(), StoreError> {
    let mut conn = db.conn().await?;
    sql_query(format!("notify {CHANNEL}")).execute(&mut conn).await?;
    Ok(())
}

/// Listens for wishes on a connection of its own, and calls `received` for each. Returns when the connection is to be renewed, or lost.
pub async fn listen(
    settings: &PostgresSettings,
    received: impl Fn() + Send + Sync,
) -> Result<(), StoreError> {
    // An idle listener is no idle transaction, but a statement timeout would not matter to it either.
    let mut conn: Conn = migrate::connect(settings).await?;
    sql_query(format!("listen {CHANNEL}")).execute(&mut conn).await?;
    // What was notified while nobody listened.
    received();
    let mut notifications = std::pin::pin!(conn.notifications_stream());
    let renewal = tokio::time::Instant::now() + RENEW;
    while let Ok(next) = tokio::time::timeout_at(renewal, notifications.next()).await {
        next.ok_or_else(|| StoreError::Unavailable("the listening connection was closed".into()))??;
        received();
    }
    Ok(())
}
