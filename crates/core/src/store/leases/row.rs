//! Rows of leases. Private to `leases`.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Bool, Integer, Nullable, Text},
};
use uuid::Uuid;

use super::{Lease, OwnedExecutions};
use crate::{
    domain::id::{ExecutionId, JobId, WorkspaceId},
    store::{
        StoreError,
        columns::{parse_enum, retry_policy},
        jobs::row::RequestRow,
        schema::{job_versions, runs},
        sql::row,
    },
};

#[derive(QueryableByName)]
#[diesel(table_name = runs)]
pub struct Id {
    pub id: Uuid,
}

/// An execution that ended without an attempt of its own.
#[derive(QueryableByName)]
#[diesel(table_name = runs)]
pub struct EndedRow {
    pub id: Uuid,
    pub job_id: Uuid,
    pub ends_job: bool,
}

#[derive(QueryableByName)]
#[diesel(table_name = runs)]
pub struct OwnedRow {
    pub id: Uuid,
    pub attempt_count: i16,
    #[diesel(sql_type = Bool)]
    pub running: bool,
}

pub fn owned(rows: Vec<OwnedRow>) -> OwnedExecutions {
    let mut owned = OwnedExecutions::default();
    for row in rows {
        let id = ExecutionId::from_uuid(row.id);
        if row.running {
            owned.running.insert((id, row.attempt_count.unsigned_abs()));
        } else {
            owned.retrying.insert(id);
        }
    }
    owned
}

#[derive(QueryableByName)]
#[diesel(table_name = runs)]
pub struct LostRow {
    pub id: Uuid,
    pub job_id: Uuid,
    /// It does not run again.
    #[diesel(sql_type = Bool)]
    pub is_failed: bool,
    /// Its job does not exist any more.
    #[diesel(sql_type = Bool)]
    pub is_deleted: bool,
    pub ends_job: bool,
}

row! {
    /// What a lease statement returns.
    pub struct LeaseRow, lease_columns {
        e in runs {
            id: Uuid, workspace_id: Uuid, job_id: Uuid, attempt_count: i16, source: String, scheduled_for: DateTime<Utc>,
            due_at: DateTime<Utc>, traceparent: Option<String>, ends_job: bool, version: i32, depth: i16,
            started_at: Option<DateTime<Utc>>, lateness_us: Option<i64>, replay_of: Option<Uuid>,
        }
        v in job_versions {
            url: String, method: String, headers: Vec<String>, body_is_json: bool,
            timeout_seconds: i16, success_statuses: Vec<i16>, max_attempts: i16, retry_on_statuses: Vec<i16>,
            concurrency_limit: Option<i32>, delivery: String, made_at_depth: i16,
        }
        expression notifies: bool as Bool;
        expression body: Option<String> as Nullable<Text>;
        expression body_bytes: Option<i32> as Nullable<Integer>;
    }
}
pub(super) use lease_columns;

impl LeaseRow {
    pub fn into_lease(self) -> Result<Lease, StoreError> {
        let body_to_load = self.body_bytes.filter(|_| self.body.is_none());
        Ok(Lease {
            execution: ExecutionId::from_uuid(self.id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            job: JobId::from_uuid(self.job_id),
            number: self.attempt_count.unsigned_abs(),
            source: parse_enum("source", &self.source)?,
            first_started_at: self.started_at,
            first_lateness_us: self.lateness_us,
            replay_of: self.replay_of.map(ExecutionId::from_uuid),
            scheduled_for: self.scheduled_for,
            due_at: self.due_at,
            traceparent: self.traceparent,
            request: RequestRow {
                url: self.url,
                method: self.method,
                headers: self.headers,
                body: self.body,
                body_is_json: self.body_is_json,
                timeout_seconds: self.timeout_seconds,
                success_statuses: self.success_statuses,
            }
            .into_request()?,
            retry_policy: retry_policy(self.max_attempts, &self.retry_on_statuses),
            delivery: parse_enum("delivery", &self.delivery)?,
            version: self.version,
            body_to_load: body_to_load.map(i32::unsigned_abs),
            holds_slot: self.concurrency_limit.is_some(),
            ends_job: self.ends_job,
            depth: self.depth.max(self.made_at_depth),
            notifies: self.notifies,
        })
    }
}

/// Work without an owner.
#[derive(Debug, QueryableByName)]
#[diesel(table_name = runs)]
pub struct DueExecution {
    id: Uuid,
    pub due_at: DateTime<Utc>,
}

impl DueExecution {
    pub fn execution(&self) -> ExecutionId {
        ExecutionId::from_uuid(self.id)
    }
}
