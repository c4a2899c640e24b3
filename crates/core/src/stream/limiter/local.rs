//! Rate limits within this process: the generic cell rate algorithm, like the shared ones.
//!
//! Whatever is sent, a limit takes the same memory: a keyed digest of the key selects one of a fixed number of counters. No key is
//! stored and none is evicted, so no client can push out the counter of another. Two keys may share a counter; then both get less, never more.
//! The digest is keyed at random, so no client can choose whose counter to share.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{Rate, RateDecision};

/// Half a megabyte. Of a thousand active keys, one and a half per cent share a counter.
const COUNTERS: usize = 65_536;

pub struct LocalLimiter {
    rate: Rate,
    digest: RandomState,
    started: Instant,
    /// Until when each has used its rate, in nanoseconds after `started`.
    used_until: Box<[AtomicU64]>,
}

impl LocalLimiter {
    pub fn new(rate: Rate) -> Self {
        let used_until = (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
        Self { rate, digest: RandomState::new(), started: Instant::now(), used_until }
    }

    /// One request of `key`; it counts if it is allowed.
    pub fn check(&self, key: &impl Hash) -> RateDecision {
        self.check_at(key, self.rate)
    }

    /// The same at another rate. What a key has used counts at each.
    pub fn check_at(&self, key: &impl Hash, rate: Rate) -> RateDecision {
        let now = self.now();
        let used_until = self.counter(key);
        let mut seen = used_until.load(Ordering::Relaxed);
        loop {
            let next = match decide(rate, seen, now) {
                Ok(next) => next,
                Err(wait) => return RateDecision::Limited { wait },
            };
            match used_until.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return allowed(rate, next - now),
                Err(newer) => seen = newer,
            }
        }
    }

    /// Whether a request of `key` would be allowed; it does not count.
    pub fn peek(&self, key: &impl Hash) -> RateDecision {
        let now = self.now();
        match decide(self.rate, self.counter(key).load(Ordering::Relaxed), now) {
            Ok(next) => allowed(self.rate, next - now),
            Err(wait) => RateDecision::Limited { wait },
        }
    }

    fn counter(&self, key: &impl Hash) -> &AtomicU64 {
        // The number of counters is a power of two.
        let digest = self.digest.hash_one(key) as usize;
        &self.used_until[digest & (COUNTERS - 1)]
    }

    fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }
}

/// Until when the rate is used with one more request, or how long that has to wait.
fn decide(rate: Rate, used_until: u64, now: u64) -> Result<u64, Duration> {
    let next = used_until.max(now).saturating_add(nanos(rate.interval).max(1));
    let wait = (next - now).saturating_sub(nanos(rate.window()).max(1));
    if wait == 0 { Ok(next) } else { Err(Duration::from_nanos(wait)) }
}

fn allowed(rate: Rate, used: u64) -> RateDecision {
    let left = nanos(rate.window()).saturating_sub(used) / nanos(rate.interval).max(1);
    RateDecision::Allowed { left: u32::try_from(left).unwrap_or(u32::MAX), reset: Duration::from_nanos(used) }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn hourly(burst: u32) -> LocalLimiter {
        LocalLimiter::new(Rate::per_hour(NonZeroU32::new(burst).unwrap()))
    }

    fn is_allowed(decision: RateDecision) -> bool {
        matches!(decision, RateDecision::Allowed { .. })
    }

    #[test]
    fn a_burst_then_the_rate() {
        let limiter = hourly(3);
        for left in [2, 1, 0] {
            assert!(is_allowed(limiter.peek(&"a")), "looking does not count");
            assert!(matches!(limiter.check(&"a"), RateDecision::Allowed { left: l, .. } if l == left));
        }
        let RateDecision::Limited { wait } = limiter.check(&"a") else { panic!("the burst is used") };
        assert!(wait <= Duration::from_secs(1200), "{wait:?}");
        assert!(!is_allowed(limiter.peek(&"a")));
        assert!((0..100).any(|other| is_allowed(limiter.check(&other))), "others have their own");
    }

    #[test]
    fn a_million_keys_take_no_more_memory_and_get_no_more_than_the_counters_allow() {
        let limiter = hourly(1);
        let allowed = (0..1_000_000).filter(|key| is_allowed(limiter.check(key))).count();
        assert!((1..=COUNTERS).contains(&allowed), "{allowed}");
        assert!(!is_allowed(limiter.check(&0)), "no counter was evicted");
        assert_eq!(size_of_val(&*limiter.used_until), 512 * 1024);
    }

    #[test]
    fn what_was_used_counts_at_every_rate() {
        let limiter = hourly(3);
        let at = |burst| Rate::per_hour(NonZeroU32::new(burst).unwrap());
        assert!((0..3).all(|_| is_allowed(limiter.check(&"a"))));
        assert!(!is_allowed(limiter.check_at(&"a", at(3))));
        // A burst lasts an hour at each rate: the hour is used.
        assert!(!is_allowed(limiter.check_at(&"a", at(6))));
        assert!((0..6).all(|_| is_allowed(limiter.check_at(&"b", at(6)))));
    }

    #[test]
    fn one_burst_for_all_threads() {
        let (limiter, started) = (hourly(100), Instant::now());
        let allowed = |_: i32| (0..200).filter(|_| is_allowed(limiter.check(&"a"))).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || allowed(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let most = 101 + usize::try_from(started.elapsed().as_secs() / 36).unwrap();
        assert!((100..=most).contains(&total), "{total}");
    }
}
