//! What handlers share, and the one place where their work outlives their client.

use std::sync::Arc;
use tokio::sync::Semaphore;
use trigrun_core::{
    crypto::{password, seal::Keys},
    domain::address::EgressPolicy,
    runtime::{clock::Clock, tasks},
    store::{Db, StoreError, pool::PooledConn, wake::Waker},
};

use crate::{
    limits::Limits, middleware::cors::Origin, problem::Problem, pulse::Pulse, quotas::Quotas,
    settings::SignUp,
};

#[derive(Clone)]
pub struct State {
    pub db: Db,
    pub clock: Clock,
    pub policy: EgressPolicy,
    pub waker: Waker,
    pub keys: Arc<Keys>,
    pub sign_up: SignUp,
    pub hashing: Arc<Semaphore>,
    pub limits: Arc<Limits>,
    pub quotas: Arc<Quotas>,
    pub origins: Arc<[Origin]>,
    pub pulse: Pulse,
}

impl State {
    pub async fn conn(&self) -> Result<PooledConn, StoreError> {
        self.db.conn().await
    }

    /// Runs work on passwords where it holds up nobody, a few at a time.
    pub async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let _turn = self.hashing.acquire().await.map_err(|_| Problem::internal())?;
        actix_web::web::block(work).await.map_err(|_| Problem::internal())
    }

    pub async fn hash(&self, password: String) -> Answer<String> {
        let hashed = self.hashing(move || password::hash(&password)).await?;
        hashed.map_err(|error| StoreError::Internal(error.to_string()).into())
    }

    /// Runs a change to its end. A client that hangs up drops its handler, but must not leave half of a transaction on a
    /// connection that goes back into the pool.
    pub async fn run<T, F>(&self, work: impl FnOnce(Self) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        let done = tasks::spawn("change", work(self.clone())).await;
        done.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()).into()))
    }
}

pub type Answer<T> = Result<T, Problem>;
