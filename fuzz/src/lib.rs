//! The fuzz targets, and what they share. `make test` runs each target over its corpus (crates/core/tests/it/corpus.rs);
//! `make fuzz-inputs` lets libFuzzer search for further inputs.
//!
//! Inputs are texts, so that a corpus can be read and written by hand. If a target needs several fields, they are separated by the
//! byte 0xFF, which no UTF-8 text contains.

pub mod address;
pub mod body;
pub mod clock;
pub mod convert;
pub mod crontab;
pub mod files;
pub mod headers;
pub mod redact;
pub mod schedule;
pub mod secret;
pub mod stream;
pub mod template;
pub mod tokens;
pub mod url;

/// Every target: its name, which is also the name of its folder in `corpus`, and its function. The function panics at an input that
/// is not handled as documented.
pub const TARGETS: [(&str, fn(&[u8])); 13] = [
    ("address", address::run),
    ("body", body::run),
    ("convert", convert::run),
    ("crontab", crontab::run),
    ("files", files::run),
    ("headers", headers::run),
    ("redact", redact::run),
    ("schedule", schedule::run),
    ("secret", secret::run),
    ("stream", stream::run),
    ("template", template::run),
    ("tokens", tokens::run),
    ("url", url::run),
];

use chrono::{DateTime, Utc};
use trigrun_core::domain::invalid::Invalid;

/// The fields of an input. Invalid UTF-8 is replaced.
pub fn fields(input: &[u8]) -> impl Iterator<Item = String> {
    input.split(|byte| *byte == 0xff).map(|field| String::from_utf8_lossy(field).into_owned())
}

/// The first fields of an input; missing fields are empty.
pub fn first_fields<const N: usize>(input: &[u8]) -> [String; N] {
    let mut fields = fields(input);
    std::array::from_fn(|_| fields.next().unwrap_or_default())
}

/// Any fixed instant.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_521_600, 0).unwrap_or_default()
}

/// The instant in a field, as RFC 3339 or in microseconds since 1970, or [`now`].
pub fn instant(field: &str) -> DateTime<Utc> {
    let written = || Some(field.parse::<DateTime<Utc>>().ok()?.timestamp_micros());
    let micros = written().or_else(|| field.parse().ok());
    // Postgres has no leap seconds, so it never returns one.
    micros.and_then(DateTime::from_timestamp_micros).unwrap_or_else(now)
}

/// Every refusal has a documented code and a text.
#[track_caller]
pub fn assert_refusal(invalid: &Invalid, codes: &[&str]) {
    assert!(codes.contains(&invalid.code), "an undocumented code: {invalid:?}");
    assert!(!invalid.detail.trim().is_empty(), "{invalid:?}");
}
