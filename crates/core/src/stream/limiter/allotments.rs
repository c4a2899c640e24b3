//! Permits that a process has taken from a shared limit ahead of the requests that will use them, so that not every request asks Redis.
//!
//! A process that uses up what it took within [`VALIDITY`] takes twice as much the next time, up to [`MAX_PERMITS`] and a tenth of the burst.
//! What it did not use it gives back the next time. So a process never holds back more than that, and nothing of a limit is lost: it is
//! only counted a moment earlier.
//!
//! Takes a fixed amount of memory, like [`LocalLimiter`](super::LocalLimiter): a keyed digest selects one of a fixed number of places. When
//! two keys share a place, one loses what is left of its allotment.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, MutexGuard};

use super::{Rate, RateDecision};

/// How long the permits of an allotment can be used.
pub const VALIDITY: Duration = Duration::from_millis(100);
pub const MAX_PERMITS: u32 = 20;
/// An allotment is at most this part of a burst, or one permit.
const BURST_DIVISOR: u32 = 10;
/// Of a thousand active keys, one in eight shares a place.
const PLACES: usize = 4096;

pub struct Allotments {
    digest: RandomState,
    max_permits: u32,
    interval: Duration,
    places: Box<[Mutex<Allotment>]>,
}

/// What a key has taken last. An empty one has no permits left.
#[derive(Default)]
pub struct Allotment {
    key: u64,
    taken: u32,
    unused: u32,
    until: Option<Instant>,
    /// When the whole burst is available again, without further requests; and what was left for others.
    reset_at: Option<Instant>,
    left: u32,
}

impl Allotments {
    /// None for a limit that every request must ask.
    pub fn none() -> Self {
        Self { digest: RandomState::new(), max_permits: 1, interval: Duration::ZERO, places: Box::default() }
    }

    /// For limits of these rates, applied together.
    pub fn of(rates: &[Rate]) -> Self {
        let burst = rates.iter().map(|rate| rate.burst.get()).min().unwrap_or(1);
        Self {
            digest: RandomState::new(),
            max_permits: (burst / BURST_DIVISOR).clamp(1, MAX_PERMITS),
            interval: rates.iter().map(|rate| rate.interval).max().unwrap_or_default(),
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
        }
    }

    /// The allotment of a key. Concurrent requests of the key wait for each other, so that only one of them asks Redis. `None` if there are no
    /// allotments.
    pub async fn lock(&self, key: &impl Hash) -> Option<MutexGuard<'_, Allotment>> {
        if self.max_permits == 1 {
            return None;
        }
        let key = self.digest.hash_one(key);
        // The number of places is a power of two.
        let mut allotment = self.places.get(key as usize & (PLACES - 1))?.lock().await;
        if allotment.key != key {
            *allotment = Allotment { key, ..Allotment::default() };
        }
        Some(allotment)
    }

    /// How many permits to take next.
    pub fn wanted(&self, of: &Allotment, now: Instant) -> u32 {
        if of.unused == 0 && of.is_valid(now) { (of.taken * 2).clamp(1, self.max_permits) } else { 1 }
    }

    /// Uses one permit, if there is one.
    pub fn take(&self, of: &mut Allotment, now: Instant) -> Option<RateDecision> {
        if of.unused == 0 || !of.is_valid(now) {
            return None;
        }
        of.unused -= 1;
        Some(self.decision(of, now))
    }

    /// Fills an allotment of which one permit is used at once. `left` and `reset` are those of the shared limit.
    pub fn fill(
        &self,
        of: &mut Allotment,
        taken: u32,
        left: u32,
        reset: Duration,
        now: Instant,
    ) -> RateDecision {
        let (until, reset_at) = (Some(now + VALIDITY), Some(now + reset));
        *of = Allotment { key: of.key, taken, unused: taken.saturating_sub(1), until, reset_at, left };
        self.decision(of, now)
    }

    /// What the client is told: permits that are not used yet are left.
    fn decision(&self, of: &Allotment, now: Instant) -> RateDecision {
        let reset = of.reset_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        RateDecision::Allowed {
            left: of.left.saturating_add(of.unused),
            reset: reset.saturating_sub(self.interval * of.unused),
        }
    }
}

impl Allotment {
    fn is_valid(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// The permits that were not used; they are no longer in the allotment.
    pub fn give_back(&mut self) -> u32 {
        std::mem::take(&mut self.unused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn allotments(burst: u32) -> Allotments {
        let number = |n| NonZeroU32::new(n).unwrap();
        Allotments::of(&[Rate::per_second(number(50), number(burst))])
    }

    #[tokio::test]
    async fn what_is_used_up_in_time_doubles_and_what_is_not_is_given_back() {
        let (allotments, now) = (allotments(200), Instant::now());
        let mut allotment = allotments.lock(&"a").await.unwrap();
        let mut sizes = Vec::new();
        for _ in 0..6 {
            let wanted = allotments.wanted(&allotment, now);
            assert_eq!(allotment.give_back(), 0);
            allotments.fill(&mut allotment, wanted, 100, Duration::from_secs(2), now);
            while allotments.take(&mut allotment, now).is_some() {}
            sizes.push(wanted);
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 20]);
        let filled = allotments.fill(&mut allotment, 20, 100, Duration::from_secs(2), now);
        // 19 unused permits are 380 ms at 50 requests per second.
        let expected = RateDecision::Allowed { left: 119, reset: Duration::from_millis(1620) };
        assert_eq!(filled, expected);
        let later = now + VALIDITY;
        assert_eq!(allotments.take(&mut allotment, later), None, "they are valid for a moment only");
        assert_eq!(allotments.wanted(&allotment, later), 1);
        assert_eq!((allotment.give_back(), allotment.give_back()), (19, 0));
    }

    #[tokio::test]
    async fn small_bursts_have_no_allotments() {
        for burst in [1, 5, 19] {
            assert!(allotments(burst).lock(&"a").await.is_none(), "{burst}");
        }
        assert!(allotments(20).lock(&"a").await.is_some());
        assert!(Allotments::none().lock(&"a").await.is_none());
    }
}
