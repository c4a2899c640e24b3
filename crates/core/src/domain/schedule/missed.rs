//! Missed fires: how many there were, and which came last.
//!
//! The cost must depend on the result only: a job that fires every minute and was not planned for three years is
//! summarised as fast as one that missed an hour.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Interval, ScheduleError};

/// How many fires of a cron expression are counted one by one, which takes a few milliseconds. It also bounds
/// `latest`.
pub const MAX_COUNTED_FIRES: usize = 10_000;

/// A summary of the fires in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How many fires there were; if `count_is_exact` is false, at least this many.
    pub count: u64,
    pub count_is_exact: bool,
    pub first: DateTime<Utc>,
    /// Always the true last fire, even if the count is not exact.
    pub last: DateTime<Utc>,
    /// The latest fires, ascending, ending with `last`; empty only if none were requested.
    pub latest: Vec<DateTime<Utc>>,
}

/// The fires of a recurring schedule in `[from, until]`, by arithmetic.
pub(super) fn count(
    interval: &Interval,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    keep: usize,
) -> Result<Missed, ScheduleError> {
    let first_after = interval.last_by(from).max(0) + 1;
    let last = interval.last_by(until);
    let after = u64::try_from((last - first_after + 1).max(0)).map_err(|_| ScheduleError::OutOfRange)?;
    let keep_after = usize::try_from(after).unwrap_or(usize::MAX).min(keep);
    let mut latest = Vec::with_capacity(keep_after + 1);
    if keep_after < keep {
        latest.push(from);
    }
    for k in (last - keep_after as i128 + 1)..=last {
        latest.push(interval.fire(k)?);
    }
    let last = if after == 0 { from } else { interval.fire(last)? };
    Ok(Missed { count: after + 1, count_is_exact: true, first: from, last, latest })
}

/// The fires in `[from, until]` of a schedule that can only compute its next fire.
pub(super) fn walk(
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    keep: usize,
    next_after: impl Fn(DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ScheduleError>,
) -> Result<Missed, ScheduleError> {
    // At least one is needed, for `last`.
    let mut latest_fires = Latest::new(keep.max(1));
    latest_fires.push(from);
    let counted = latest_fires.extend(from, until, MAX_COUNTED_FIRES - 1, &next_after)? + 1;
    let reached = latest_fires.last().unwrap_or(from);
    let count_is_exact = counted < MAX_COUNTED_FIRES || next_after(reached)?.is_none_or(|fire| fire > until);
    if !count_is_exact {
        latest_fires.extend_from_end(reached, until, &next_after)?;
    }
    let last = latest_fires.last().unwrap_or(from);
    let latest = if keep == 0 { Vec::new() } else { latest_fires.fires.into() };
    Ok(Missed { count: counted as u64, count_is_exact, first: from, last, latest })
}

/// The newest fires seen, ascending, up to a capacity.
struct Latest {
    fires: VecDeque<DateTime<Utc>>,
    capacity: usize,
}

impl Latest {
    fn new(capacity: usize) -> Self {
        Self { fires: VecDeque::with_capacity(capacity.min(64)), capacity }
    }

    fn last(&self) -> Option<DateTime<Utc>> {
        self.fires.back().copied()
    }

    fn push(&mut self, fire: DateTime<Utc>) {
        if self.fires.len() == self.capacity {
            self.fires.pop_front();
        }
        self.fires.push_back(fire);
    }

    /// Pushes at most `limit` fires of `(after, until]` and returns how many.
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

    /// Pushes the newest fires of `(after, until]` without walking the whole range: searches the last hour, and
    /// doubles that window until it has enough fires.
    fn extend_from_end(
        &mut self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        next_after: &impl Fn(DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ScheduleError>,
    ) -> Result<(), ScheduleError> {
        let mut window = TimeDelta::hours(1);
        loop {
            let start = until.checked_sub_signed(window).map_or(after, |start| start.max(after));
            let mut tail = Self::new(self.capacity);
            let found = tail.extend(start, until, usize::MAX, next_after)?;
            if found >= self.capacity || start == after {
                tail.fires.into_iter().for_each(|fire| self.push(fire));
                return Ok(());
            }
            window = window * 2;
        }
    }
}
