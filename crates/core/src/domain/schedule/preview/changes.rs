//! The changes of a zone's clock in the next years, and what each does to a schedule.

use chrono::{DateTime, Utc};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan, civil};

use super::super::cron::out_of_range;
use super::super::zone::offset_text;
use super::super::{Cron, Schedule, ScheduleError};
use super::notes::{self, Gap};
use super::second;
use crate::domain::string_enum::string_enum;

/// How far ahead changes are searched for.
const SEARCHED_YEARS: i64 = 2;
/// More than any zone has had in two years; a bound for a database that is wrong.
const MAX_CHANGES: usize = 50;

string_enum! {
    /// What a change of the clock does to the local times of a schedule that lie in the hour that is skipped or repeated.
    ClockEffect { Moved = "moved", Merged = "merged", Dropped = "dropped", Twice = "twice", Once = "once", }
}

/// A change of the offset of the schedule's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockChange {
    pub at: DateTime<Utc>,
    /// The local date before the change.
    pub date: String,
    /// `+01:00`
    pub from_offset: String,
    pub to_offset: String,
    /// `None` if the schedule has no local time that the change skips or repeats.
    pub effect: Option<ClockEffect>,
    /// The effect in one sentence.
    pub note: Option<String>,
    /// How many local times of the schedule the change skips or repeats.
    pub fires: usize,
}

impl Schedule {
    /// The changes of the clock in the two years after `from`. Only a cron schedule depends on a clock.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn clock_changes(&self, from: DateTime<Utc>) -> Result<Vec<ClockChange>, ScheduleError> {
        let Self::Cron(cron) = self else { return Ok(Vec::new()) };
        let from = second(from)?;
        let until = from.checked_add((SEARCHED_YEARS * 366 * 24).hours()).map_err(out_of_range)?;
        let changes = cron.zone().following(from).take_while(|change| change.timestamp() < until);
        let changes = changes.filter_map(|change| {
            let just_before = change.timestamp().checked_sub(1.nanosecond()).ok()?;
            let before = cron.zone().to_offset(just_before);
            (before != change.offset()).then(|| of(cron, change.timestamp(), before, change.offset()))
        });
        changes.take(MAX_CHANGES).collect()
    }
}

fn of(cron: &Cron, at: Timestamp, before: Offset, after: Offset) -> Result<ClockChange, ScheduleError> {
    let (old, new) = (before.to_datetime(at), after.to_datetime(at));
    let (effect, note, fires) = if before < after {
        forward(cron, &Gap { at, start: old, end: new })?
    } else {
        back(cron, new, old)?
    }
    .map_or((None, None, 0), |(effect, note, fires)| (Some(effect), Some(note), fires));
    Ok(ClockChange {
        at: DateTime::from_timestamp(at.as_second(), 0).ok_or(ScheduleError::OutOfRange)?,
        date: old.date().to_string(),
        from_offset: offset_text(before),
        to_offset: offset_text(after),
        effect,
        note,
        fires,
    })
}

/// The effect, its sentence, and how many local times it concerns.
type Effect = (ClockEffect, String, usize);

fn forward(cron: &Cron, gap: &Gap) -> Result<Option<Effect>, ScheduleError> {
    let fires = gap.times(cron)?.len();
    if fires == 0 {
        return Ok(None);
    }
    if cron.is_cadence() {
        return Ok(Some((ClockEffect::Dropped, gap.skips(cron), fires)));
    }
    let is_merged = fires > 1 || gap.has_end(cron)?;
    let effect = if is_merged { ClockEffect::Merged } else { ClockEffect::Moved };
    Ok(notes::moved(cron, gap.at)?.map(|note| (effect, note, fires)))
}

/// The local times from `start` to `end` occur twice.
fn back(cron: &Cron, start: civil::DateTime, end: civil::DateTime) -> Result<Option<Effect>, ScheduleError> {
    let times = notes::times_in(cron, start, end)?;
    let (Some(first), zone) = (times.first(), cron.timezone()) else { return Ok(None) };
    let date = first.date();
    let which = notes::all_shown(&times, date);
    let (occur, it) = if times.len() == 1 { ("occurs", "it runs") } else { ("occur", "each runs") };
    let (effect, runs) = match cron.is_cadence() {
        true => (ClockEffect::Twice, "both times"),
        false => (ClockEffect::Once, "at the first"),
    };
    let note = format!("{which} {occur} twice on {date} in {zone}; {it} {runs}.");
    Ok(Some((effect, note, times.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(expression: &str, zone: &str) -> Vec<ClockChange> {
        let schedule = Schedule::Cron(Cron::parse(expression, zone).unwrap());
        schedule.clock_changes("2026-03-01T00:00:00Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn each_change_has_its_effect() {
        for (expression, spring, autumn) in [
            ("30 2 * * *", Some((ClockEffect::Moved, 1)), Some((ClockEffect::Once, 1))),
            ("15,45 2 * * *", Some((ClockEffect::Merged, 2)), Some((ClockEffect::Once, 2))),
            ("0 2,3 * * *", Some((ClockEffect::Merged, 1)), Some((ClockEffect::Once, 1))),
            ("*/15 * * * *", Some((ClockEffect::Dropped, 4)), Some((ClockEffect::Twice, 4))),
            ("0 9 * * *", None, None),
        ] {
            let changes = changes(expression, "Europe/Berlin");
            assert_eq!(changes.len(), 4, "two years");
            let effects = changes.iter().map(|change| change.effect.map(|effect| (effect, change.fires)));
            assert_eq!(effects.collect::<Vec<_>>(), [spring, autumn, spring, autumn], "{expression}");
            assert!(changes.iter().all(|change| change.note.is_some() == change.effect.is_some()));
        }
    }

    #[test]
    fn a_change_is_described() {
        let [spring, autumn, ..] = &changes("0-45/15 2 * * *", "Europe/Berlin")[..] else { panic!() };
        assert_eq!(spring.at.to_rfc3339(), "2026-03-29T01:00:00+00:00");
        assert_eq!((spring.from_offset.as_str(), spring.to_offset.as_str()), ("+01:00", "+02:00"));
        assert_eq!((spring.date.as_str(), autumn.date.as_str()), ("2026-03-29", "2026-10-25"));
        assert_eq!(
            autumn.note.as_deref().unwrap(),
            "4 times from 02:00 to 02:45 occur twice on 2026-10-25 in Europe/Berlin; each runs at the first."
        );
        let hourly = changes("0 * * * *", "Europe/Berlin");
        assert_eq!(
            hourly[1].note.as_deref().unwrap(),
            "02:00 occurs twice on 2026-10-25 in Europe/Berlin; it runs both times."
        );
    }

    #[test]
    fn what_has_no_clock_changes_has_none() {
        assert_eq!(changes("30 2 * * *", "UTC"), []);
        assert_eq!(changes("30 2 * * *", "Asia/Tokyo"), []);
        let recurring = Schedule::Recurring { every_seconds: 60 };
        assert_eq!(recurring.clock_changes(DateTime::UNIX_EPOCH).unwrap(), []);
    }

    /// The note of a change is that of the fire that it affects.
    #[test]
    fn the_notes_of_fires_agree() {
        for zone in ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"] {
            for expression in ["30 2 * * *", "10 2,3 * * *", "*/20 * * * *", "15,45 2 * * *"] {
                let schedule = Schedule::Cron(Cron::parse(expression, zone).unwrap());
                for change in changes(expression, zone) {
                    let before = change.at - super::super::RESOLUTION;
                    let fire = schedule.preview(before, before, 1).unwrap().remove(0);
                    let is_forward = matches!(
                        change.effect,
                        Some(ClockEffect::Moved | ClockEffect::Merged | ClockEffect::Dropped)
                    );
                    if is_forward {
                        assert_eq!(fire.note, change.note, "{expression} {zone}");
                    }
                }
            }
        }
    }
}
