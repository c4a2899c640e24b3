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
        LastRun = "last_run_at",
        LastRunDescending = "-last_run_at",
        Attention = "attention",
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
    LastRun,
    /// By [`Attention`], then by the next run.
    Attention,
}

/// What a job needs attention for; the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Attention {
    /// It is active, and its last run failed.
    Failing,
    /// It is active, and references a secret that does not exist.
    WillFail,
    /// A run of it has been due for more than a minute and has not begun.
    Late,
    Nothing,
}

impl JobOrder {
    pub const fn sorted_by(self) -> SortedBy {
        match self {
            Self::NewestFirst | Self::OldestFirst => SortedBy::Id,
            Self::Name | Self::NameDescending => SortedBy::Name,
            Self::NextRun | Self::NextRunDescending => SortedBy::NextRun,
            Self::LastRun | Self::LastRunDescending => SortedBy::LastRun,
            Self::Attention => SortedBy::Attention,
        }
    }

    /// An index has the jobs in this order. Otherwise, all jobs of the workspace are read.
    pub const fn has_index(self) -> bool {
        matches!(self.sorted_by(), SortedBy::Id | SortedBy::Name)
    }

    pub const fn is_descending(self) -> bool {
        matches!(
            self,
            Self::NewestFirst | Self::NameDescending | Self::NextRunDescending | Self::LastRunDescending
        )
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
    /// By a run, the rank is 0. `None`, without such a run, comes last in both orders.
    Ranked(u8, Option<DateTime<Utc>>),
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
            PositionKey::Id => String::new(),
            PositionKey::Name(name) => name.bytes().map(|byte| format!("{byte:02x}")).collect(),
            PositionKey::Ranked(rank, None) => rank.to_string(),
            PositionKey::Ranked(rank, Some(at)) => format!("{rank}{}", at.timestamp_micros()),
        };
        page::cursor(self.id, filters) + &key
    }

    pub fn read(cursor: &str, order: JobOrder, filters: &str) -> Result<Self, Invalid> {
        let (head, key) = cursor.split_at_checked(ID_CHARS).unwrap_or((cursor, ""));
        let id = page::read_cursor(head, filters)?;
        let by = match order.sorted_by() {
            SortedBy::Id => key.is_empty().then_some(PositionKey::Id),
            SortedBy::Name => read_name(key).map(PositionKey::Name),
            SortedBy::NextRun | SortedBy::LastRun => read_ranked(key, 0),
            SortedBy::Attention => read_ranked(key, Attention::Nothing as u8),
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
            SortedBy::NextRun | SortedBy::LastRun | SortedBy::Attention if is_descending => {
                PositionKey::Ranked(0, Some(DateTime::<Utc>::MAX_UTC))
            }
            SortedBy::NextRun | SortedBy::LastRun | SortedBy::Attention => {
                PositionKey::Ranked(0, Some(DateTime::UNIX_EPOCH))
            }
        };
        Self { by, id: if is_descending { Uuid::max() } else { Uuid::nil() } }
    }
}

/// A digit, the rank, and perhaps the microseconds of an instant.
fn read_ranked(key: &str, max_rank: u8) -> Option<PositionKey> {
    let (rank, micros) = key.split_at_checked(1)?;
    let rank = rank.parse().ok().filter(|rank| *rank <= max_rank)?;
    if micros.is_empty() {
        return Some(PositionKey::Ranked(rank, None));
    }
    let at = micros.parse().ok().and_then(DateTime::from_timestamp_micros)?;
    YEARS.contains(&at.year()).then_some(PositionKey::Ranked(rank, Some(at)))
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
    /// From a rank and the microseconds of an instant, as the statements of the list write them.
    pub fn ranked(key: &str) -> Self {
        read_ranked(key, u8::MAX).unwrap_or(Self::Ranked(Attention::Nothing as u8, None))
    }

    /// As a text that the statements of the list read; `none` is the instant of those without a run.
    pub fn as_text(&self, none: &str) -> Option<String> {
        let (rank, at) = match self {
            Self::Id => return None,
            Self::Name(name) => return Some(name.clone()),
            Self::Ranked(rank, at) => (rank, at),
        };
        let at = match at {
            Some(at) if *at == DateTime::<Utc>::MAX_UTC => "infinity".to_owned(),
            Some(at) => at.to_rfc3339_opts(SecondsFormat::Micros, true),
            None => none.to_owned(),
        };
        Some(format!("{rank} {at}"))
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
            (JobOrder::NextRun, PositionKey::Ranked(0, at)),
            (JobOrder::LastRunDescending, PositionKey::Ranked(0, None)),
            (JobOrder::Attention, PositionKey::Ranked(Attention::Late as u8, at)),
            (JobOrder::Attention, PositionKey::Ranked(Attention::Nothing as u8, None)),
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
            (JobOrder::NextRun, ""),
            (JobOrder::NextRun, "0x"),
            (JobOrder::NextRun, "1"),
            (JobOrder::NextRun, "09223372036854775808"),
            (JobOrder::NextRun, "0-62135596800000001"),
            (JobOrder::LastRun, "0253402300800000000"),
            (JobOrder::LastRun, "é"),
            (JobOrder::Attention, "4"),
        ] {
            let read = Position::read(&format!("{cursor}{key}"), order, "");
            assert_eq!(read.map_err(|invalid| invalid.code), Err("cursor_invalid"), "{key}");
        }
    }
}
