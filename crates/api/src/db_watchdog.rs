//! Whether Postgres answers. A server that is down refuses connections, and everybody knows at once; one that stands still says nothing, and
//! whoever asked it would wait: nobody does for longer than it takes to notice here.

use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trigrun_core::store::{Conn, PostgresSettings, StoreError, clock, migrate};

const ASK_EVERY: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_millis(1200);

/// Cheap to clone.
#[derive(Clone)]
pub struct DbWatchdog(Arc<watch::Sender<bool>>);

impl Default for DbWatchdog {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }
}

impl DbWatchdog {
    /// Asks now and then, on a connection that nothing else can keep busy, until shutdown.
    pub async fn run(self, settings: PostgresSettings, shutdown: CancellationToken) {
        let mut conn = None;
        while shutdown.run_until_cancelled(tokio::time::sleep(ASK_EVERY)).await.is_some() {
            let asked = tokio::time::timeout(ANSWER_WITHIN, ask(&settings, conn.take())).await;
            let answers = asked.is_ok();
            if self.0.send_replace(answers) != answers {
                match answers {
                    true => tracing::info!("Postgres answers again"),
                    false => tracing::warn!(within = ?ANSWER_WITHIN, "Postgres does not answer"),
                }
            }
            conn = asked.ok().and_then(Result::ok);
        }
    }

    /// Resolves when Postgres says nothing any more; at once when it has not for a while.
    pub async fn is_silent(&self) {
        if self.0.subscribe().wait_for(|answers| !answers).await.is_err() {
            // Nobody asks any more: nothing is known.
            std::future::pending::<()>().await;
        }
    }
}

/// The connection, if it is still good. An error is an answer.
async fn ask(settings: &PostgresSettings, conn: Option<Conn>) -> Result<Conn, StoreError> {
    let mut conn = match conn {
        Some(conn) => conn,
        None => migrate::connect(settings).await?,
    };
    clock::now(&mut conn).await?;
    Ok(conn)
}
