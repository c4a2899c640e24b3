//! Limits on guessing passwords, which an attacker cannot use to keep a user out.
//!
//! Only wrong passwords count: against the user and the client's network together, against the user, and against the network. None of these
//! limits keeps a user out of a network from which they have logged in before: there, passwords are still verified above the limit, and only
//! wrong ones are refused. Many wrong ones in a row end this. A refusal is late and the same everywhere, so that it does not show whether
//! the user has logged in from there.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
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
/// When a refusal is sent, after the request. Verifying a password takes a tenth of it.
pub const REFUSAL_DELAY: Duration = Duration::from_secs(1);
/// After so many wrong passwords in a row, a network is not known any more.
const MAX_WRONG_IN_KNOWN: u32 = 1000;

pub struct LogIns {
    /// By user and network.
    pairs: LocalLimiter,
    /// By user, from all networks.
    users: LocalLimiter,
    known: Known,
}

/// How a password may be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Normal,
    /// Above a limit, but the user has logged in from there: only a wrong password is refused.
    Slow,
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
    pub fn check(&self, failures: &LocalLimiter, email: &str, network: Network) -> ApiResult<Pace> {
        let of_pair = allowed(self.pairs.peek(&(email, network)));
        if self.known.contains(email, network) {
            return Ok(if of_pair.is_ok() { Pace::Normal } else { Pace::Slow });
        }
        of_pair?;
        allowed(failures.peek(&network))?;
        allowed(self.users.peek(&email))?;
        Ok(Pace::Normal)
    }

    /// `Err` above the limit: the response does not even say that the password is wrong.
    pub fn failed(&self, email: &str, network: Network, pace: Pace) -> ApiResult<()> {
        self.known.failed(email, network);
        let of_pair = allowed(self.pairs.check(&(email, network)));
        // What is beyond the limit of one network does not use up that of all.
        match pace {
            Pace::Normal => {
                self.users.check(&email);
                Ok(())
            }
            Pace::Slow => of_pair,
        }
    }

    pub fn succeeded(&self, email: &str, network: Network) {
        self.known.insert(email, network);
    }
}

/// A megabyte.
const KNOWN: usize = 65_536;

/// From which networks users have logged in: keyed digests, of which a later one may replace an earlier one.
struct Known {
    digest: RandomState,
    places: Box<[Place]>,
}

#[derive(Default)]
struct Place {
    digest: AtomicU64,
    /// Wrong passwords since the last right one.
    wrong: AtomicU32,
}

impl Default for Known {
    fn default() -> Self {
        Self { digest: RandomState::new(), places: (0..KNOWN).map(|_| Place::default()).collect() }
    }
}

impl Known {
    fn contains(&self, email: &str, network: Network) -> bool {
        self.find(email, network)
            .is_some_and(|place| place.wrong.load(Ordering::Relaxed) < MAX_WRONG_IN_KNOWN)
    }

    fn insert(&self, email: &str, network: Network) {
        let (digest, place) = self.place(email, network);
        place.digest.store(digest, Ordering::Relaxed);
        place.wrong.store(0, Ordering::Relaxed);
    }

    fn failed(&self, email: &str, network: Network) {
        if let Some(place) = self.find(email, network) {
            place.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn find(&self, email: &str, network: Network) -> Option<&Place> {
        let (digest, place) = self.place(email, network);
        (place.digest.load(Ordering::Relaxed) == digest).then_some(place)
    }

    fn place(&self, email: &str, network: Network) -> (u64, &Place) {
        let digest = self.digest.hash_one((email, network));
        (digest, &self.places[digest as usize & (KNOWN - 1)])
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
            log_ins.failed(ADA, network(1), Pace::Normal).unwrap();
        }
        assert!(log_ins.check(&failures, ADA, network(1)).is_err());
        assert!(log_ins.check(&failures, "grace@example.com", network(1)).is_err());
        // All of them counted against the user, but one network may not try as often.
        let (failures, log_ins) = limits();
        for _ in 0..10 {
            assert!(log_ins.check(&failures, ADA, network(1)).is_ok());
            log_ins.failed(ADA, network(1), Pace::Normal).unwrap();
        }
        assert!(log_ins.check(&failures, ADA, network(1)).is_err());
        assert!(log_ins.check(&failures, ADA, network(2)).is_ok());
    }

    #[test]
    fn many_networks_do_not_keep_a_user_out_of_a_known_one() {
        let (failures, log_ins) = limits();
        log_ins.succeeded(ADA, network(200));
        for n in 0..100 {
            log_ins.failed(ADA, network(n), Pace::Normal).unwrap();
        }
        assert!(log_ins.check(&failures, ADA, network(201)).is_err(), "guessing has an end");
        assert_eq!(log_ins.check(&failures, ADA, network(200)).unwrap(), Pace::Normal);
    }

    #[test]
    fn a_known_network_slows_down_and_forgets_at_last() {
        let (failures, log_ins) = limits();
        log_ins.succeeded(ADA, network(1));
        let mut paces = Vec::new();
        while let Ok(pace) = log_ins.check(&failures, ADA, network(1)) {
            paces.push(pace);
            assert_eq!(log_ins.failed(ADA, network(1), pace).is_err(), pace == Pace::Slow);
        }
        assert_eq!(paces.len(), MAX_WRONG_IN_KNOWN as usize, "guessing has an end there too");
        assert_eq!(paces.iter().filter(|pace| **pace == Pace::Normal).count(), 10);
        assert!(log_ins.check(&failures, ADA, network(2)).is_ok(), "the limit of the user is not used up");
        log_ins.succeeded(ADA, network(1));
        assert_eq!(log_ins.check(&failures, ADA, network(1)).unwrap(), Pace::Slow);
    }
}
