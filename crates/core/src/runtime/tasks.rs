//! Tasks that do not vanish: every one has a name, and a panic in it is logged where it happened.

use std::{future::Future, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// The one door to `tokio::spawn`.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(work.instrument(tracing::debug_span!("task", name)))
}

/// Repeats `pass` until shutdown: after `pause`, or sooner when `sooner` resolves (`std::future::pending` for never). A pass that fails is logged once, and
/// repeated after a wait that doubles up to ten seconds, with jitter so that replicas do not march in step.
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
        let wait = match pass().await {
            Ok(()) if failures > 0 => {
                tracing::info!(pass = name, failures, "works again");
                failures = 0;
                pause
            }
            Ok(()) => pause,
            Err(error) => {
                failures += 1;
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

/// The first failure of a row is worth a line, the rest only at debug level.
fn log_failure(name: &str, failures: u32, error: &dyn std::fmt::Display) {
    match failures {
        1 => tracing::warn!(pass = name, %error, "failed; it is repeated until it works"),
        _ => tracing::debug!(pass = name, %error, failures, "failed again"),
    }
}

/// 100 ms, doubling to 5 s, ± 50 %.
fn backoff(failures: u32) -> Duration {
    let base = Duration::from_millis(100) * 2u32.pow(failures.min(6));
    base.min(Duration::from_secs(5)).mul_f64(0.5 + crate::crypto::unit())
}
