//! The orders of a list of jobs, and positions in them.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use std::ops::RangeInclusive;
use uuid::Uuid;

use super::super::{id::JobId, invalid::Invalid, page, string_enum::string_enum};

string_enum! {
    /// How a list of jobs is sorted. A minus sign turns the order around.
    JobOrder {
        NewestFirst = "-created_at",
        OldestFirst = "created_at",
        Name = "name",
        NameDescending = "-name",
        NextRun = "next_run_at",
        NextRunDescending = "-next_run_at",
    }
}

/// What jobs are compared by, before their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortedBy {
    /// Ids begin with the time at which the job was created.
    Id,
    /// In upper case, by code points.
    Name,
    NextRun,
}

impl JobOrder {
    pub const fn sorted_by(self) -> SortedBy {
        match self {
            Self::NewestFirst | Self::OldestFirst => SortedBy::Id,
            Self::Name | Self::NameDescending => SortedBy::Name,
            Self::NextRun | Self::NextRunDescending => SortedBy::NextRun,
        }
    }

    pub const fn is_descending(self) -> bool {
        matches!(self, Self::NewestFirst | Self::NameDescending | Self::NextRunDescending)
    }
}

/// Where a job is in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub by: PositionKey,
    pub id: Uuid,
}

/// What the job is compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PositionKey {
    Id,
    /// As the database has it in upper case.
    Name(String),
    /// `None`, without a next run, comes last in both orders.
    NextRun(Option<DateTime<Utc>>),
}

/// The part of a cursor that is the id and the checksum of the filters.
const ID_CHARS: usize = 40;
/// Postgres reads them as chrono writes them.
const YEARS: RangeInclusive<i32> = 1970..=9999;
/// In upper case, a name of 200 characters has no more.
const MAX_KEY_BYTES: usize = 2400;

impl Position {
    pub const fn new(by: PositionKey, id: JobId) -> Self {
        Self { by, id: id.uuid() }
    }

    /// The cursor after this position. `filters` is any text that names all filters of the list, and its order.
    pub fn cursor(&self, filters: &str) -> String {
        let key = match &self.by {
            PositionKey::Id | PositionKey::NextRun(None) => String::new(),
            PositionKey::Name(name) => name.bytes().map(|byte| format!("{byte:02x}")).collect(),
            PositionKey::NextRun(Some(at)) => at.timestamp_micros().to_string(),
        };
        page::cursor(self.id, filters) + &key
    }

    pub fn read(cursor: &str, order: JobOrder, filters: &str) -> Result<Self, Invalid> {
        let (head, key) = cursor.split_at_checked(ID_CHARS).unwrap_or((cursor, ""));
        let id = page::read_cursor(head, filters)?;
        let by = match order.sorted_by() {
            SortedBy::Id => key.is_empty().then_some(PositionKey::Id),
            SortedBy::Name => read_name(key).map(PositionKey::Name),
            SortedBy::NextRun if key.is_empty() => Some(PositionKey::NextRun(None)),
            SortedBy::NextRun => {
                let at = key.parse().ok().and_then(DateTime::from_timestamp_micros);
                at.filter(|at| YEARS.contains(&at.year())).map(|at| PositionKey::NextRun(Some(at)))
            }
        };
        by.map(|by| Self { by, id }).ok_or_else(page::cursor_invalid)
    }

    /// The position before the first job.
    pub fn start(order: JobOrder) -> Self {
        let is_descending = order.is_descending();
        let by = match order.sorted_by() {
            SortedBy::Id => PositionKey::Id,
            // After every name in upper case, or before it.
            SortedBy::Name if is_descending => PositionKey::Name("\u{10ffff}".repeat(MAX_KEY_BYTES / 4 + 1)),
            SortedBy::Name => PositionKey::Name(String::new()),
            SortedBy::NextRun if is_descending => PositionKey::NextRun(Some(DateTime::<Utc>::MAX_UTC)),
            SortedBy::NextRun => PositionKey::NextRun(Some(DateTime::UNIX_EPOCH)),
        };
        Self { by, id: if is_descending { Uuid::max() } else { Uuid::nil() } }
    }
}

fn read_name(hex: &str) -> Option<String> {
    let digits = hex.as_bytes();
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    if !is_hex || digits.len() > 2 * MAX_KEY_BYTES || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    // Postgres has no U+0000 in a text.
    String::from_utf8(bytes?).ok().filter(|name| !name.contains('\0'))
}

impl PositionKey {
    /// As a text that Postgres reads as a name or an instant; without a next run, `none`.
    pub fn as_text(&self, none: &str) -> Option<String> {
        match self {
            Self::Id => None,
            Self::Name(name) => Some(name.clone()),
            Self::NextRun(Some(at)) if *at == DateTime::<Utc>::MAX_UTC => Some("infinity".to_owned()),
            Self::NextRun(Some(at)) => Some(at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            Self::NextRun(None) => Some(none.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_order() {
        let id = Uuid::from_u128(7 << 90);
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456);
        for (order, by) in [
            (JobOrder::NewestFirst, PositionKey::Id),
            (JobOrder::Name, PositionKey::Name("NÄCHTLICH, 1".into())),
            (JobOrder::NextRun, PositionKey::NextRun(at)),
            (JobOrder::NextRunDescending, PositionKey::NextRun(None)),
        ] {
            let position = Position { by, id };
            let cursor = position.cursor("sort");
            assert_eq!(Position::read(&cursor, order, "sort"), Ok(position));
            assert_eq!(Position::read(&cursor, order, "other").unwrap_err().code, "cursor_invalid");
        }
    }

    #[test]
    fn a_cursor_that_was_not_given_out_is_refused() {
        let cursor = page::cursor(Uuid::nil(), "");
        for (order, key) in [
            (JobOrder::NewestFirst, "00"),
            (JobOrder::Name, "0"),
            (JobOrder::Name, "00"),
            (JobOrder::Name, "c3"),
            (JobOrder::Name, "+1"),
            (JobOrder::Name, &"41".repeat(MAX_KEY_BYTES + 1)),
            (JobOrder::NextRun, "x"),
            (JobOrder::NextRun, "9223372036854775808"),
            (JobOrder::NextRun, "-62135596800000001"),
            (JobOrder::NextRun, "253402300800000000"),
            (JobOrder::NextRun, "é"),
        ] {
            let read = Position::read(&format!("{cursor}{key}"), order, "");
            assert_eq!(read.map_err(|invalid| invalid.code), Err("cursor_invalid"), "{key}");
        }
    }
}
