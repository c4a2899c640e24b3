//! Detects that Postgres does not respond. A stopped server refuses connections, which is noticed at once; a frozen one sends nothing, and
//! every request would wait for it. With the watchdog, no request waits longer than the detection takes: by default at most 1.7 s.

use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trigrun_core::store::{Conn, PostgresSettings, StoreError, clock, migrate};

const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone)]
pub struct DbWatchdog(Arc<watch::Sender<bool>>);

impl Default for DbWatchdog {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }
}

impl DbWatchdog {
    /// Checks Postgres at an interval until shutdown, on its own connection, which no request can occupy.
    pub async fn run(self, settings: PostgresSettings, shutdown: CancellationToken) {
        // A little less than requests wait for a connection.
        let timeout = Duration::from_millis(settings.acquire_timeout_ms * 4 / 5);
        let mut conn = None;
        while shutdown.run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL)).await.is_some() {
            let checked = tokio::time::timeout(timeout, check(&settings, conn.take())).await;
            let responds = checked.is_ok();
            if self.0.send_replace(responds) != responds {
                match responds {
                    true => tracing::info!("Postgres responds again"),
                    false => tracing::warn!(?timeout, "Postgres does not respond"),
                }
            }
            conn = checked.ok().and_then(Result::ok);
        }
    }

    /// Resolves when Postgres has stopped responding; immediately if it already has.
    pub async fn unresponsive(&self) {
        if self.0.subscribe().wait_for(|responds| !responds).await.is_err() {
            // The watchdog has ended: nothing is known.
            std::future::pending::<()>().await;
        }
    }
}

/// The connection, if it is still good. An error is a response too.
async fn check(settings: &PostgresSettings, conn: Option<Conn>) -> Result<Conn, StoreError> {
    let mut conn = match conn {
        Some(conn) => conn,
        None => migrate::connect(settings).await?,
    };
    clock::now(&mut conn).await?;
    Ok(conn)
}
