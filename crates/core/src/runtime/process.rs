//! What every process does before it works.

use std::time::Duration;
use tokio_util::sync::CancellationToken;

use super::{probes, tasks};
use crate::{
    store::{
        Db, PostgresSettings, StoreError,
        migrate::{self, SchemaError},
    },
    telemetry::TelemetrySettings,
};

const ASK_AGAIN: Duration = Duration::from_millis(500);
/// A server that takes a connection and says nothing for so long is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Waits until Postgres answers and has the schema that this binary needs.
///
/// Neither is a reason to give up: Postgres may be starting too, and a migration may be on its way, as it is whenever an installation is
/// upgraded. What is waited for is said once; meanwhile the process is alive, and not ready. `false` when it was told to stop before.
pub async fn wait_for_schema(
    postgres: &PostgresSettings,
    telemetry: &TelemetrySettings,
    shutdown: &CancellationToken,
) -> Result<bool, SchemaError> {
    let Some(first) = shutdown.run_until_cancelled(check(postgres)).await else { return Ok(false) };
    match first {
        Err(waiting) if is_worth_waiting(&waiting) => {
            let until = until_it_is_there(postgres, shutdown, waiting);
            probes::serve_during(telemetry.probes_address, Db::new(postgres)?, until).await
        }
        decided => decided.map(|()| true),
    }
}

async fn until_it_is_there(
    postgres: &PostgresSettings,
    shutdown: &CancellationToken,
    mut waiting: SchemaError,
) -> Result<bool, SchemaError> {
    let (mut away, mut too_old) = (false, false);
    loop {
        let told = if matches!(waiting, SchemaError::TooOld { .. }) { &mut too_old } else { &mut away };
        if !std::mem::replace(told, true) {
            tracing::warn!(why = %waiting, "waiting for Postgres");
        }
        let again = async {
            tokio::time::sleep(ASK_AGAIN).await;
            check(postgres).await
        };
        match shutdown.run_until_cancelled(again).await {
            None => return Ok(false),
            Some(Err(still)) if is_worth_waiting(&still) => waiting = still,
            Some(decided) => return decided.map(|()| true),
        }
    }
}

const fn is_worth_waiting(error: &SchemaError) -> bool {
    matches!(error, SchemaError::TooOld { .. } | SchemaError::Store(StoreError::Unavailable(_)))
}

async fn check(settings: &PostgresSettings) -> Result<(), SchemaError> {
    let checked = async {
        let mut conn = migrate::connect(settings).await?;
        migrate::check(&mut conn).await
    };
    let silent = |_| Err(StoreError::Unavailable(format!("no answer within {ANSWER_WITHIN:?}")).into());
    tokio::time::timeout(ANSWER_WITHIN, checked).await.unwrap_or_else(silent)
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
