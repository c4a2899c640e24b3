//! Job definitions with defaults for everything that a test does not care about.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::atomic::{AtomicI64, Ordering};
use trigrun_core::{
    domain::{
        audit::Author,
        id::{JobId, WorkspaceId},
        job::{Definition, JobState, MisfirePolicy, OverlapPolicy, change::first_fire},
        ledger::{self, Ledger, LedgerWindow},
        operator::OperatorAuthor,
        request::{DEFAULT_SUCCESS_STATUSES, Headers, Method, Request},
        retry::{DeliveryGuarantee, RetryPolicy},
        schedule::Schedule,
    },
    store::{self, jobs::NewJob},
};

use crate::db::TestDb;

/// Whom tests give as the author of changes.
pub static OPERATOR: Author = Author::operator(DateTime::UNIX_EPOCH);

/// An operator who does something for this reason, long ago, and after what earlier calls do.
pub fn by_operator(reason: &str) -> OperatorAuthor {
    static CALLS: AtomicI64 = AtomicI64::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    OperatorAuthor {
        operator_id: None,
        operator: "test".to_owned(),
        reason: reason.to_owned(),
        at: DateTime::UNIX_EPOCH + TimeDelta::microseconds(calls),
        request_id: None,
        address: None,
    }
}

/// A job with this schedule and URL, and defaults for the rest.
pub fn definition(schedule: Schedule, url: &str) -> Definition {
    Definition {
        key: None,
        stack: None,
        name: "test job".into(),
        schedule,
        request: Request {
            url: url.to_owned(),
            method: Method::Get,
            headers: Headers::default(),
            body: None,
            timeout_seconds: 30,
            success_statuses: DEFAULT_SUCCESS_STATUSES.into(),
        },
        retry_policy: RetryPolicy::default(),
        concurrency_limit: None,
        overlap_policy: OverlapPolicy::default(),
        misfire_policy: MisfirePolicy::default(),
        catch_up_limit: 10,
        delivery: DeliveryGuarantee::default(),
        tags: Vec::new(),
        state: JobState::Active,
    }
}

pub fn every_seconds(every_seconds: u32, url: &str) -> Definition {
    definition(Schedule::Recurring { every_seconds }, url)
}

impl TestDb {
    /// Postgres's clock.
    pub async fn now(&self) -> DateTime<Utc> {
        store::clock::now(&mut *self.conn().await).await.expect("Postgres has a clock")
    }

    /// Stores a job as if created at `created_at`.
    pub async fn job_created_at(
        &self,
        workspace: WorkspaceId,
        definition: &Definition,
        created_at: DateTime<Utc>,
    ) -> JobId {
        let id = JobId::at(created_at);
        let first_fire =
            first_fire(definition, created_at, created_at).expect("the next fire can be computed");
        let new = NewJob { first_fire, ..NewJob::new(id, definition, &OPERATOR, created_at) };
        store::jobs::insert(&mut *self.conn().await, workspace, &new, None)
            .await
            .expect("a job can be stored");
        id
    }

    /// The ledger of the job's fires in `[from, to)`, as the API returns it.
    pub async fn ledger(
        &self,
        workspace: WorkspaceId,
        job: JobId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Ledger {
        let (mut conn, window) = (self.conn().await, LedgerWindow { from, to });
        let versions = store::jobs::history(&mut conn, workspace, job).await.expect("the job has a history");
        let records = store::executions::fires(&mut conn, workspace, job, window).await.expect("a list");
        let now = store::clock::now(&mut conn).await.expect("Postgres has a clock");
        let in_effect = versions.since(from).expect("few versions");
        ledger::balance(in_effect, versions.created_at, &records, window, now).expect("a balance")
    }

    pub async fn job(&self, workspace: WorkspaceId, definition: &Definition) -> JobId {
        let now = self.now().await;
        self.job_created_at(workspace, definition, now).await
    }
}
