//! Waiting for a condition, with a deadline. For effects of other processes, which cannot notify a test.

use std::time::Duration;
use tokio::time::{sleep, timeout};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The condition did not hold in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: not within {timeout:?}")]
pub struct Overdue {
    what: String,
    timeout: Duration,
}

impl Overdue {
    fn new(what: &str, timeout: Duration) -> Self {
        Self { what: what.to_owned(), timeout }
    }
}

/// Polls `condition` until it holds. `what` names it in the error.
pub async fn until(
    what: &str,
    timeout: Duration,
    condition: impl AsyncFnMut() -> bool,
) -> Result<(), Overdue> {
    until_every(POLL_INTERVAL, what, timeout, condition).await
}

/// [`until`] with an interval other than 20 ms between two polls.
pub async fn until_every(
    interval: Duration,
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> Result<(), Overdue> {
    let poll = async {
        while !condition().await {
            sleep(interval).await;
        }
    };
    timeout(limit, poll).await.map_err(|_| Overdue::new(what, limit))
}

/// [`until`] with a condition that can fail. An [`Overdue`] is found by `error.is::<Overdue>()`.
pub async fn try_until(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let poll = async {
        while !condition().await? {
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    };
    timeout(limit, poll).await.map_err(|_| Overdue::new(what, limit))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn polls_until_the_condition_holds() {
        let mut polls = 0;
        let third = until("the third poll", Duration::from_secs(60), async || {
            polls += 1;
            polls == 3
        });
        assert_eq!(third.await, Ok(()));
        assert_eq!(polls, 3);
    }

    #[tokio::test]
    async fn names_what_did_not_happen() {
        let error = until("a miracle", Duration::from_millis(1), async || false).await.unwrap_err();
        assert_eq!(error.to_string(), "a miracle: not within 1ms");
    }

    #[tokio::test]
    async fn a_failing_condition_ends_the_wait() {
        let failed = try_until("a failure", Duration::from_secs(60), async || anyhow::bail!("broken")).await;
        assert_eq!(failed.unwrap_err().to_string(), "broken");
        let overdue = try_until("a miracle", Duration::from_millis(1), async || Ok(false)).await;
        assert!(overdue.unwrap_err().is::<Overdue>());
    }
}
