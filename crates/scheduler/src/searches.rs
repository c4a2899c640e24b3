//! Where the searches for missed, lost and requested work begin.

use chrono::{DateTime, Utc};
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};
use trigrun_core::store::lower_bound::LowerBound;

#[derive(Default)]
pub struct Searches {
    pub missed: Search,
    pub lost: Search,
    pub unpublished: Search,
    pub backlog: Search,
    pub work: Search,
}

impl Searches {
    /// Makes the next searches for timers full ones: to be called after timers were set to times that may lie far back.
    pub fn restart_timers(&self) {
        self.missed.restart();
        self.work.restart();
    }

    /// Makes the next searches for requested publications full ones: to be called after publication of work was requested that may have been
    /// due long ago.
    pub fn restart_requested(&self) {
        self.unpublished.restart();
        self.work.restart();
    }
}

#[derive(Default)]
pub struct Search(Mutex<LowerBound>);

impl Search {
    pub fn begin(&self) -> DateTime<Utc> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now())
    }

    fn restart(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).restart();
    }

    /// The search up to `end` has succeeded, and `oldest` is the oldest that it found.
    pub fn succeeded(&self, oldest: Option<DateTime<Utc>>, end: DateTime<Utc>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).searched(oldest, end, Instant::now());
    }
}
