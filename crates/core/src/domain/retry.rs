//! When a failed attempt is retried.

use std::time::Duration;

use super::{invalid::Invalid, string_enum::string_enum};

/// How often, and after which statuses, a request is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// All attempts of one execution, the first included: 1–10.
    pub max_attempts: u16,
    pub retry_on_statuses: Vec<u16>,
}

string_enum! {
    /// What happens when an executor expires during a request: the request is sent again, or the attempt is recorded as
    /// interrupted and the execution ends.
    DeliveryGuarantee { AtLeastOnce = "at_least_once", AtMostOnce = "at_most_once", }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 3, retry_on_statuses: vec![429, 500, 502, 503, 504] }
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

pub fn retry_on_statuses(wanted: Option<Vec<i64>>) -> Result<Vec<u16>, Invalid> {
    wanted.map_or_else(|| Ok(RetryPolicy::default().retry_on_statuses), super::request::statuses)
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
    fn a_longer_retry_after_wins_up_to_an_hour() {
        let wait = |seconds| backoff(1, 0.5, Some(Duration::from_secs(seconds)));
        assert_eq!(wait(0), Duration::from_millis(500));
        assert_eq!(wait(20), Duration::from_secs(20));
        assert_eq!(wait(86_400), Duration::from_secs(3600));
    }
}
