//! The connections to Postgres, divided: so that no account can hold all of them, and lists only some.
//!
//! A quarter of them is for lists. Postgres cancels a statement of a list after a second, so slow lists delay neither runs nor other
//! requests. Of each part, an account may hold as many connections as it leaves free. Up to two write new jobs, for all accounts: see
//! `job_writer`.

use actix_web::http::header;
use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    time::Duration,
};
use tokio::time::timeout;
use trigrun_core::{
    domain::id::AccountId,
    runtime::shares::{Share, Shares},
    store::{Conn, Db, PostgresSettings, StoreError, pool::PooledConn},
};

use uuid::Uuid;

use crate::{
    problem::{Problem, ProblemCode},
    result::ApiResult,
};

/// `statement_timeout` of lists. Each reads a bounded number of rows, which takes some ten milliseconds, a sort of 10,000
/// jobs by their last runs 200, or longer from a slow disk.
const LIST_TIMEOUT_MS: u64 = 1000;
/// One connection of this many is for lists.
const LISTS_DIVISOR: usize = 4;
/// Transactions of new jobs at a time: one waits for the disk while the next is prepared.
pub const WRITERS: usize = 2;
/// One connection of this many writes new jobs, up to one for each writer.
const WRITERS_DIVISOR: usize = 8;
/// One connection of this many is reserved for authentication and health checks, which belong to no account.
const RESERVED_DIVISOR: usize = 6;
/// An account may hold as many as it leaves free: alone, half of all.
const ACCOUNT_PERCENT: usize = 100;
/// How many requests of an account wait for a connection. Further ones are refused at once.
const MAX_WAITING: usize = 1000;

type Account = [Uuid; 1];

tokio::task_local! {
    static ACCOUNT: Cell<Option<AccountId>>;
}

/// Runs work of a request. The connections that it takes belong to the account, as soon as that is known.
pub async fn scope<T>(account: Option<AccountId>, work: impl Future<Output = T>) -> T {
    ACCOUNT.scope(Cell::new(account), work).await
}

/// The account whose request this task serves.
pub fn account() -> Option<AccountId> {
    ACCOUNT.try_with(Cell::get).ok().flatten()
}

/// From here on, the request of this task is known to be one of this account.
pub fn set_account(account: AccountId) {
    // Outside of a request, no account is counted.
    let _ = ACCOUNT.try_with(|current| current.set(Some(account)));
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    requests: Pool,
    lists: Pool,
    new_jobs: Db,
}

/// A connection, and the place that it takes.
pub struct SharedConn {
    conn: PooledConn,
    _share: Option<Share<Account>>,
}

impl Deref for SharedConn {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for SharedConn {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

#[derive(Clone)]
struct Pool {
    db: Db,
    shares: Shares<Account>,
    acquire_timeout: Duration,
}

impl Connections {
    pub fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let for_lists = (settings.max_connections / LISTS_DIVISOR).max(1);
        let for_new_jobs = (settings.max_connections / WRITERS_DIVISOR).clamp(1, WRITERS);
        let for_requests = settings.max_connections.saturating_sub(for_lists + for_new_jobs).max(1);
        let requests = PostgresSettings { max_connections: for_requests, ..settings.clone() };
        let lists = PostgresSettings {
            max_connections: for_lists,
            statement_timeout_ms: match settings.statement_timeout_ms {
                // No timeout.
                0 => LIST_TIMEOUT_MS,
                ms => ms.min(LIST_TIMEOUT_MS),
            },
            ..settings.clone()
        };
        let new_jobs = PostgresSettings { max_connections: for_new_jobs, ..settings.clone() };
        let reserved = for_requests.div_ceil(RESERVED_DIVISOR);
        Ok(Self {
            requests: Pool::new(&requests, reserved)?,
            lists: Pool::new(&lists, 0)?,
            new_jobs: Db::new(&new_jobs)?,
        })
    }

    /// The pool for everything that belongs to no account.
    pub fn unshared(&self) -> &Db {
        &self.requests.db
    }

    /// The pool of the writers of new jobs.
    pub fn for_new_jobs(&self) -> &Db {
        &self.new_jobs
    }

    /// For a request that is not a list.
    pub async fn conn(&self) -> ApiResult<SharedConn> {
        self.requests.conn().await
    }

    /// For a list: a statement that takes longer than a second is cancelled.
    pub async fn for_list(&self) -> ApiResult<SharedConn> {
        self.lists.conn().await
    }
}

impl Pool {
    fn new(settings: &PostgresSettings, reserved: usize) -> Result<Self, StoreError> {
        Ok(Self {
            db: Db::new(settings)?,
            shares: Shares::new(settings.max_connections.saturating_sub(reserved).max(1), ACCOUNT_PERCENT),
            acquire_timeout: Duration::from_millis(settings.acquire_timeout_ms),
        })
    }

    /// Waits for a place of the account, and then for a connection, each for up to `acquire_timeout_ms`.
    async fn conn(&self) -> ApiResult<SharedConn> {
        let share = match account() {
            Some(account) => Some(self.share([account.uuid()]).await?),
            None => None,
        };
        Ok(SharedConn { conn: self.db.conn().await?, _share: share })
    }

    async fn share(&self, account: Account) -> ApiResult<Share<Account>> {
        if self.shares.waiting(&account) >= MAX_WAITING {
            return Err(too_many());
        }
        timeout(self.acquire_timeout, self.shares.take(account, 1)).await.map_err(|_| too_many())
    }
}

pub fn too_many() -> Problem {
    let detail = "The account has too many requests in progress. Wait for their responses, then try again.";
    Problem::new(ProblemCode::TooManyConcurrentRequests, detail).with_header(header::RETRY_AFTER, "1")
}
