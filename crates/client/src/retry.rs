//! When a call is sent again, and after how long.

use std::time::Duration;

use crate::problem::Error;

pub const MAX_RETRIES: u32 = 4;
/// No attempt begins later than this after the first.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// A server that asks for more is told to the user instead.
const MAX_RETRY_AFTER_SECONDS: u64 = 30;
const FIRST_PAUSE_SECONDS: f64 = 0.5;

/// Whether a call may be sent again after this error.
pub fn is_retryable(error: &Error, is_repeatable: bool) -> bool {
    let may_wait =
        error.problem().and_then(|problem| problem.retry_after).unwrap_or(0) <= MAX_RETRY_AFTER_SECONDS;
    let is_quota = error.problem().is_some_and(|problem| problem.code == "quota_exceeded");
    match (error, error.status()) {
        (Error::NotConnected { .. }, _) => true,
        (_, Some(429)) => may_wait && !is_quota,
        (Error::Broken { .. } | Error::Timeout { .. }, _) => is_repeatable,
        (_, Some(502..=504)) => is_repeatable && may_wait,
        _ => false,
    }
}

/// The pause before the retry with this number, from 0: as the server says, or twice the previous one, plus or minus a quarter.
pub fn pause(error: &Error, retry: u32) -> Duration {
    match error.problem().and_then(|problem| problem.retry_after) {
        // The clocks of the server's limits count whole seconds, too: a fraction more than that avoids a second refusal.
        Some(seconds) => Duration::from_secs(seconds) + Duration::from_secs_f64(fastrand::f64() / 4.0),
        None => Duration::from_secs_f64(
            FIRST_PAUSE_SECONDS * f64::from(1 << retry) * (0.75 + fastrand::f64() / 2.0),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn problem(status: u16, retry_after: Option<u64>) -> Error {
        Error::Problem(Box::new(Problem { status, retry_after, ..Problem::default() }))
    }

    #[test]
    fn what_may_have_taken_effect_is_sent_again_only_if_it_is_repeatable() {
        let broken = Error::Broken { url: String::new(), cause: String::new() };
        let refused = Error::NotConnected { url: String::new(), cause: String::new() };
        for (error, repeatable, other) in [
            (broken, true, false),
            (refused, true, true),
            (problem(429, Some(2)), true, true),
            (problem(429, Some(31)), false, false),
            (problem(503, None), true, false),
            (problem(500, None), false, false),
            (problem(409, None), false, false),
        ] {
            assert_eq!(is_retryable(&error, true), repeatable, "{error}");
            assert_eq!(is_retryable(&error, false), other, "{error}");
        }
    }

    #[test]
    fn pauses_double_and_vary_by_a_quarter() {
        for retry in 0..MAX_RETRIES {
            let middle = FIRST_PAUSE_SECONDS * f64::from(1 << retry);
            let pause = pause(&problem(503, None), retry).as_secs_f64();
            assert!((0.75 * middle..=1.25 * middle).contains(&pause), "{retry}: {pause}");
        }
        assert!(pause(&problem(429, Some(7)), 0) >= Duration::from_secs(7));
    }
}
