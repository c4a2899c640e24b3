//! What all requests share besides the database: bytes of bodies, and processor time of work that takes longer than a millisecond.

use actix_web::{
    http::header::{self, HeaderMap, HeaderValue},
    web,
};
use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::sync::Semaphore;
use trigrun_core::runtime::shares::{Share, Shares};
use uuid::Uuid;

use crate::{problem::Problem, result::ApiResult};

/// A body up to this size is not counted, and is read on the thread that serves the connection.
pub const SMALL_BODY_BYTES: usize = 16 * 1024;
/// Bodies of requests and responses in flight: a client that sends or reads slowly must not fill the memory of the process.
const MAX_BYTES: usize = 128 * 1024 * 1024;
/// Requests whose work runs on a blocking thread or waits for one.
const MAX_QUEUED: usize = 512;

/// A caller may hold as much as it leaves free: alone, half of all.
const CALLER_PERCENT: usize = 100;

/// A digest of the caller's credentials: before a request is authenticated, its account is not known.
type CallerDigest = [Uuid; 1];
/// What a caller holds, until it is dropped.
pub type CallerShare = Share<CallerDigest>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Capacity {
    bytes: Shares<CallerDigest>,
    queue: Shares<CallerDigest>,
    digest: RandomState,
    processors: Arc<Semaphore>,
    max_wait: Duration,
}

impl Capacity {
    /// `max_wait` is how long work waits for a processor: less than the time limit of a request.
    pub fn new(max_wait: Duration) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            bytes: Shares::new(MAX_BYTES, CALLER_PERCENT),
            queue: Shares::new(MAX_QUEUED, CALLER_PERCENT),
            digest: RandomState::new(),
            processors: Arc::new(Semaphore::new(processors)),
            max_wait,
        }
    }

    /// Room for a body of a request with these headers, until it is dropped.
    pub fn bytes(&self, headers: &HeaderMap, bytes: usize) -> ApiResult<CallerShare> {
        self.bytes.try_take(self.caller(headers), bytes).ok_or_else(|| {
            Problem::busy(
                "Too many large requests and responses at the moment. Send fewer at once, and read responses without delay.",
            )
        })
    }

    /// Runs work that takes long on a blocking thread, as much at a time as there are processors.
    pub async fn compute<T: Send + 'static>(
        &self,
        headers: &HeaderMap,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> ApiResult<T> {
        let busy = || Problem::busy("Too many large requests at the moment. Send fewer at once.");
        let place = self.queue.try_take(self.caller(headers), 1).ok_or_else(busy)?;
        let processor = tokio::time::timeout(self.max_wait, self.processors.clone().acquire_owned()).await;
        let processor = processor.map_err(|_| busy())?.map_err(|_| Problem::internal())?;
        let done = web::block(move || {
            // They end with the work, even if the client has left before.
            let _held = (place, processor);
            work()
        });
        done.await.map_err(|_| Problem::internal())
    }

    fn caller(&self, headers: &HeaderMap) -> CallerDigest {
        let credentials = headers.get(header::AUTHORIZATION).or_else(|| headers.get(header::COOKIE));
        let credentials = credentials.map_or(&[][..], HeaderValue::as_bytes);
        [Uuid::from_u64_pair(self.digest.hash_one(credentials), 0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::{
        StatusCode,
        header::{AUTHORIZATION, HeaderValue},
    };

    fn of(caller: &'static str) -> HeaderMap {
        [(AUTHORIZATION, HeaderValue::from_static(caller))].into_iter().collect()
    }

    #[actix_web::test]
    async fn one_caller_does_not_fill_the_queue() {
        let capacity = Capacity::new(Duration::from_secs(60));
        let all = u32::try_from(capacity.processors.available_permits()).unwrap();
        let busy = capacity.processors.clone().try_acquire_many_owned(all).unwrap();
        let greedy = of("greedy");
        let waiting: Vec<_> = (0..MAX_QUEUED / 2).map(|_| capacity.compute(&greedy, || ())).collect();
        let mut waiting = Box::pin(futures_util::future::join_all(waiting));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let refused = capacity.compute(&greedy, || ()).await.unwrap_err();
        assert!(refused.is(StatusCode::SERVICE_UNAVAILABLE));
        let other = of("other");
        let mut other = Box::pin(capacity.compute(&other, || 7));
        assert!(futures_util::poll!(&mut other).is_pending(), "it has a place");
        drop(busy);
        assert!(waiting.await.into_iter().all(|done| done.is_ok()));
        assert_eq!(other.await.unwrap(), 7);
    }
}
