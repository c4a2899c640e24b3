//! What handlers share, and the one place where their work outlives their client.

use actix_web::web;
use std::sync::Arc;
use tokio::sync::Semaphore;
use trigrun_core::{
    crypto::{password, seal::MasterKeys},
    domain::address::EgressPolicy,
    runtime::{clock::Clock, tasks},
    store::{StoreError, wake::Waker},
};

use crate::{
    connections::{self, Connections, SharedConn},
    db_watchdog::DbWatchdog,
    problem::Problem,
    quotas::Quotas,
    rate_limits::RateLimits,
    result::ApiResult,
    settings::{Origin, SignUp},
};

/// Passwords hashed concurrently: each takes 19 MiB and a core.
const MAX_CONCURRENT_HASHES: usize = 4;

#[derive(Clone)]
pub struct State {
    pub connections: Connections,
    pub clock: Clock,
    pub policy: EgressPolicy,
    pub waker: Waker,
    pub keys: Arc<MasterKeys>,
    pub sign_up: SignUp,
    pub limits: Arc<RateLimits>,
    pub quotas: Arc<Quotas>,
    pub origins: Arc<[Origin]>,
    pub db_watchdog: DbWatchdog,
    pub hash_permits: HashPermits,
}

/// Limits concurrent password hashing.
#[derive(Clone)]
pub struct HashPermits(Arc<Semaphore>);

impl Default for HashPermits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CONCURRENT_HASHES)))
    }
}

impl State {
    pub async fn conn(&self) -> ApiResult<SharedConn> {
        self.connections.conn().await
    }

    /// Runs work on a password on a blocking thread, a few at a time.
    pub async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> ApiResult<T> {
        let _permit = self.hash_permits.0.acquire().await.map_err(|_| Problem::internal())?;
        web::block(work).await.map_err(|_| Problem::internal())
    }

    pub async fn hash(&self, password: String) -> ApiResult<String> {
        let hashed = self.hashing(move || password::hash(&password)).await?;
        hashed.map_err(|error| StoreError::Internal(error.to_string()).into())
    }

    /// Runs a change to its end. A client that disconnects drops its handler, but must not leave half of a transaction on a
    /// connection that returns to the pool. Its connections belong to the account of the request.
    pub async fn run<T, F>(&self, work: impl FnOnce(Self) -> F) -> ApiResult<T>
    where
        T: Send + 'static,
        F: Future<Output = ApiResult<T>> + Send + 'static,
    {
        let done =
            tasks::spawn("change", connections::scope(connections::account(), work(self.clone()))).await;
        done.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()).into()))
    }
}
