//! How long Postgres has been in sight: an executor's silence means nothing when Postgres could not hear.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A break between two looks that is longer than this is an outage.
const BREAK: Duration = Duration::from_secs(3);

#[derive(Default)]
pub struct Sight(Mutex<Option<Seen>>);

#[derive(Clone, Copy)]
struct Seen {
    first: Instant,
    last: Instant,
}

impl Sight {
    /// Postgres answered at `now`; says for how long it has, without a break.
    pub fn seen(&self, now: Instant) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = match *seen {
            Some(before) if now.saturating_duration_since(before.last) <= BREAK => before.first,
            _ => now,
        };
        *seen = Some(Seen { first, last: now });
        now - first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_begins_anew() {
        let (sight, start) = (Sight::default(), Instant::now());
        let at = |seconds| sight.seen(start + Duration::from_secs(seconds)).as_secs();
        assert_eq!([at(0), at(2), at(5), at(9), at(10)], [0, 2, 5, 0, 1]);
    }
}
