//! The fires around an instant, and what a clock change has done to them.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Instant, PRECISION};
use crate::domain::{
    ledger::{Fire, Period, periods},
    schedule::ScheduleError,
};

/// A note on the fire before or after an instant concerns the instant if it is that close: no clock change is greater.
const NOTE_DISTANCE: TimeDelta = TimeDelta::hours(3);

impl Instant<'_> {
    /// The last fire before the instant, while the job was active.
    pub(super) fn earlier(&self) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        let periods = periods(self.history.versions);
        for period in active(&periods).rev().filter(|period| period.from < self.at) {
            let last = self.at - TimeDelta::microseconds(1);
            let until = period.until.map_or(last, |until| last.min(until - TimeDelta::microseconds(1)));
            let first = period.schedule.next_after(self.anchor, period.from)?;
            if let Some(first) = first.filter(|first| *first <= until) {
                return Ok(Some(period.schedule.missed(self.anchor, first, until, 0)?.last));
            }
        }
        Ok(None)
    }

    /// The first fire after the instant, while the job is active.
    pub(super) fn later(&self) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        let periods = periods(self.history.versions);
        let last = self.at + PRECISION - TimeDelta::microseconds(1);
        for period in active(&periods).filter(|period| period.until.is_none_or(|until| until > last)) {
            let next = period.schedule.next_after(self.anchor, period.from.max(last))?;
            if let Some(next) = next.filter(|next| period.until.is_none_or(|until| *next < until)) {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    pub(super) fn note(
        &self,
        fire: Option<&Fire>,
        earlier: Option<DateTime<Utc>>,
        later: Option<DateTime<Utc>>,
    ) -> Result<Option<String>, ScheduleError> {
        let near = |fire: &DateTime<Utc>| (*fire - self.at).abs() <= NOTE_DISTANCE;
        let candidates = match fire {
            Some(fire) => [Some(fire.at), None],
            None => [later.filter(near), earlier.filter(near)],
        };
        for at in candidates.into_iter().flatten() {
            // The schedule is asked for the fire after the one before it: a gap between the two is mentioned.
            let since = at - TimeDelta::seconds(1);
            let fires = self.version().schedule.preview(self.anchor, since, 1)?;
            if let Some(note) = fires.into_iter().find(|fire| fire.at == at).and_then(|fire| fire.note) {
                return Ok(Some(note));
            }
        }
        Ok(None)
    }
}

fn active<'a, 'b>(periods: &'b [Period<'a>]) -> impl DoubleEndedIterator<Item = &'b Period<'a>> {
    periods.iter().filter(|period| period.active)
}
