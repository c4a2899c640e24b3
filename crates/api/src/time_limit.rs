//! The time limit of a request. It does not count the time for which the client asks to wait.

use std::{cell::Cell, time::Duration};
use tokio::time::Instant;

#[derive(Clone, Copy, Default)]
struct Waits {
    /// How long the request may wait.
    allowed: Duration,
    /// How long it has waited.
    elapsed: Duration,
}

tokio::task_local! {
    static WAITS: Cell<Waits>;
}

/// Serves a request, whose handler may [`wait`]. Returns how long it has waited, too.
pub async fn scope<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let work = async { (work.await, waits().elapsed) };
    WAITS.scope(Cell::default(), work).await
}

/// Waits as the client has asked, which takes so long at most.
pub async fn wait(at_most: Duration, work: impl Future<Output = ()>) {
    let started = Instant::now();
    set(|waits| Waits { allowed: waits.allowed + at_most, ..waits });
    work.await;
    set(|waits| Waits { elapsed: waits.elapsed + started.elapsed(), ..waits });
}

/// Resolves when the request has taken longer than it may.
pub async fn exceeded(limit: Duration) {
    let started = Instant::now();
    while started.elapsed() < limit + waits().allowed {
        tokio::time::sleep_until(started + limit + waits().allowed).await;
    }
}

fn waits() -> Waits {
    WAITS.try_with(Cell::get).unwrap_or_default()
}

fn set(change: impl FnOnce(Waits) -> Waits) {
    let _outside_of_a_request = WAITS.try_with(|waits| waits.set(change(waits.get())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::{future::ready, pin::pin};

    const LIMIT: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn a_wait_moves_the_deadline_of_its_request_only() {
        scope(async {
            let mut this = pin!(exceeded(LIMIT));
            assert!((&mut this).now_or_never().is_none());
            wait(Duration::from_secs(3600), ready(())).await;
            scope(exceeded(LIMIT)).await;
            // The first deadline has passed.
            tokio::time::sleep(LIMIT).await;
            assert!(this.now_or_never().is_none());
        })
        .await;
        exceeded(LIMIT).await;
    }

    #[tokio::test]
    async fn the_time_of_a_wait_is_returned() {
        let request = async {
            wait(Duration::from_secs(3600), tokio::time::sleep(LIMIT)).await;
            wait(Duration::from_secs(3600), tokio::time::sleep(LIMIT)).await;
            7
        };
        let (seven, waited) = scope(request).await;
        assert!(seven == 7 && waited >= LIMIT * 2, "{waited:?}");
        assert_eq!(scope(ready(())).await.1, Duration::ZERO);
    }
}
