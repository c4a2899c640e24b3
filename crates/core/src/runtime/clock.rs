//! Postgres's time without asking Postgres: its clock, projected onto this machine's monotonic one.
//!
//! A wrong wall clock on this host changes nothing: it is never read.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::VecDeque,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::store::{self, Db, StoreError};

/// How often the projection is renewed; two quartz clocks drift apart by some microseconds in that time.
const RENEW: Duration = Duration::from_secs(2);
/// The best of the last few readings counts: the one with the shortest round trip.
const READINGS: usize = 8;

#[derive(Clone, Copy)]
struct Reading {
    /// The middle of the round trip, and what Postgres said then.
    at: Instant,
    now: DateTime<Utc>,
    round_trip: Duration,
}

/// Cheap to clone; all clones show the same time.
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
        let round_trip = sent.elapsed();
        let mut readings = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        readings.push_back(Reading { at: sent + round_trip / 2, now, round_trip });
        if readings.len() > READINGS {
            readings.pop_front();
        }
        Ok(())
    }

    /// Renews the projection until shutdown. While Postgres is away, the last readings go on.
    pub async fn run(self, db: Db, shutdown: CancellationToken) {
        let pass = || self.read(&db);
        super::tasks::every("clock", shutdown, RENEW, std::future::pending, pass).await;
    }

    fn best(&self) -> Reading {
        let readings = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let best = readings.iter().min_by_key(|reading| reading.round_trip);
        *best.expect("a clock is read before it is handed out")
    }

    /// What Postgres's clock shows now.
    pub fn now(&self) -> DateTime<Utc> {
        self.time_at(Instant::now())
    }

    /// What Postgres's clock showed, or will show, at `instant`.
    pub fn time_at(&self, instant: Instant) -> DateTime<Utc> {
        let best = self.best();
        match instant.checked_duration_since(best.at) {
            Some(later) => best.now + delta(later),
            None => best.now - delta(best.at - instant),
        }
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

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
