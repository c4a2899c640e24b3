//! What handlers share, and the one place where their work outlives their client.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use trigrun_core::{
    crypto::seal::MasterKeys,
    domain::address::EgressPolicy,
    runtime::{clock::Clock, hold::HoldWatch, tasks},
    store::{StoreError, wake::Waker},
};

use crate::{
    account_mail::AccountMail,
    capacity::Capacity,
    connections::{self, Connections, SharedConn},
    db_watchdog::DbWatchdog,
    failed_log_ins::FailedLogIns,
    job_writer::JobWriter,
    origin::Origin,
    passwords::Passwords,
    quotas::Quotas,
    rate_limits::RateLimits,
    result::ApiResult,
    session_cookie::SessionCookie,
    settings::SignUp,
    streams::Streams,
    waiting::Waiting,
};

#[derive(Clone)]
pub struct State {
    pub connections: Connections,
    pub clock: Clock,
    pub hold: HoldWatch,
    pub policy: EgressPolicy,
    pub waker: Waker,
    pub keys: Arc<MasterKeys>,
    pub sign_up: SignUp,
    pub mail: AccountMail,
    /// Whether there was a user once. Remembered, so that requests without a token cost no statement.
    pub has_users: Arc<AtomicBool>,
    pub session_cookie: SessionCookie,
    pub limits: Arc<RateLimits>,
    pub quotas: Arc<Quotas>,
    pub origins: Arc<[Origin]>,
    pub db_watchdog: DbWatchdog,
    /// The time limit of a request, without the time for which its client asks to wait.
    pub request_timeout: Duration,
    pub passwords: Passwords,
    pub failed_log_ins: FailedLogIns,
    pub capacity: Capacity,
    pub job_writer: JobWriter,
    pub waiting: Waiting,
    pub streams: Streams,
}

impl State {
    pub async fn conn(&self) -> ApiResult<SharedConn> {
        self.connections.conn().await
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
