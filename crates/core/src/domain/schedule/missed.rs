//! The fires that nobody ran: how many there were, and which came last.
//!
//! The cost must follow the result: a job that fires every minute and was forgotten for three years is summed
//! up as fast as one that missed an hour.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Beat, ScheduleError};

/// Fires of a cron expression are counted one by one up to this many, a few milliseconds of work. It also
/// bounds `latest`.
pub const MISSED_CAP: usize = 10_000;

/// The fires of a span of time, summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How many fires there were; when `count_is_exact` is false, at least this many.
    pub count: u64,
    pub count_is_exact: bool,
    pub first: DateTime<Utc>,
    /// Always the true last fire, also when the count is not exact.
    pub last: DateTime<Utc>,
    /// The latest fires, ascending, ending with `last`; empty only when none were asked for.
    pub latest: Vec<DateTime<Utc>>,
}

/// The fires of a recurring schedule in `[from, until]`, by arithmetic.
pub(super) fn count(
    beat: &Beat,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    keep: usize,
) -> Result<Missed, ScheduleError> {
    let first_after = beat.last_by(from).max(0) + 1;
    let last = beat.last_by(until);
    let after = u64::try_from((last - first_after + 1).max(0)).map_err(|_| ScheduleError::OutOfRange)?;
    let kept = usize::try_from(after).unwrap_or(usize::MAX).min(keep);
    let mut latest = Vec::with_capacity(kept + 1);
    if kept < keep {
        latest.push(from);
    }
    for k in (last - kept as i128 + 1)..=last {
        latest.push(beat.fire(k)?);
    }
    let last = if after == 0 { from } else { beat.fire(last)? };
    Ok(Missed { count: after + 1, count_is_exact: true, first: from, last, latest })
}

/// The fires in `[from, until]` of a schedule that can only be asked for its next one.
pub(super) fn walk(
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    keep: usize,
    next_after: impl Fn(DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ScheduleError>,
) -> Result<Missed, ScheduleError> {
    // One is always kept, for `last`.
    let mut ring = Latest::new(keep.max(1));
    ring.push(from);
    let counted = ring.extend(from, until, MISSED_CAP - 1, &next_after)? + 1;
    let reached = ring.last().unwrap_or(from);
    let count_is_exact = counted < MISSED_CAP || next_after(reached)?.is_none_or(|fire| fire > until);
    if !count_is_exact {
        ring.extend_from_end(reached, until, &next_after)?;
    }
    let last = ring.last().unwrap_or(from);
    let latest = if keep == 0 { Vec::new() } else { ring.fires.into() };
    Ok(Missed { count: counted as u64, count_is_exact, first: from, last, latest })
}

/// The newest fires seen, ascending, in bounded room.
struct Latest {
    fires: VecDeque<DateTime<Utc>>,
    room: usize,
}

impl Latest {
    fn new(room: usize) -> Self {
        Self { fires: VecDeque::with_capacity(room.min(64)), room }
    }

    fn last(&self) -> Option<DateTime<Utc>> {
        self.fires.back().copied()
    }

    fn push(&mut self, fire: DateTime<Utc>) {
        if self.fires.len() == self.room {
            self.fires.pop_front();
        }
        self.fires.push_back(fire);
    }

    /// Pushes the fires of `(after, until]`, at most `limit` of them, and says how many.
    fn extend(
        &mut self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
        next_after: &impl Fn(DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ScheduleError>,
    ) -> Result<usize, ScheduleError> {
        let mut at = after;
        for pushed in 0..limit {
            match next_after(at)? {
                Some(fire) if fire <= until => self.push(fire),
                _ => return Ok(pushed),
            }
            at = self.last().unwrap_or(at);
        }
        Ok(limit)
    }

    /// Pushes the newest fires of `(after, until]` without walking it all: looks at a last hour, then at
    /// twice as much, until there are enough.
    fn extend_from_end(
        &mut self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        next_after: &impl Fn(DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ScheduleError>,
    ) -> Result<(), ScheduleError> {
        let mut window = TimeDelta::hours(1);
        loop {
            let start = until.checked_sub_signed(window).map_or(after, |start| start.max(after));
            let mut tail = Self::new(self.room);
            let found = tail.extend(start, until, usize::MAX, next_after)?;
            if found >= self.room || start == after {
                tail.fires.into_iter().for_each(|fire| self.push(fire));
                return Ok(());
            }
            window = window * 2;
        }
    }
}
