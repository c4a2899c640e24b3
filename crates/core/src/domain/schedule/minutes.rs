//! The minutes of a span in which a schedule fires, as bits.
//!
//! To add up the fires of thousands of jobs, walking from fire to fire takes too long: every minute of eight days has 11,520 of
//! them. Between two changes of a zone's offset, the matching minutes of each hour are copied as one word instead. `cron.rs` has
//! the rules; a test compares both.

use chrono::{DateTime, Utc};
use jiff::civil::{self, Date};
use jiff::tz::Offset;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};

use super::cron::out_of_range;
use super::{Cron, Schedule, ScheduleError};

const DAY_MINUTES: i64 = 24 * 60;
/// No clock has gone back by more than a day: local times are not repeated later than this after a change.
const MAX_REPETITION: SignedDuration = SignedDuration::from_hours(48);

/// Consecutive minutes of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinuteSpan {
    /// In minutes since the epoch.
    first: i64,
    len: usize,
}

impl MinuteSpan {
    /// From the minute that contains `from` up to the one that contains `to`, which is not part of it.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        let first = minute_of(from);
        Self { first, len: usize::try_from(minute_of(to) - first).unwrap_or(0) }
    }

    /// How many minutes it has.
    pub fn len(self) -> usize {
        self.len
    }

    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The start of its minute `index`; of `len`, the end of the span.
    pub fn start_of(self, index: usize) -> DateTime<Utc> {
        let minute = i64::try_from(index).ok().and_then(|index| self.first.checked_add(index));
        let seconds = minute.and_then(|minute| minute.checked_mul(60));
        seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The index of the minute that contains an instant.
    pub fn index_of(self, at: DateTime<Utc>) -> Option<usize> {
        usize::try_from(minute_of(at) - self.first).ok().filter(|index| *index < self.len)
    }

    pub(super) fn first(self) -> i64 {
        self.first
    }

    fn end(self) -> i64 {
        self.first.saturating_add(i64::try_from(self.len).unwrap_or(i64::MAX))
    }
}

/// In minutes since the epoch.
fn minute_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

/// A set of minutes of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minutes {
    words: Vec<u64>,
    len: usize,
}

impl Minutes {
    fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// Their indexes in the span, ascending.
    pub fn indexes(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }

    fn insert(&mut self, index: usize) {
        if index < self.len {
            self.words[index / 64] |= 1 << (index % 64);
        }
    }

    /// Inserts `index + n` for each bit `n` of `bits`, as far as it lies in `within`.
    fn insert_bits(&mut self, mut index: i64, mut bits: u64, within: std::ops::Range<i64>) {
        let end = within.end.min(i64::try_from(self.len).unwrap_or(i64::MAX));
        let missing = within.start.max(0) - index;
        if missing > 0 {
            bits = shifted_right(bits, missing);
            index += missing;
        }
        match end - index {
            ..=0 => return,
            left @ 1..=63 => bits &= (1 << left) - 1,
            _ => {}
        }
        let Ok(index) = usize::try_from(index) else { return };
        let (at, shift) = (index / 64, index % 64);
        self.words[at] |= bits << shift;
        if shift > 0 && bits >> (64 - shift) != 0 {
            self.words[at + 1] |= bits >> (64 - shift);
        }
    }
}

fn shifted_right(bits: u64, by: i64) -> u64 {
    u32::try_from(by).ok().and_then(|by| bits.checked_shr(by)).unwrap_or(0)
}

impl Schedule {
    /// The minutes of `span` in which the schedule fires. `anchor` is as in [`Schedule::next_after`]. Fires of one minute count
    /// once; only an interval of less than a minute has several.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn minutes(&self, anchor: DateTime<Utc>, span: MinuteSpan) -> Result<Minutes, ScheduleError> {
        match self {
            Self::Recurring { every_seconds } if every_seconds % 60 == 0 && *every_seconds > 0 => {
                Ok(recurring(minute_of(anchor), i64::from(every_seconds / 60), span))
            }
            Self::Cron(cron) => of_cron(cron, span),
            _ => walk(self, anchor, span),
        }
    }
}

/// The fires are `anchor + k * every` minutes, k >= 1.
fn recurring(anchor: i64, every: i64, span: MinuteSpan) -> Minutes {
    let mut minutes = Minutes::none(span.len);
    let passed = (span.first - anchor + every - 1).div_euclid(every).max(1);
    let mut at = anchor.saturating_add(passed.saturating_mul(every));
    while let Ok(index) = usize::try_from(at - span.first)
        && index < span.len
    {
        minutes.insert(index);
        at += every;
    }
    minutes
}

/// From fire to fire: for schedules that have few, and for zones whose offset is not a number of minutes.
fn walk(schedule: &Schedule, anchor: DateTime<Utc>, span: MinuteSpan) -> Result<Minutes, ScheduleError> {
    let mut minutes = Minutes::none(span.len);
    let before = span.start_of(0).checked_sub_signed(chrono::TimeDelta::microseconds(1));
    let mut after = before.ok_or(ScheduleError::OutOfRange)?;
    while let Some(at) = schedule.next_after(anchor, after)?
        && let Some(index) = span.index_of(at)
    {
        minutes.insert(index);
        after = at;
    }
    Ok(minutes)
}

/// From one change of the offset to the next, in minutes since the epoch.
struct Period {
    from: i64,
    until: i64,
    /// In minutes.
    offset: i64,
    /// The offset before `from`, if it changed there.
    before: Option<i64>,
}

fn of_cron(cron: &Cron, span: MinuteSpan) -> Result<Minutes, ScheduleError> {
    let Some(periods) = periods(cron, span)? else {
        return walk(&Schedule::Cron(cron.clone()), DateTime::UNIX_EPOCH, span);
    };
    let mut minutes = Minutes::none(span.len);
    for period in &periods {
        insert_period(cron, period, span, &mut minutes)?;
        if !cron.is_cadence() && has_moved(cron, period)? {
            minutes.insert_bits(period.from - span.first, 1, 0..i64::MAX);
        }
    }
    Ok(minutes)
}

/// The periods of `span`, and a change shortly before it. `None` if an offset is not a number of minutes.
fn periods(cron: &Cron, span: MinuteSpan) -> Result<Option<Vec<Period>>, ScheduleError> {
    let (zone, first) = (cron.zone(), timestamp(span.first)?);
    let Some((from, _, offset)) = whole(first, Offset::UTC, zone.to_offset(first)) else { return Ok(None) };
    let mut periods = vec![Period { from, until: i64::MAX, offset, before: None }];
    let just_after = first.checked_add(1.nanosecond()).map_err(out_of_range)?;
    let earlier = zone.preceding(just_after).next();
    let earlier = earlier.filter(|change| first.duration_since(change.timestamp()) < MAX_REPETITION);
    for change in earlier.into_iter().chain(zone.following(first)) {
        let at = change.timestamp();
        let before = zone.to_offset(at.checked_sub(1.nanosecond()).map_err(out_of_range)?);
        let Some((from, before, offset)) = whole(at, before, change.offset()) else { return Ok(None) };
        if from >= span.end() {
            break;
        }
        if let Some(last) = periods.last_mut() {
            last.until = from;
        }
        periods.push(Period { from, until: i64::MAX, offset, before: Some(before) });
    }
    Ok(Some(periods))
}

/// An instant and two offsets in minutes, if they are whole minutes.
fn whole(at: Timestamp, before: Offset, after: Offset) -> Option<(i64, i64, i64)> {
    let minutes = |seconds: i64| (seconds.rem_euclid(60) == 0).then(|| seconds.div_euclid(60));
    Some((minutes(at.as_second())?, minutes(before.seconds().into())?, minutes(after.seconds().into())?))
}

/// The local times of a period, day by day, without those that a set of local times has had before a change.
fn insert_period(
    cron: &Cron,
    period: &Period,
    span: MinuteSpan,
    minutes: &mut Minutes,
) -> Result<(), ScheduleError> {
    let repeated = period.before.map_or(0, |before| (before - period.offset).max(0));
    let from = if cron.is_cadence() { period.from } else { period.from + repeated };
    let (from, until) = (from.max(span.first), period.until.min(span.end()));
    if from >= until {
        return Ok(());
    }
    let calendar = cron.calendar()?;
    let (hours, of_hour) = calendar.times();
    let days =
        (from + period.offset).div_euclid(DAY_MINUTES)..=(until - 1 + period.offset).div_euclid(DAY_MINUTES);
    for day in days {
        if !calendar.matches_on(date(day)?)? {
            continue;
        }
        for hour in (0..24).filter(|hour| hours & 1 << hour != 0) {
            let at = day * DAY_MINUTES + hour * 60 - period.offset;
            minutes.insert_bits(at - span.first, of_hour, from - span.first..until - span.first);
        }
    }
    Ok(())
}

/// Whether local times of the pattern do not exist before this period. They fire together, at its start.
fn has_moved(cron: &Cron, period: &Period) -> Result<bool, ScheduleError> {
    let Some(before) = period.before.filter(|before| *before < period.offset) else { return Ok(false) };
    let (start, end) = (local(period.from + before)?, local(period.from + period.offset)?);
    Ok(cron.calendar()?.first_in(start, end)?.is_some())
}

fn timestamp(minute: i64) -> Result<Timestamp, ScheduleError> {
    Timestamp::from_second(minute.saturating_mul(60)).map_err(out_of_range)
}

/// The day of this number; 1 January 1970 is 0.
fn date(day: i64) -> Result<Date, ScheduleError> {
    let days = Span::new().try_days(day).map_err(out_of_range)?;
    civil::date(1970, 1, 1).checked_add(days).map_err(out_of_range)
}

/// The local time so many minutes after the start of 1970.
fn local(minute: i64) -> Result<civil::DateTime, ScheduleError> {
    let date = date(minute.div_euclid(DAY_MINUTES))?;
    let time = minute.rem_euclid(DAY_MINUTES);
    let time = civil::Time::new((time / 60) as i8, (time % 60) as i8, 0, 0).map_err(out_of_range)?;
    Ok(date.to_datetime(time))
}

#[cfg(test)]
mod tests;
