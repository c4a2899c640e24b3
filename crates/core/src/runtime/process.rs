//! What every process does before it works.

use std::time::Duration;
use tokio_util::sync::CancellationToken;

use super::tasks;
use crate::store::{
    PostgresSettings, StoreError,
    migrate::{self, SchemaError},
};

/// Waits until Postgres answers, and refuses a schema that is older than this binary.
///
/// Postgres being away is no reason to give up: it may be starting too. A wrong schema is.
pub async fn wait_for_schema(
    settings: &PostgresSettings,
    shutdown: &CancellationToken,
) -> Result<(), SchemaError> {
    let mut told = false;
    loop {
        match check(settings).await {
            Err(SchemaError::Store(StoreError::Unavailable(why))) if !shutdown.is_cancelled() => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(why, "waiting for Postgres");
                }
                let pause = tokio::time::sleep(Duration::from_millis(500));
                shutdown.run_until_cancelled(pause).await;
            }
            decided => return decided,
        }
    }
}

async fn check(settings: &PostgresSettings) -> Result<(), SchemaError> {
    let mut conn = migrate::connect(settings).await?;
    migrate::check(&mut conn).await
}

/// A panic anywhere is logged, with its place, like everything else that goes wrong.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic: this is a defect")));
}

/// Ends `shutdown` when `work` ends: one part of a process that stops takes the others along.
pub fn ends_with<T: Send + 'static>(
    name: &'static str,
    shutdown: CancellationToken,
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tasks::spawn(name, async move {
        let _guard = shutdown.drop_guard();
        work.await
    })
}
