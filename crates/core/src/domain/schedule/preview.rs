//! The next fires of a schedule, for a user who is about to save it: in UTC, in local time, and with a note on each fire
//! that a clock transition moves, skips or repeats.

mod changes;
mod difference;
mod notes;
mod warnings;

pub use changes::{ClockChange, ClockEffect};
pub use difference::Difference;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use jiff::Timestamp;

use super::cron::out_of_range;
use super::{Cron, Schedule, ScheduleError};

/// The resolution of fires.
const RESOLUTION: TimeDelta = TimeDelta::microseconds(1);

/// One fire of a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    pub at: DateTime<Utc>,
    /// RFC 3339 to the second, with the offset of the schedule's zone: `2026-03-29T03:00:00+02:00`.
    pub local: String,
    /// What a clock transition does to this fire, in one sentence.
    pub note: Option<String>,
}

impl Schedule {
    /// The first `count` fires strictly after `from`, or fewer if the schedule ends. The cost grows with `count`, which
    /// the caller limits.
    ///
    /// A gap that ended at or before `from` is not mentioned.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn preview(
        &self,
        anchor: DateTime<Utc>,
        from: DateTime<Utc>,
        count: usize,
    ) -> Result<Vec<Fire>, ScheduleError> {
        let (mut fires, mut since) = (Vec::new(), from);
        while fires.len() < count
            && let Some(at) = self.next_after(anchor, since)?
        {
            fires.push(match self {
                Self::Cron(cron) => local_fire(cron, since, at)?,
                _ => Fire { at, local: at.to_rfc3339_opts(SecondsFormat::Secs, false), note: None },
            });
            since = at;
        }
        Ok(fires)
    }

    /// The fire at an instant at which the schedule fires, as [`Schedule::preview`] shows it.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn fire_at(&self, anchor: DateTime<Utc>, at: DateTime<Utc>) -> Result<Fire, ScheduleError> {
        let just_before = at - RESOLUTION;
        let since = match self {
            Self::Cron(cron) => self.since_change(cron, anchor, at)?.unwrap_or(just_before),
            _ => just_before,
        };
        let fire = self.preview(anchor, since, 1)?.pop();
        fire.filter(|fire| fire.at == at).ok_or(ScheduleError::OutOfRange)
    }

    /// Just before the last change of the clock, if no fire lies between it and the one at `at`.
    fn since_change(
        &self,
        cron: &Cron,
        anchor: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        let Some(change) = cron.zone().preceding(second(at)?).next() else { return Ok(None) };
        let change = DateTime::from_timestamp(change.timestamp().as_second(), 0);
        let Some(before) = change.map(|change| change - RESOLUTION) else { return Ok(None) };
        Ok((self.next_after(anchor, before)? == Some(at)).then_some(before))
    }

    /// Warnings about a schedule that its owner may not have intended, one sentence each, as of `from`: an expression that
    /// never or rarely fires, and days that some months do not have.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn warnings(&self, from: DateTime<Utc>) -> Result<Vec<String>, ScheduleError> {
        match self {
            Self::Cron(cron) => warnings::of(cron, from),
            _ => Ok(Vec::new()),
        }
    }
}

fn local_fire(cron: &Cron, since: DateTime<Utc>, at: DateTime<Utc>) -> Result<Fire, ScheduleError> {
    let instant = second(at)?;
    let local = instant.display_with_offset(cron.zone().to_offset(instant)).to_string();
    Ok(Fire { at, local, note: notes::note(cron, second(since)?, instant)? })
}

/// The instant without its fraction of a second.
fn second(at: DateTime<Utc>) -> Result<Timestamp, ScheduleError> {
    Timestamp::from_second(at.timestamp()).map_err(out_of_range)
}

#[cfg(test)]
mod tests;
