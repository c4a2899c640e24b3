//! Postgres's time without asking Postgres: its clock, projected onto this machine's monotonic one.
//!
//! The wall clock of this host has no effect here. It is read only to report its error.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::VecDeque,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::{
    store::{self, Db, StoreError},
    telemetry::metrics,
};

/// How often the projection is renewed; two quartz clocks drift apart by some microseconds in that time.
const READ_INTERVAL: Duration = Duration::from_secs(2);
/// The best of the last few readings counts: the one with the shortest round trip.
const MAX_READINGS: usize = 8;

/// If a reading differs from the projection by more than the round trips plus this, Postgres's clock was corrected, and older readings are
/// discarded.
const MIN_STEP: TimeDelta = TimeDelta::milliseconds(20);
/// A clock that is corrected without being set runs faster or slower by at most a twelfth (chrony.conf(5), maxslewrate).
const MAX_SLEW_DIVISOR: u32 = 12;

#[derive(Clone, Copy)]
struct Reading {
    /// When the response arrived, and the time in it.
    ///
    /// Postgres read its clock at some moment of the round trip. Assuming the last one, the projected time is never ahead of Postgres's, and
    /// no request leaves before its instant, however long the round trip was. The cost is one round trip, the shortest of the last few.
    at: Instant,
    now: DateTime<Utc>,
    round_trip: Duration,
}

impl Reading {
    fn of(sent: Instant, received: Instant, now: DateTime<Utc>) -> Self {
        Self { at: received, now, round_trip: received - sent }
    }
}

/// Cheap to clone; all clones share their readings.
#[derive(Clone)]
pub struct Clock(Arc<RwLock<VecDeque<Reading>>>);

impl Clock {
    /// Reads Postgres's clock a few times.
    pub async fn synchronised(db: &Db) -> Result<Self, StoreError> {
        let clock = Self(Arc::default());
        for _ in 0..3 {
            clock.read(db).await?;
        }
        Ok(clock)
    }

    async fn read(&self, db: &Db) -> Result<(), StoreError> {
        let mut conn = db.conn().await?;
        let sent = Instant::now();
        let now = store::clock::now(&mut conn).await?;
        self.take(Reading::of(sent, Instant::now(), now));
        metrics::clock_offset((wall() - now).as_seconds_f64());
        Ok(())
    }

    fn take(&self, reading: Reading) {
        let mut readings = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(off) = best(&readings).and_then(|best| correction(best, reading)) {
            // The last reading is the nearest: a clock that is slewed is only a little off it.
            if readings.back().and_then(|last| correction(*last, reading)).is_some_and(Correction::was_set) {
                tracing::warn!(off_ms = off.by.num_milliseconds(), "Postgres's clock was set");
            }
            readings.clear();
        }
        readings.push_back(reading);
        if readings.len() > MAX_READINGS {
            readings.pop_front();
        }
    }

    /// Renews the projection until shutdown. While Postgres is unavailable, the last readings stay in use.
    pub async fn run(self, db: Db, shutdown: CancellationToken) {
        let pass = || self.read(&db);
        super::tasks::every("clock", shutdown, READ_INTERVAL, std::future::pending, pass).await;
    }

    fn best(&self) -> Reading {
        let readings = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        best(&readings).expect("a clock is read before it is handed out")
    }

    /// The time of Postgres's clock now.
    pub fn now(&self) -> DateTime<Utc> {
        self.time_at(Instant::now())
    }

    /// What Postgres's clock showed, or will show, at `instant`.
    pub fn time_at(&self, instant: Instant) -> DateTime<Utc> {
        projected(self.best(), instant)
    }

    /// The local instant at which Postgres's clock shows `time`.
    pub fn instant_of(&self, time: DateTime<Utc>) -> Instant {
        let best = self.best();
        match (time - best.now).to_std() {
            Ok(later) => best.at + later,
            Err(_) => best.at.checked_sub((best.now - time).to_std().unwrap_or_default()).unwrap_or(best.at),
        }
    }
}

/// The clock of this machine, by which certificates are checked.
#[allow(clippy::disallowed_methods, reason = "to compare it with Postgres's, and for nothing else")]
pub fn wall() -> DateTime<Utc> {
    Utc::now()
}

fn best(readings: &VecDeque<Reading>) -> Option<Reading> {
    readings.iter().min_by_key(|reading| reading.round_trip).copied()
}

/// By how much Postgres's clock was corrected between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Correction {
    by: TimeDelta,
    /// By how much a clock can be slewed in that time.
    slewed: TimeDelta,
}

impl Correction {
    fn was_set(self) -> bool {
        self.by.abs() > self.slewed
    }
}

/// `None` if the round trips explain the difference.
fn correction(before: Reading, after: Reading) -> Option<Correction> {
    let by = after.now - projected(before, after.at);
    let explained = delta(before.round_trip + after.round_trip) + MIN_STEP;
    // Without Postgres, readings may be far apart.
    let elapsed = after.at.saturating_duration_since(before.at).min(2 * READ_INTERVAL);
    let slewed = explained + delta(elapsed / MAX_SLEW_DIVISOR);
    (by.abs() > explained).then_some(Correction { by, slewed })
}

fn projected(reading: Reading, instant: Instant) -> DateTime<Utc> {
    match instant.checked_duration_since(reading.at) {
        Some(later) => reading.now + delta(later),
        None => reading.now - delta(reading.at - instant),
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: Instant, seconds: i64, round_trip_ms: u64) -> Reading {
        let now = DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        Reading { at, now, round_trip: Duration::from_millis(round_trip_ms) }
    }

    #[test]
    fn no_instant_is_early_whenever_postgres_read_its_clock() {
        let (clock, sent) = (Clock(Arc::default()), Instant::now());
        let (round_trip, ahead) = (Duration::from_millis(40), Duration::from_secs(1));
        let shown = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        clock.take(Reading::of(sent, sent + round_trip, shown));
        for read_at in [sent, sent + round_trip / 2, sent + round_trip] {
            assert!(clock.instant_of(shown + ahead) >= read_at + ahead);
            assert!(clock.time_at(read_at + ahead) <= shown + ahead);
        }
    }

    #[test]
    fn the_shortest_round_trip_counts_until_the_clock_is_set() {
        let (clock, start) = (Clock(Arc::default()), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        clock.take(reading(start, 0, 1));
        clock.take(reading(after(2), 2, 40));
        assert_eq!(
            clock.time_at(start).timestamp(),
            1_800_000_000,
            "a slow reading explains a small difference"
        );
        clock.take(reading(after(4), 3604, 40));
        assert_eq!(clock.time_at(after(5)).timestamp(), 1_800_003_605, "an hour is more than that");
        clock.take(reading(after(6), 6, 40));
        assert_eq!(clock.time_at(after(7)).timestamp(), 1_800_000_007, "and back again");
    }

    #[test]
    fn a_clock_that_is_slewed_was_not_set() {
        let start = Instant::now();
        let (before, later) = (reading(start, 0, 1), start + Duration::from_secs(2));
        let off = |off_ms| {
            let after = reading(later, 2, 1);
            correction(before, Reading { now: after.now + TimeDelta::milliseconds(off_ms), ..after })
        };
        let was_set = |ms| off(ms).map(Correction::was_set);
        // 2 ms of round trips, 20 ms in any case, and 166 ms in two seconds.
        assert_eq!([off(22), off(-22)], [None, None]);
        assert_eq!([23, -23, 188, 189, -189].map(was_set), [false, false, false, true, true].map(Some));
        // However long there was no reading.
        let much_later = reading(start + Duration::from_secs(600), 601, 1);
        assert_eq!(correction(before, much_later).map(Correction::was_set), Some(true));
    }
}
