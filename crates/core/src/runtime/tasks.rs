//! Named tasks. A panic is logged where it happens.

use futures_util::FutureExt;
use std::{future::Future, panic::AssertUnwindSafe, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::telemetry::metrics;

/// The only place that calls `tokio::spawn`.
#[allow(clippy::disallowed_methods, reason = "this is the only place")]
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(work.instrument(tracing::debug_span!("task", name)))
}

/// A pass that takes longer probably waits for a lost connection; it is cancelled and repeated.
const PASS_TIMEOUT: Duration = Duration::from_secs(60);

/// Repeats `pass` until shutdown: after `pause`, or earlier when `sooner` resolves (`std::future::pending` for never). A pass that
/// fails, hangs or panics is logged once, and repeated after a wait that doubles up to a second. The jitter keeps replicas from repeating
/// at the same moment.
pub async fn every<E, S, P>(
    name: &'static str,
    shutdown: CancellationToken,
    pause: Duration,
    mut sooner: impl FnMut() -> S,
    mut pass: impl FnMut() -> P,
) where
    E: std::fmt::Display,
    S: Future<Output = ()>,
    P: Future<Output = Result<(), E>>,
{
    let mut failures = 0u32;
    loop {
        let passed = tokio::time::timeout(PASS_TIMEOUT, AssertUnwindSafe(pass()).catch_unwind()).await;
        let passed = match passed {
            Ok(Ok(passed)) => passed.map_err(|error| error.to_string()),
            Ok(Err(_)) => Err("it panicked".to_owned()),
            Err(_) => Err(format!("it did not end within {PASS_TIMEOUT:?}")),
        };
        let wait = match passed {
            Ok(()) if failures > 0 => {
                tracing::info!(pass = name, failures, "works again");
                failures = 0;
                pause
            }
            Ok(()) => pause,
            Err(error) => {
                failures += 1;
                metrics::pass_failed(name);
                log_failure(name, failures, &error);
                backoff(failures)
            }
        };
        let healthy = failures == 0;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = sooner(), if healthy => {}
        }
    }
}

/// Logs the first of a series of failures as a warning, the others at debug level.
fn log_failure(name: &str, failures: u32, error: &str) {
    match failures {
        1 => tracing::warn!(pass = name, error, "failed; it is repeated until it works"),
        _ => tracing::debug!(pass = name, error, failures, "failed again"),
    }
}

/// 100 ms, doubling to 1 s, ± 50 %: heartbeats and the next fires cannot wait longer.
fn backoff(failures: u32) -> Duration {
    let base = Duration::from_millis(50) * 2u32.pow(failures.min(6));
    base.min(Duration::from_secs(1)).mul_f64(0.5 + crate::crypto::unit())
}
