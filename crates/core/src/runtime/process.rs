//! What every process does before it starts to work.

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

const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// A server that accepts a connection and does not respond within this time counts as unavailable.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits until Postgres responds and has the schema that this binary needs.
///
/// Neither is a reason to exit: Postgres may be starting too, and every upgrade starts processes before its migration has ended. Each cause
/// of waiting is logged once. Until then the process is live and not ready. `false` if shutdown was requested first.
pub async fn wait_for_schema(
    postgres: &PostgresSettings,
    telemetry: &TelemetrySettings,
    shutdown: &CancellationToken,
) -> Result<bool, SchemaError> {
    let Some(first) = shutdown.run_until_cancelled(check(postgres)).await else { return Ok(false) };
    match first {
        Err(waiting) if is_worth_waiting(&waiting) => {
            let until = wait_until_usable(postgres, shutdown, waiting);
            probes::serve_during(telemetry.probes_address, Db::new(postgres)?, until).await
        }
        decided => decided.map(|()| true),
    }
}

async fn wait_until_usable(
    postgres: &PostgresSettings,
    shutdown: &CancellationToken,
    mut waiting: SchemaError,
) -> Result<bool, SchemaError> {
    let (mut away, mut too_old) = (false, false);
    loop {
        let logged = if matches!(waiting, SchemaError::TooOld { .. }) { &mut too_old } else { &mut away };
        if !std::mem::replace(logged, true) {
            tracing::warn!(why = %waiting, "waiting for Postgres");
        }
        let again = async {
            tokio::time::sleep(CHECK_INTERVAL).await;
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
    match error {
        SchemaError::TooOld { .. } => true,
        SchemaError::NoCollation => false,
        SchemaError::Store(error) => error.is_temporary(),
    }
}

async fn check(settings: &PostgresSettings) -> Result<(), SchemaError> {
    let checked = async {
        let mut conn = migrate::connect(settings).await?;
        migrate::check(&mut conn).await
    };
    let timed_out =
        |_| Err(StoreError::Unavailable(format!("no response within {RESPONSE_TIMEOUT:?}")).into());
    tokio::time::timeout(RESPONSE_TIMEOUT, checked).await.unwrap_or_else(timed_out)
}

/// Logs every panic with its place.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic: this is a defect")));
}

/// Cancels `shutdown` when `work` ends: if one part of a process stops, all stop.
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
