//! What operations on many objects have in common.

use std::{fmt::Display, time::Instant};
use trigrun_core::domain::invalid::{Checked, FieldErrors, Invalid};

use crate::state::State;

/// How many objects one call takes.
pub const MAX_IDS: usize = 1000;
/// How many objects a search reads at a time, and how often. Each page reads a bounded number of rows.
pub const PAGE: i64 = 250;
pub const MAX_PAGES: usize = 8;

/// Of the time limit of the request, this part is for the objects; the rest is for the search and the response.
const TIME_DIVISOR: u32 = 2;
/// No key that a client sends contains it, so the key of one of many is never that of a single one.
const SEPARATOR: char = '\u{1f}';

/// No object is begun after this instant.
pub fn deadline(state: &State) -> Instant {
    Instant::now() + state.request_timeout / TIME_DIVISOR
}

/// The idempotency key of one of the objects.
pub fn key_of(key: &str, id: impl Display) -> String {
    format!("{key}{SEPARATOR}{id}")
}

/// Parses the field `ids` with `parse`.
pub fn check_ids<T>(
    ids: &[String],
    errors: &mut FieldErrors,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Checked<Vec<T>> {
    if !(1..=MAX_IDS).contains(&ids.len()) {
        let invalid = Invalid::new("out_of_range", format!("must have 1 to {MAX_IDS} ids"));
        return Err(errors.push("/ids", invalid));
    }
    let parsed: Vec<_> =
        ids.iter().enumerate().map(|(index, id)| errors.take(&format!("/ids/{index}"), parse(id))).collect();
    parsed.into_iter().collect()
}
