//! Bytes of bodies in flight, of requests and of responses: a client that sends or reads slowly must not fill the memory of the process.
//!
//! Whoever holds bytes may take more while that leaves as much for others as it would hold then. One caller alone gets at most half of all,
//! two a third each: there is always something left for the next.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{problem::Problem, result::ApiResult};

/// Bodies up to this size are not counted: the limits of connections and of their heads bound them.
pub const UNCOUNTED_BYTES: usize = 16 * 1024;
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct ByteShares(Arc<Held>);

#[derive(Default)]
struct Held {
    digest: RandomState,
    /// Only callers that hold some: at most `MAX_BYTES / UNCOUNTED_BYTES`.
    by_caller: Mutex<HashMap<u64, usize>>,
}

/// Bytes of a caller, until it is dropped.
pub struct ByteShare {
    held: Arc<Held>,
    caller: u64,
    bytes: usize,
}

impl ByteShares {
    /// For a body of a request with these headers. A caller is known by its credentials.
    pub fn take(&self, headers: &HeaderMap, bytes: usize) -> ApiResult<ByteShare> {
        let caller = headers.get(header::AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
        self.take_of(caller, bytes).ok_or_else(|| {
            Problem::busy(
                "Too many large requests and responses at the moment. Send fewer at once, and read responses without delay.",
            )
        })
    }

    /// `None` if the caller holds its share, or all bytes are held.
    fn take_of(&self, caller: &[u8], bytes: usize) -> Option<ByteShare> {
        let caller = self.0.digest.hash_one(caller);
        let mut by_caller = self.0.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = by_caller.values().sum();
        let wanted = by_caller.get(&caller).copied().unwrap_or(0) + bytes;
        if held + wanted > MAX_BYTES {
            return None;
        }
        by_caller.insert(caller, wanted);
        Some(ByteShare { held: self.0.clone(), caller, bytes })
    }
}

impl Drop for ByteShare {
    fn drop(&mut self) {
        let mut by_caller = self.held.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = by_caller.get_mut(&self.caller) {
            *bytes -= self.bytes;
            if *bytes == 0 {
                by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn one_caller_leaves_half_and_every_byte_comes_back() {
        let shares = ByteShares::default();
        let take_all = |caller: &[u8]| -> Vec<ByteShare> {
            std::iter::from_fn(|| shares.take_of(caller, MIB)).take(1000).collect()
        };
        let greedy = take_all(b"greedy");
        assert_eq!(greedy.len(), 64);
        let second = take_all(b"second");
        assert_eq!(second.len(), 32);
        assert!(shares.take_of(b"third", MIB).is_some());
        drop((greedy, second));
        assert!(shares.0.by_caller.lock().unwrap().is_empty());
        assert_eq!(take_all(b"second").len(), 64);
    }
}
