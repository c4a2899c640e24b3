//! When a failed attempt is retried.

use std::time::Duration;

use super::{
    attempt::{AttemptStatus, Outcome},
    invalid::Invalid,
    request::Method,
    statuses::{StatusItem, Statuses},
    string_enum::string_enum,
};

/// How often, and after which statuses, a request is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// All attempts of one execution, the first included: 1–10.
    pub max_attempts: u16,
    pub retry_on_statuses: Statuses,
    /// Whether a POST or PATCH is repeated if the head of its response could not be read: the server may have acted on it.
    pub retry_unreadable: bool,
}

/// Statuses that say that a later attempt may succeed. They are the defaults of jobs, and what notifications are retried on.
const DEFAULT_STATUSES: [u16; 5] = [429, 500, 502, 503, 504];

string_enum! {
    /// What happens when an executor expires during a request: the request is sent again, or the attempt is recorded as
    /// interrupted and the execution ends.
    DeliveryGuarantee { AtLeastOnce = "at_least_once", AtMostOnce = "at_most_once", }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 3, retry_on_statuses: DEFAULT_STATUSES.into(), retry_unreadable: false }
    }
}

pub const MAX_ATTEMPTS: u16 = 10;

/// The longest `Retry-After` that is respected; a longer one is cut to this.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

pub fn max_attempts(wanted: Option<i64>) -> Result<u16, Invalid> {
    let Some(wanted) = wanted else { return Ok(RetryPolicy::default().max_attempts) };
    u16::try_from(wanted).ok().filter(|wanted| (1..=MAX_ATTEMPTS).contains(wanted)).ok_or_else(|| {
        Invalid::new("out_of_range", format!("must be from 1 to {MAX_ATTEMPTS}; the first attempt counts"))
    })
}

pub fn retry_on_statuses(wanted: Option<Vec<StatusItem<i64>>>) -> Result<Statuses, Invalid> {
    wanted.map_or_else(|| Ok(RetryPolicy::default().retry_on_statuses), Statuses::check)
}

impl RetryPolicy {
    /// Whether another attempt may succeed where this one failed: the one rule for jobs and notifications.
    pub fn is_transient(&self, method: Method, outcome: &Outcome) -> bool {
        match outcome.status {
            AttemptStatus::HttpError => {
                outcome.status_code.is_some_and(|status| self.retry_on_statuses.contains(status))
            }
            AttemptStatus::ConnectionError if outcome.is_unreadable() => {
                self.retry_unreadable || !matches!(method, Method::Post | Method::Patch)
            }
            AttemptStatus::Timeout | AttemptStatus::ConnectionError => true,
            AttemptStatus::Success | AttemptStatus::Blocked | AttemptStatus::Interrupted => false,
        }
    }
}

/// The `Retry-After` that counts: statuses other than these use it for other purposes (RFC 9110 §10.2.3, RFC 6585 §4). Without a status, it
/// is TrigRun's own limit that asks to wait.
pub(super) fn retry_after(outcome: &Outcome) -> Option<Duration> {
    outcome.retry_after.filter(|_| matches!(outcome.status_code, None | Some(429 | 503)))
}

/// The wait after attempt `number` (1-based) failed: 250 ms · 2^number, ± 25 %, or the target's `Retry-After` if that is longer.
///
/// `jitter` is a random number in 0..1, an argument so that the bounds can be tested.
pub fn backoff(number: u16, jitter: f64, retry_after: Option<Duration>) -> Duration {
    let base = Duration::from_millis(250) * 2u32.pow(u32::from(number.min(MAX_ATTEMPTS)));
    let spread = base.mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0));
    spread.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_within_a_quarter_of_the_doubling(number in 1u16..=10, jitter in 0.0f64..1.0) {
            let nominal = 0.25 * f64::from(2u32.pow(u32::from(number)));
            let wait = backoff(number, jitter, None).as_secs_f64();
            prop_assert!(wait >= nominal * 0.75 - 1e-6 && wait <= nominal * 1.25 + 1e-6, "{wait} for {nominal}");
        }
    }

    #[test]
    fn an_unreadable_response_is_not_asked_for_twice_unless_it_is_harmless() {
        let by_default = RetryPolicy::default();
        let wanted = RetryPolicy { retry_unreadable: true, ..by_default.clone() };
        for class in ["protocol_error", "response_too_large"] {
            let unreadable = Outcome::failed(AttemptStatus::ConnectionError, class, "why");
            for method in [Method::Get, Method::Put, Method::Delete] {
                assert!(by_default.is_transient(method, &unreadable), "{method:?}");
            }
            for method in [Method::Post, Method::Patch] {
                assert!(!by_default.is_transient(method, &unreadable), "{method:?}");
                assert!(wanted.is_transient(method, &unreadable), "{method:?}");
            }
            let body_only = Outcome { status_code: Some(200), ..unreadable };
            assert!(by_default.is_transient(Method::Post, &body_only), "its head was read");
        }
        let reset = Outcome::failed(AttemptStatus::ConnectionError, "connect_reset", "why");
        assert!(by_default.is_transient(Method::Post, &reset));
    }

    #[test]
    fn a_longer_retry_after_wins_up_to_an_hour() {
        let wait = |seconds| backoff(1, 0.5, Some(Duration::from_secs(seconds)));
        assert_eq!(wait(0), Duration::from_millis(500));
        assert_eq!(wait(20), Duration::from_secs(20));
        assert_eq!(wait(86_400), Duration::from_secs(3600));
    }
}
