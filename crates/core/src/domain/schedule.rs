//! When a job is due: the four kinds of schedule and the arithmetic on them.
//!
//! Instants come in and go out as `chrono::DateTime<Utc>`; zones and civil time stay inside `schedule/`.
//! No code here reads a clock: "now" is always an argument.

mod buckets;
mod calendar;
mod cron;
mod fields;
mod foreign;
mod frequency;
mod grammar;
mod list;
mod minutes;
mod missed;
mod move_minute;
mod preview;
mod words;
mod zone;

use std::fmt;
use std::str::FromStr;

use super::{invalid::Invalid, wording::did_you_mean};

use chrono::{DateTime, Utc};

pub use cron::{Cron, CronError, CronField};
pub use minutes::{MinuteSpan, Minutes};
pub use missed::{MAX_COUNTED_FIRES, Missed};
pub use preview::{ClockChange, ClockEffect, Difference, Fire};
pub use zone::{Zone, ZoneDatabase, check_zone, zone_database, zones};

/// The kind of a schedule, as named in the API and the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Recurring,
    Cron,
    Scheduled,
    OneTime,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Recurring, Self::Cron, Self::Scheduled, Self::OneTime];

    /// The name in the API and in the `kind` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recurring => "recurring",
            Self::Cron => "cron",
            Self::Scheduled => "scheduled",
            Self::OneTime => "one_time",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let invalid = Invalid::not_one_of(name, &Self::ALL.map(Self::as_str));
            // What other schedulers call them.
            match name.to_ascii_lowercase().as_str() {
                "interval" | "every" | "periodic" | "rate" => invalid.hint(did_you_mean("recurring")),
                "at" | "date" | "delayed" => invalid.hint(did_you_mean("scheduled")),
                "crontab" | "calendar" => invalid.hint(did_you_mean("cron")),
                "once" | "now" | "immediate" => invalid.hint(
                    "Use one_time to run once, immediately, or scheduled to run once at `schedule.run_at`.",
                ),
                _ => invalid,
            }
        })
    }
}

/// When a job fires.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// At a fixed interval, counted from an anchor (the job's creation).
    Recurring { every_seconds: u32 },
    /// At the local times of a cron expression.
    Cron(Cron),
    /// Once, at an instant.
    Scheduled { run_at: DateTime<Utc> },
    /// Once, when the job is created: there is no fire to wait for.
    OneTime,
}

/// Why a schedule could not be computed. This never ends a job: the job stays active and shows the message, and
/// the computation is retried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("A recurring schedule needs an interval of at least one second.")]
    ZeroInterval,
    #[error("The next fire is outside the range of dates that can be computed.")]
    OutOfRange,
    #[error("The stored schedule can no longer be read: {0}")]
    Stored(String),
    #[error("The cron library failed: {0}")]
    Library(String),
}

impl Schedule {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Recurring { .. } => Kind::Recurring,
            Self::Cron(_) => Kind::Cron,
            Self::Scheduled { .. } => Kind::Scheduled,
            Self::OneTime => Kind::OneTime,
        }
    }

    /// The first fire strictly after `after`, or `None` when no fire is left.
    ///
    /// `anchor` is the instant a recurring schedule counts from: its fires are `anchor + k * every_seconds`,
    /// k >= 1, so they never drift. The other kinds ignore it. Fires have at most microsecond precision, like
    /// the database; those of a cron expression are whole seconds.
    ///
    /// # Errors
    /// See [`ScheduleError`]: shown on the job and retried later, never the end of the job.
    pub fn next_after(
        &self,
        anchor: DateTime<Utc>,
        after: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        match self {
            Self::Recurring { every_seconds } => {
                let interval = Interval::new(anchor, *every_seconds)?;
                interval.fire(interval.last_by(after).max(0) + 1).map(Some)
            }
            Self::Cron(cron) => cron.next_after(after),
            Self::Scheduled { run_at } => Ok((*run_at > after).then_some(*run_at)),
            Self::OneTime => Ok(None),
        }
    }

    /// Summarises the fires of `[from, until]`, where `from` is itself a known fire (the one the planner found
    /// overdue), and returns the latest `keep` of them (at most [`MAX_COUNTED_FIRES`]).
    ///
    /// The cost depends on the result, not on the length of the gap: a recurring schedule is counted by
    /// arithmetic; a cron expression is walked up to [`MAX_COUNTED_FIRES`] fires and then searched from the end.
    /// An `until` before `from` counts as `from`.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn missed(
        &self,
        anchor: DateTime<Utc>,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        keep: usize,
    ) -> Result<Missed, ScheduleError> {
        let (until, keep) = (until.max(from), keep.min(MAX_COUNTED_FIRES));
        match self {
            Self::Recurring { every_seconds } => {
                missed::count(&Interval::new(anchor, *every_seconds)?, from, until, keep)
            }
            _ => missed::walk(from, until, keep, |after| self.next_after(anchor, after)),
        }
    }
}

/// Numbers the fires of a recurring schedule: fire `k` is `anchor + k * every`.
struct Interval {
    anchor_us: i128,
    every_us: i128,
}

impl Interval {
    fn new(anchor: DateTime<Utc>, every_seconds: u32) -> Result<Self, ScheduleError> {
        if every_seconds == 0 {
            return Err(ScheduleError::ZeroInterval);
        }
        Ok(Self {
            anchor_us: anchor.timestamp_micros().into(),
            every_us: i128::from(every_seconds) * 1_000_000,
        })
    }

    /// The number of the last fire at or before `instant`; zero or less if `instant` is before the first fire.
    fn last_by(&self, instant: DateTime<Utc>) -> i128 {
        // `timestamp_micros` rounds down, and fires are whole microseconds, so none is missed.
        (i128::from(instant.timestamp_micros()) - self.anchor_us).div_euclid(self.every_us)
    }

    fn fire(&self, k: i128) -> Result<DateTime<Utc>, ScheduleError> {
        i64::try_from(self.anchor_us + k * self.every_us)
            .ok()
            .and_then(DateTime::from_timestamp_micros)
            .ok_or(ScheduleError::OutOfRange)
    }
}

#[cfg(test)]
mod tests;
