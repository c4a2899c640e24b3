//! Hashing of passwords: a few at a time, in memory that is used again, with a short queue. More is refused before it takes memory.

use actix_web::web;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use trigrun_core::{
    crypto::password::{self, HashMemory},
    store::StoreError,
};

use crate::{problem::Problem, result::ApiResult};

/// All memory for hashing. It is kept, because the allocator would keep it anyway, once per thread.
const MAX_BYTES: usize = 48 * 1024 * 1024;
/// Each also takes a core, which other requests need too.
const MAX_CONCURRENT: usize = MAX_BYTES / HashMemory::BYTES;
/// Requests that wait for their turn.
const MAX_WAITING: usize = 32;

#[derive(Clone)]
pub struct Passwords(Arc<Places>);

struct Places {
    /// One for each request that waits or hashes.
    admitted: Arc<Semaphore>,
    hashing: Arc<Semaphore>,
    /// What no hash is using.
    memory: Mutex<Vec<HashMemory>>,
    max_wait: Duration,
}

impl Passwords {
    /// `max_wait` is how long a request waits for its turn: longer than the queue needs at 100 ms per hash.
    pub fn new(max_wait: Duration) -> Self {
        Self(Arc::new(Places {
            admitted: Arc::new(Semaphore::new(MAX_CONCURRENT + MAX_WAITING)),
            hashing: Arc::new(Semaphore::new(MAX_CONCURRENT)),
            memory: Mutex::new(Vec::new()),
            max_wait,
        }))
    }

    pub async fn hash(&self, password: String) -> ApiResult<String> {
        let hashed = self.run(|| Ok(()), move |memory| password::hash(&password, memory)).await?;
        hashed.map_err(|error| StoreError::Internal(error.to_string()).into())
    }

    /// Whether `hash` is the hash of the password; without one, false after the same time. `permitted` is asked when it is this request's
    /// turn: what the requests before it did counts.
    pub async fn verify(
        &self,
        password: String,
        hash: Option<String>,
        permitted: impl FnOnce() -> ApiResult<()>,
    ) -> ApiResult<bool> {
        self.run(permitted, move |memory| password::verify(&password, hash.as_deref(), memory)).await
    }

    /// Runs `work` on a blocking thread. The permits end with the work, even if the client has left before.
    async fn run<T: Send + 'static>(
        &self,
        permitted: impl FnOnce() -> ApiResult<()>,
        work: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> ApiResult<T> {
        let places = self.0.clone();
        let admitted = places.admitted.clone().try_acquire_owned().map_err(|_| busy())?;
        let hashing = tokio::time::timeout(places.max_wait, places.hashing.clone().acquire_owned()).await;
        let hashing = hashing.map_err(|_| busy())?.map_err(|_| Problem::internal())?;
        permitted()?;
        let done = web::block(move || {
            let _permits = (admitted, hashing);
            let mut memory = places.take().unwrap_or_default();
            let done = work(&mut memory);
            places.put_back(memory);
            done
        });
        done.await.map_err(|_| Problem::internal())
    }
}

impl Places {
    fn take(&self) -> Option<HashMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_back(&self, memory: HashMemory) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

fn busy() -> Problem {
    Problem::busy("Too many log-ins and sign-ups at the moment. Try again in a few seconds.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;

    #[actix_web::test]
    async fn a_burst_waits_and_memory_is_used_again() {
        let passwords = Passwords::new(Duration::from_secs(3));
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        let verify = |password: &str| passwords.verify(password.to_owned(), Some(stored.clone()), || Ok(()));
        let burst = (0..MAX_CONCURRENT + MAX_WAITING).map(|_| verify("wrong"));
        let burst = futures_util::future::join_all(burst).await;
        // On a slow machine, some may wait too long.
        assert!(burst.iter().all(|verified| verified.as_ref().map_or(true, |is_right| !is_right)));
        assert!(verify("correct horse").await.unwrap());
        let kept = passwords.0.memory.lock().unwrap().len();
        assert!((1..=MAX_CONCURRENT).contains(&kept), "{kept}");
    }

    #[actix_web::test]
    async fn with_a_full_queue_no_memory_is_taken() {
        let passwords = Passwords::new(Duration::from_secs(3));
        let all = u32::try_from(MAX_CONCURRENT + MAX_WAITING).unwrap();
        let full = passwords.0.admitted.clone().try_acquire_many_owned(all).unwrap();
        let refused = passwords.verify(String::new(), None, || Ok(())).await.unwrap_err();
        assert!(refused.is(StatusCode::SERVICE_UNAVAILABLE));
        drop(full);
        let forbidden = passwords.verify(String::new(), None, || Err(Problem::not_found())).await;
        assert!(forbidden.unwrap_err().is(StatusCode::NOT_FOUND));
        assert!(passwords.0.memory.lock().unwrap().is_empty());
        assert!(!passwords.verify(String::new(), None, || Ok(())).await.unwrap());
    }
}
