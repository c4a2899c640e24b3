//! The next fires of many jobs in one order.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::{cmp::Reverse, collections::BinaryHeap};
use uuid::Uuid;

use super::{
    id::JobId,
    invalid::Invalid,
    schedule::{Fire, Schedule},
    timer::{ParsedSchedules, Timer},
};

/// A place in the order: by time, then by job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub at: DateTime<Utc>,
    pub job: JobId,
}

impl Position {
    /// Before all fires at or after an instant.
    pub fn before(at: DateTime<Utc>) -> Self {
        Self { at, job: JobId::from_uuid(Uuid::nil()) }
    }

    /// The cursor after this place. `filters` is any text that names all filters of the list.
    pub fn cursor(self, filters: &str) -> String {
        let (at, job) = (self.at.timestamp_micros(), self.job.uuid().as_u128());
        format!("{at:016x}{job:032x}{:08x}", crc32fast::hash(filters.as_bytes()))
    }

    /// # Errors
    /// `cursor_invalid`
    pub fn read(cursor: &str, filters: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid::new("cursor_invalid", "is not a cursor of this list with these filters")
                .hint("Send next_cursor of the previous page, with the same filters.")
        };
        let read = || {
            let at = u64::from_str_radix(cursor.get(..16)?, 16).ok()?;
            let job = u128::from_str_radix(cursor.get(16..48)?, 16).ok()?;
            let at = DateTime::from_timestamp_micros(i64::try_from(at).ok()?)?;
            Some(Self { at, job: JobId::from_uuid(Uuid::from_u128(job)) })
        };
        // The whole text: other spellings of the same number are refused too.
        read().filter(|position| position.cursor(filters) == cursor).ok_or_else(invalid)
    }
}

/// A fire of one of the timers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The place of the timer in the list.
    pub timer: usize,
    pub fire: Fire,
}

/// The first `limit` fires after a place, up to `until` (exclusive), in order. A timer whose schedule can no longer be read has no
/// fires after the one that is known.
pub fn merge(timers: &[Timer], after: Position, until: Option<DateTime<Utc>>, limit: usize) -> Vec<Upcoming> {
    let mut parsed = ParsedSchedules::default();
    let first = |(index, timer): (usize, &Timer)| {
        first_after(timer, after, &mut parsed).map(|at| Reverse((at, timer.job, index)))
    };
    let mut next: BinaryHeap<Reverse<(DateTime<Utc>, JobId, usize)>> =
        timers.iter().enumerate().filter_map(first).collect();
    let mut merged = Vec::new();
    while merged.len() < limit
        && let Some(Reverse((at, job, index))) = next.pop()
        && until.is_none_or(|until| at < until)
    {
        let timer = &timers[index];
        let schedule = parsed.get(&timer.schedule);
        merged.push(Upcoming { timer: index, fire: described(&schedule, timer.anchor, at) });
        if let Ok(Some(following)) = schedule.next_after(timer.anchor, at) {
            next.push(Reverse((following, job, index)));
        }
    }
    merged
}

/// The known next fire, or the first one after the place.
fn first_after(timer: &Timer, after: Position, parsed: &mut ParsedSchedules) -> Option<DateTime<Utc>> {
    if (Position { at: timer.next_run_at, job: timer.job }) > after {
        return Some(timer.next_run_at);
    }
    // Jobs after that one may fire at the same instant.
    let since = if timer.job > after.job { after.at - TimeDelta::microseconds(1) } else { after.at };
    parsed.get(&timer.schedule).next_after(timer.anchor, since).ok()?
}

/// An operator may have set a timer to an instant that is no fire of its schedule.
fn described(schedule: &Schedule, anchor: DateTime<Utc>, at: DateTime<Utc>) -> Fire {
    schedule.fire_at(anchor, at).unwrap_or_else(|_| Fire {
        at,
        local: at.to_rfc3339_opts(SecondsFormat::Secs, false),
        note: None,
    })
}

#[cfg(test)]
mod tests;
