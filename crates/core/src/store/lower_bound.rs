//! Where a repeated search for old work begins.
//!
//! Work that has ended leaves entries in the indexes. A vacuum removes them, and a search that meets them marks them, but not while an older
//! snapshot exists: that of a backup, a report, a replication slot. A search from the beginning would then read everything that has ended
//! since. Therefore a search begins where the last one found nothing older, and at the beginning once a minute.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};

/// Earlier than any work.
pub const BEGINNING: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// How often a search begins at the beginning. What becomes due in the past, or was locked by a transaction that was then rolled back after
/// more than [`OVERLAP`], is found after this time at the latest.
const FULL_SEARCH_INTERVAL: Duration = Duration::from_secs(60);
/// Longer than a session of an executor lives without a heartbeat: what it leaves behind is found at once.
const OVERLAP: TimeDelta = TimeDelta::seconds(20);

#[derive(Debug)]
pub struct LowerBound {
    /// Nothing that is searched is due before this time.
    after: DateTime<Utc>,
    full_search_at: Option<Instant>,
}

impl Default for LowerBound {
    fn default() -> Self {
        Self { after: BEGINNING, full_search_at: None }
    }
}

impl LowerBound {
    /// Of the search that begins now. A full search that fails is not repeated at once, because it may have taken too long.
    pub fn next(&mut self, now: Instant) -> DateTime<Utc> {
        let is_full = self.full_search_at.is_none_or(|at| now.duration_since(at) >= FULL_SEARCH_INTERVAL);
        if is_full {
            self.full_search_at = Some(now);
            return BEGINNING;
        }
        self.after
    }

    /// Makes the next search begin at the beginning: something may have become old work.
    pub fn restart(&mut self) {
        self.full_search_at = None;
    }

    /// A search up to `end` has succeeded, and `oldest` is the oldest that it found.
    pub fn searched(&mut self, oldest: Option<DateTime<Utc>>, end: DateTime<Utc>) {
        self.after = oldest.map_or(end, |oldest| oldest.min(end)) - OVERLAP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_begins_where_the_last_one_found_nothing_older() {
        let (start, now) = (Instant::now(), DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let second = |n| start + Duration::from_secs(n);
        let mut bound = LowerBound::default();
        assert_eq!(bound.next(second(0)), BEGINNING);
        bound.searched(None, now);
        assert_eq!(bound.next(second(1)), now - OVERLAP);
        let found = now - TimeDelta::seconds(5);
        bound.searched(Some(found), now);
        assert_eq!(bound.next(second(59)), found - OVERLAP);
        assert_eq!(bound.next(second(60)), BEGINNING, "once a minute");
        assert_eq!(bound.next(second(61)), found - OVERLAP, "also if the full search failed");
        assert_eq!(bound.next(second(120)), BEGINNING);
        bound.restart();
        assert_eq!(bound.next(second(121)), BEGINNING);
        bound.searched(Some(now + TimeDelta::seconds(9)), now);
        assert_eq!(bound.next(second(122)), now - OVERLAP, "work of the future limits nothing");
    }
}
