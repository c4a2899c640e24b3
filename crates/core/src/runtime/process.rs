//! What every process does before it works.

use std::time::Duration;
use tokio_util::sync::CancellationToken;

use super::tasks;
use crate::store::{
    PostgresSettings, StoreError,
    migrate::{self, SchemaError},
};

const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Waits until Postgres answers and has the schema that this binary needs.
///
/// Neither is a reason to give up: Postgres may be starting too, and a migration may be on its way, as it is whenever an installation is
/// upgraded. What is waited for is said once, and whoever asks for readiness hears no.
pub async fn wait_for_schema(
    settings: &PostgresSettings,
    shutdown: &CancellationToken,
) -> Result<(), SchemaError> {
    let (mut away, mut too_old) = (false, false);
    loop {
        let (told, why) = match check(settings).await {
            Err(SchemaError::Store(StoreError::Unavailable(why))) => (&mut away, why),
            Err(error @ SchemaError::TooOld { .. }) => (&mut too_old, error.to_string()),
            decided => return decided,
        };
        if !std::mem::replace(told, true) {
            tracing::warn!(why, "waiting for Postgres");
        }
        let pause = tokio::time::sleep(ASK_AGAIN);
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return Err(StoreError::Unavailable(why).into());
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
