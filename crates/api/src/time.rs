//! Reads instants; formats instants and durations. Instants are RFC 3339 in UTC with milliseconds, durations are milliseconds with up to three
//! decimals.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use std::time::Duration;
use trigrun_core::domain::invalid::Invalid;

/// Parses an instant of a request.
pub fn read_instant(text: &str) -> Result<DateTime<Utc>, Invalid> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| {
        Invalid::new("instant_invalid", "must be a date and time with an offset")
            .hint("Example: 2027-01-01T09:00:00+01:00")
    })?;
    // The year must have four digits in UTC too.
    let at = Some(at.to_utc()).filter(|at| (0..=9999).contains(&at.year()));
    at.ok_or_else(|| Invalid::new("instant_invalid", "must be between the years 0 and 9999 in UTC"))
}

pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub fn millis(duration: Duration) -> f64 {
    micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

#[allow(clippy::cast_precision_loss, reason = "exact for 285 years")]
pub fn micros(micros: i64) -> f64 {
    micros as f64 / 1000.0
}
