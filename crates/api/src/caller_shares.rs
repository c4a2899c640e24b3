//! Bytes of bodies in flight and places in a queue, shared among callers before it is known to which account they belong.
//!
//! A caller may take more while that leaves as much for others as it would hold then. One caller alone gets at most half of all, two a third
//! each: there is always something left for the next. A caller is known by its credentials.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

/// Cheap to clone.
#[derive(Clone)]
pub struct CallerShares(Arc<Held>);

struct Held {
    max: usize,
    digest: RandomState,
    /// Only of callers that hold some.
    by_caller: Mutex<HashMap<u64, usize>>,
}

/// What a caller holds, until it is dropped.
pub struct CallerShare {
    held: Arc<Held>,
    caller: u64,
    amount: usize,
}

impl CallerShares {
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Held { max, digest: RandomState::new(), by_caller: Mutex::default() }))
    }

    /// For a request with these headers. `None` if the caller holds its share, or all is held.
    pub fn take(&self, headers: &HeaderMap, amount: usize) -> Option<CallerShare> {
        self.take_of(headers.get(header::AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes), amount)
    }

    fn take_of(&self, caller: &[u8], amount: usize) -> Option<CallerShare> {
        let caller = self.0.digest.hash_one(caller);
        let mut by_caller = self.0.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = by_caller.values().sum();
        let wanted = by_caller.get(&caller).copied().unwrap_or(0) + amount;
        if held + wanted > self.0.max {
            return None;
        }
        by_caller.insert(caller, wanted);
        Some(CallerShare { held: self.0.clone(), caller, amount })
    }
}

impl Drop for CallerShare {
    fn drop(&mut self) {
        let mut by_caller = self.held.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(amount) = by_caller.get_mut(&self.caller) {
            *amount -= self.amount;
            if *amount == 0 {
                by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_leaves_half_and_everything_comes_back() {
        let shares = CallerShares::new(128);
        let take_all = |caller: &[u8]| -> Vec<CallerShare> {
            std::iter::from_fn(|| shares.take_of(caller, 1)).take(1000).collect()
        };
        let greedy = take_all(b"greedy");
        assert_eq!(greedy.len(), 64);
        let second = take_all(b"second");
        assert_eq!(second.len(), 32);
        assert!(shares.take_of(b"third", 1).is_some());
        drop((greedy, second));
        assert!(shares.0.by_caller.lock().unwrap().is_empty());
        assert_eq!(take_all(b"second").len(), 64);
    }
}
