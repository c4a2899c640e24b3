//! Describes in one sentence what a clock transition does to a fire.
//!
//! The notes follow the two rules of `cron.rs`, which alone decides the fires; a test compares both.

use jiff::civil::{Date, DateTime};
use jiff::tz::AmbiguousOffset;
use jiff::{Timestamp, ToSpan};

use super::super::cron::{next_minute, out_of_range, this_or_next_minute};
use super::super::{Cron, ScheduleError};

/// The note on the fire at `at`, if there is one. `since` is the previous fire, or the start of the search.
pub(super) fn note(cron: &Cron, since: Timestamp, at: Timestamp) -> Result<Option<String>, ScheduleError> {
    if cron.is_cadence() {
        return shown_again(cron, at).map_or_else(|| skipped(cron, since, at), |note| Ok(Some(note)));
    }
    Ok(moved(cron, at)?.or_else(|| shown_twice(cron, at)))
}

/// For a set of local times: the times in a gap that ends at this fire.
pub(super) fn moved(cron: &Cron, at: Timestamp) -> Result<Option<String>, ScheduleError> {
    let Some(gap) = gaps_until(cron, at).next().filter(|gap| gap.at == at) else { return Ok(None) };
    let times = gap.times(cron)?;
    let Some(first) = times.first() else { return Ok(None) };
    let date = first.date();
    let end = shown(gap.end, date);
    let outcome = match (times.len(), gap.has_end(cron)?) {
        (1, false) => format!("it runs at {end} instead"),
        (1, true) => format!("it runs together with {end}, once"),
        (_, false) => format!("they run together, once, at {end}"),
        (_, true) => format!("they run together with {end}, once"),
    };
    let (which, verb) = (all_shown(&times, date), if times.len() == 1 { "does" } else { "do" });
    Ok(Some(format!("{which} {verb} not exist on {date} in {}; {outcome}.", cron.timezone())))
}

/// For a set of local times: a time that occurs twice.
fn shown_twice(cron: &Cron, at: Timestamp) -> Option<String> {
    let local = cron.zone().to_datetime(at);
    let repeats = cron.zone().to_ambiguous_timestamp(local).offset();
    matches!(repeats, AmbiguousOffset::Fold { .. }).then(|| {
        let date = local.date();
        let (time, zone) = (shown(local, date), cron.timezone());
        format!("{time} occurs twice on {date} in {zone}; it runs at the first.")
    })
}

/// For a cadence: the second occurrence of a time.
fn shown_again(cron: &Cron, at: Timestamp) -> Option<String> {
    let local = cron.zone().to_datetime(at);
    let AmbiguousOffset::Fold { after, .. } = cron.zone().to_ambiguous_timestamp(local).offset() else {
        return None;
    };
    (cron.zone().to_offset(at) == after).then(|| {
        let date = local.date();
        let (time, zone) = (shown(local, date), cron.timezone());
        format!("The clock goes back on {date} in {zone}: {time} occurs a second time.")
    })
}

/// For a cadence: the latest gap since the previous fire that contains times of the pattern.
fn skipped(cron: &Cron, since: Timestamp, at: Timestamp) -> Result<Option<String>, ScheduleError> {
    for gap in gaps_until(cron, at).take_while(|gap| gap.at > since) {
        if gap.times(cron)?.is_empty() {
            continue;
        }
        return Ok(Some(gap.skips(cron)));
    }
    Ok(None)
}

/// Local times that do not exist: from `start` up to `end`, which is the local time at the instant `at`.
pub(super) struct Gap {
    pub(super) at: Timestamp,
    pub(super) start: DateTime,
    pub(super) end: DateTime,
}

impl Gap {
    /// The times of the pattern in the gap.
    pub(super) fn times(&self, cron: &Cron) -> Result<Vec<DateTime>, ScheduleError> {
        times_in(cron, self.start, self.end)
    }

    /// Whether the pattern also matches the end of the gap.
    pub(super) fn has_end(&self, cron: &Cron) -> Result<bool, ScheduleError> {
        Ok(this_or_next_minute(self.end)? == self.end
            && cron.calendar()?.first_in(self.end, next_minute(self.end)?)?.is_some())
    }

    /// For a cadence.
    pub(super) fn skips(&self, cron: &Cron) -> String {
        let date = self.start.date();
        let (start, end, zone) = (shown(self.start, date), shown(self.end, date), cron.timezone());
        format!(
            "The clock goes forward on {date} in {zone}: {start} to {end} does not exist, and fires in it are skipped."
        )
    }
}

/// The times of the pattern in `[start, end)`.
pub(super) fn times_in(cron: &Cron, start: DateTime, end: DateTime) -> Result<Vec<DateTime>, ScheduleError> {
    let (mut times, mut from) = (Vec::new(), this_or_next_minute(start)?);
    while let Some(time) = cron.calendar()?.first_in(from, end)? {
        times.push(time);
        from = next_minute(time)?;
    }
    Ok(times)
}

/// The gaps that end at or before an instant, latest first.
fn gaps_until(cron: &Cron, at: Timestamp) -> impl Iterator<Item = Gap> {
    let zone = cron.zone();
    let just_after = at.checked_add(1.nanosecond()).unwrap_or(at);
    zone.preceding(just_after).filter_map(move |change| {
        let (at, after) = (change.timestamp(), change.offset());
        let before = zone.to_offset(at.checked_sub(1.nanosecond()).map_err(out_of_range).ok()?);
        (before < after).then(|| Gap { at, start: before.to_datetime(at), end: after.to_datetime(at) })
    })
}

/// "02:30", "02:15 and 02:45", "12 times from 02:00 to 02:55"
pub(super) fn all_shown(times: &[DateTime], date: Date) -> String {
    match times {
        [] => String::new(),
        [only] => shown(*only, date),
        [one, two] => format!("{} and {}", shown(*one, date), shown(*two, date)),
        [first, .., last] => {
            format!("{} times from {} to {}", times.len(), shown(*first, date), shown(*last, date))
        }
    }
}

/// The time, with its date if that differs from `date`.
pub(super) fn shown(local: DateTime, date: Date) -> String {
    let format = match (local.date() == date, local.second()) {
        (true, 0) => "%H:%M",
        (true, _) => "%H:%M:%S",
        (false, 0) => "%Y-%m-%d %H:%M",
        (false, _) => "%Y-%m-%d %H:%M:%S",
    };
    local.strftime(format).to_string()
}
