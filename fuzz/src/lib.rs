//! What the fuzz targets share.
//!
//! Inputs are texts, so that a corpus can be read and written by hand. Where a target needs several, they are cut at the
//! byte 0xFF, which no UTF-8 text holds: nothing that may stand in a field is lost.

pub mod clock;

use chrono::{DateTime, Utc};
use trigrun_core::domain::invalid::Invalid;

/// The fields of an input. What is not UTF-8 is replaced.
pub fn fields(input: &[u8]) -> impl Iterator<Item = String> {
    input.split(|byte| *byte == 0xff).map(|field| String::from_utf8_lossy(field).into_owned())
}

/// The first fields of an input; those that it lacks are empty.
pub fn first_fields<const N: usize>(input: &[u8]) -> [String; N] {
    let mut fields = fields(input);
    std::array::from_fn(|_| fields.next().unwrap_or_default())
}

/// An instant that nothing hangs on.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_521_600, 0).unwrap_or_default()
}

/// The instant that a field names, as RFC 3339 or in microseconds since 1970, or [`now`].
pub fn instant(field: &str) -> DateTime<Utc> {
    let written = || Some(field.parse::<DateTime<Utc>>().ok()?.timestamp_micros());
    let micros = written().or_else(|| field.parse().ok());
    // Postgres knows no leap seconds, and so none come out of it.
    micros.and_then(DateTime::from_timestamp_micros).unwrap_or_else(now)
}

/// What every refusal promises to programs and to people.
#[track_caller]
pub fn assert_refusal(invalid: &Invalid, codes: &[&str]) {
    assert!(codes.contains(&invalid.code), "an undocumented code: {invalid:?}");
    assert!(!invalid.detail.trim().is_empty(), "{invalid:?}");
}
