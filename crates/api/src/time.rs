//! How instants and durations are written: RFC 3339 in UTC with milliseconds; milliseconds with up to three decimals.

use chrono::{DateTime, SecondsFormat, Utc};
use std::time::Duration;

pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub fn millis(duration: Duration) -> f64 {
    micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

#[allow(clippy::cast_precision_loss, reason = "exact for some hundred years")]
pub fn micros(micros: i64) -> f64 {
    micros as f64 / 1000.0
}
