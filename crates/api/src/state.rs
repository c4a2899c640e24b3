//! What handlers share, and the one place where their work outlives their client.

use std::sync::Arc;
use tokio::sync::Semaphore;
use trigrun_core::{
    crypto::{password, seal::MasterKeys},
    domain::address::EgressPolicy,
    runtime::{clock::Clock, tasks},
    store::{Db, StoreError, pool::PooledConn, wake::Waker},
};

use crate::{
    db_watchdog::DbWatchdog, middleware::cors::Origin, problem::Problem, quotas::Quotas, rate_limits::Limits,
    settings::SignUp,
};

#[derive(Clone)]
pub struct State {
    pub db: Db,
    pub clock: Clock,
    pub policy: EgressPolicy,
    pub waker: Waker,
    pub keys: Arc<MasterKeys>,
    pub sign_up: SignUp,
    pub hashing: Arc<Semaphore>,
    pub limits: Arc<Limits>,
    pub quotas: Arc<Quotas>,
    pub origins: Arc<[Origin]>,
    pub pulse: DbWatchdog,
}

impl State {
    pub async fn conn(&self) -> Result<PooledConn, StoreError> {
        self.db.conn().await
    }

    /// Runs work on passwords where it holds up nobody, a few at a time.
    pub async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> ApiResult<T> {
        let _turn = self.hashing.acquire().await.map_err(|_| Problem::internal())?;
        actix_web::web::block(work).await.map_err(|_| Problem::internal())
    }

    pub async fn hash(&self, password: String) -> ApiResult<String> {
        let hashed = self.hashing(move || password::hash(&password)).await?;
        hashed.map_err(|error| StoreError::Internal(error.to_string()).into())
    }

    /// Runs a change to its end. A client that hangs up drops its handler, but must not leave half of a transaction on a
    /// connection that goes back into the pool.
    pub async fn run<T, F>(&self, work: impl FnOnce(Self) -> F) -> ApiResult<T>
    where
        T: Send + 'static,
        F: Future<Output = ApiResult<T>> + Send + 'static,
    {
        let done = tasks::spawn("change", work(self.clone())).await;
        done.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()).into()))
    }
}

pub type ApiResult<T> = Result<T, Problem>;
