//! The run's own time: monotonic, from its beginning, with the wall clock of that moment. No product clock is asked.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
    wall: DateTime<Utc>,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the recorder must not depend on what it watches")]
    pub fn start() -> Self {
        Self { zero: Instant::now(), wall: Utc::now() }
    }

    pub fn elapsed(&self) -> Duration {
        self.zero.elapsed()
    }

    /// The wall clock's time at a moment, by the monotonic clock since the beginning.
    pub fn wall(&self, elapsed: Duration) -> DateTime<Utc> {
        // Beyond all time: the end of it.
        let elapsed = TimeDelta::from_std(elapsed).unwrap_or(TimeDelta::MAX);
        self.wall.checked_add_signed(elapsed).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.wall(self.elapsed())
    }
}
