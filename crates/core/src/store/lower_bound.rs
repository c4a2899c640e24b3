//! Where a repeated search for old work begins.
//!
//! Work that has ended leaves entries in the indexes. A vacuum removes them, and a search that meets them marks them, but not while an older
//! snapshot exists: that of a backup, a report, a replication slot. A search from the beginning then reads everything that has ended since.
//! Therefore, once a full search was slow, searches begin where the last one found nothing older, and at the beginning once a minute.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};

/// Earlier than any work.
pub const BEGINNING: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// Ten times what a full search takes if nothing that has ended is in its way.
const SLOW_SEARCH: Duration = Duration::from_millis(5);
/// How often a search begins at the beginning if that is slow. Work that is left behind long after it was due is then found after this time at
/// the latest.
const FULL_SEARCH_INTERVAL: Duration = Duration::from_secs(60);
/// Longer than a session of an executor lives without a heartbeat: what it leaves behind is found at once.
const OVERLAP: TimeDelta = TimeDelta::seconds(20);

#[derive(Debug)]
pub struct LowerBound {
    /// Nothing that is searched is due before this time.
    after: DateTime<Utc>,
    full_search_at: Option<Instant>,
    /// Whether the search that began last is a full one.
    is_full: bool,
    is_slow: bool,
}

impl Default for LowerBound {
    fn default() -> Self {
        Self { after: BEGINNING, full_search_at: None, is_full: false, is_slow: false }
    }
}

impl LowerBound {
    /// Of the search that begins now.
    pub fn next(&mut self, now: Instant) -> DateTime<Utc> {
        let is_due = self.full_search_at.is_none_or(|at| now.duration_since(at) >= FULL_SEARCH_INTERVAL);
        self.is_full = is_due || !self.is_slow;
        if !self.is_full {
            return self.after;
        }
        self.full_search_at = Some(now);
        // Until it has succeeded: if it fails, it may have taken too long.
        self.is_slow = true;
        BEGINNING
    }

    /// Makes the next search begin at the beginning: something may have become old work.
    pub fn restart(&mut self) {
        self.full_search_at = None;
    }

    /// A search up to `end` has succeeded by `now`, and `oldest` is the oldest that it found.
    pub fn searched(&mut self, oldest: Option<DateTime<Utc>>, end: DateTime<Utc>, now: Instant) {
        if self.is_full {
            self.is_slow = self.full_search_at.is_none_or(|began| now.duration_since(began) >= SLOW_SEARCH);
        }
        self.after = oldest.map_or(end, |oldest| oldest.min(end)) - OVERLAP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_slow_search_the_next_ones_begin_where_nothing_older_was_found() {
        let (start, now) = (Instant::now(), DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let second = |n| start + Duration::from_secs(n);
        let mut bound = LowerBound::default();
        assert_eq!(bound.next(second(0)), BEGINNING);
        bound.searched(None, now, second(0) + Duration::from_millis(4));
        assert_eq!(bound.next(second(1)), BEGINNING, "the first was fast");
        bound.searched(None, now, second(2));
        assert_eq!(bound.next(second(3)), now - OVERLAP);
        let found = now - TimeDelta::seconds(5);
        bound.searched(Some(found), now, second(3));
        assert_eq!(bound.next(second(60)), found - OVERLAP);
        assert_eq!(bound.next(second(61)), BEGINNING, "once a minute");
        assert_eq!(bound.next(second(62)), found - OVERLAP, "also if the full search failed");
        bound.restart();
        assert_eq!(bound.next(second(63)), BEGINNING);
        bound.searched(Some(now + TimeDelta::seconds(9)), now, second(64));
        assert_eq!(bound.next(second(65)), now - OVERLAP, "work of the future limits nothing");
        assert_eq!(bound.next(second(123)), BEGINNING);
        bound.searched(None, now, second(123));
        assert_eq!(bound.next(second(124)), BEGINNING, "it is fast again");
    }
}
