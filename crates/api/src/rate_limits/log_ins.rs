//! Limits on guessing passwords that nobody can use to keep a user out.
//!
//! Only wrong passwords count: against the user and the client's network together, against the user, and against the network. The first limit
//! always applies. The other two, which others can use up, do not apply to a network from which the user has logged in before.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use trigrun_core::stream::limiter::{LocalLimiter, Rate};

use super::allowed;
use crate::result::ApiResult;

type Network = Option<IpAddr>;

/// For one user: one wrong password per minute after the burst, from one network and from all.
const INTERVAL: Duration = Duration::from_secs(60);
/// One network alone cannot use up what a user may get wrong: it takes this many.
const NETWORKS: u32 = 6;

pub struct LogIns {
    /// By user and network.
    pairs: LocalLimiter,
    /// By user, from all networks.
    users: LocalLimiter,
    known: Known,
}

impl LogIns {
    pub fn new(failures: NonZeroU32) -> Self {
        let of_pair = NonZeroU32::new(failures.get() / NETWORKS).unwrap_or(NonZeroU32::MIN);
        Self {
            pairs: LocalLimiter::new(Rate { interval: INTERVAL, burst: of_pair }),
            users: LocalLimiter::new(Rate { interval: INTERVAL, burst: failures }),
            known: Known::default(),
        }
    }

    /// `failures` are those of networks.
    pub fn check(&self, failures: &LocalLimiter, email: &str, network: Network) -> ApiResult<()> {
        allowed(self.pairs.peek(&(email, network)))?;
        if self.known.contains(email, network) {
            return Ok(());
        }
        allowed(failures.peek(&network))?;
        allowed(self.users.peek(&email))
    }

    pub fn failed(&self, email: &str, network: Network) {
        self.pairs.check(&(email, network));
        self.users.check(&email);
    }

    pub fn succeeded(&self, email: &str, network: Network) {
        self.known.insert(email, network);
    }
}

/// Half a megabyte.
const KNOWN: usize = 65_536;

/// From which networks users have logged in: keyed digests, of which a later one may replace an earlier one.
struct Known {
    digest: RandomState,
    digests: Box<[AtomicU64]>,
}

impl Default for Known {
    fn default() -> Self {
        Self { digest: RandomState::new(), digests: (0..KNOWN).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Known {
    fn contains(&self, email: &str, network: Network) -> bool {
        let (digest, place) = self.place(email, network);
        place.load(Ordering::Relaxed) == digest
    }

    fn insert(&self, email: &str, network: Network) {
        let (digest, place) = self.place(email, network);
        place.store(digest, Ordering::Relaxed);
    }

    fn place(&self, email: &str, network: Network) -> (u64, &AtomicU64) {
        let digest = self.digest.hash_one((email, network));
        (digest, &self.digests[digest as usize & (KNOWN - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "ada@example.com";

    fn network(n: u8) -> Network {
        Some(IpAddr::from([192, 0, 2, n]))
    }

    fn limits() -> (LocalLimiter, LogIns) {
        let failures = NonZeroU32::new(60).unwrap();
        (LocalLimiter::new(Rate::per_hour(failures)), LogIns::new(failures))
    }

    #[test]
    fn one_network_cannot_keep_a_user_out() {
        let (failures, log_ins) = limits();
        for _ in 0..100 {
            failures.check(&network(1));
            log_ins.failed(ADA, network(1));
        }
        assert!(log_ins.check(&failures, ADA, network(1)).is_err());
        assert!(log_ins.check(&failures, "grace@example.com", network(1)).is_err());
        // All of them counted against the user, but one network may not try as often.
        let (failures, log_ins) = limits();
        for _ in 0..10 {
            assert!(log_ins.check(&failures, ADA, network(1)).is_ok());
            log_ins.failed(ADA, network(1));
        }
        assert!(log_ins.check(&failures, ADA, network(1)).is_err());
        assert!(log_ins.check(&failures, ADA, network(2)).is_ok());
    }

    #[test]
    fn many_networks_do_not_keep_a_user_out_of_a_known_one() {
        let (failures, log_ins) = limits();
        log_ins.succeeded(ADA, network(200));
        for n in 0..100 {
            log_ins.failed(ADA, network(n));
        }
        assert!(log_ins.check(&failures, ADA, network(201)).is_err(), "guessing has an end");
        assert!(log_ins.check(&failures, ADA, network(200)).is_ok());
        for _ in 0..10 {
            log_ins.failed(ADA, network(200));
        }
        assert!(log_ins.check(&failures, ADA, network(200)).is_err(), "there too");
    }
}
