//! The run's own time: monotonic since its start, with the wall clock of that moment. It reads no clock of the product.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall_start: DateTime<Utc>,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the recording target must not depend on what it checks")]
    pub fn start() -> Self {
        Self { start: Instant::now(), wall_start: Utc::now() }
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The wall clock at a moment of the run, by the monotonic clock since its start.
    pub fn wall(&self, elapsed: Duration) -> DateTime<Utc> {
        // Out of range: the last representable instant.
        let elapsed = TimeDelta::from_std(elapsed).unwrap_or(TimeDelta::MAX);
        self.wall_start.checked_add_signed(elapsed).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.wall(self.elapsed())
    }
}
