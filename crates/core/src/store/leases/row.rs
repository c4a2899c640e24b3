//! Rows of leases. Private to their store.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::{Lease, OwnedExecutions};
use crate::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        retry::RetryPolicy,
    },
    store::{
        StoreError,
        columns::{from_i16s, parse_enum},
        jobs::row::{RequestColumns, RequestRow},
    },
};

#[derive(QueryableByName)]
pub struct Id {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
}

#[derive(QueryableByName)]
pub struct OwnedRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SmallInt)]
    pub attempt_count: i16,
    #[diesel(sql_type = Bool)]
    pub running: bool,
}

pub fn owned(rows: Vec<OwnedRow>) -> OwnedExecutions {
    let mut held = OwnedExecutions::default();
    for row in rows {
        let id = ExecutionId::from_uuid(row.id);
        if row.running {
            held.running.insert((id, row.attempt_count.unsigned_abs()));
        } else {
            held.retrying.insert(id);
        }
    }
    held
}

#[derive(QueryableByName)]
pub struct LostRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// It does not run again, though its job is there.
    #[diesel(sql_type = Bool)]
    pub is_lost: bool,
}

/// What a lease returns, in the order of [`LeaseRow`].
pub type LeaseColumns = (
    SqlUuid,
    SqlUuid,
    SqlUuid,
    SmallInt,
    Timestamptz,
    Timestamptz,
    Nullable<Text>,
    Bool,
    RequestColumns,
    SmallInt,
    Array<SmallInt>,
    Nullable<Integer>,
    Text,
    Bool,
);

#[derive(Queryable)]
pub struct LeaseRow {
    id: Uuid,
    workspace_id: Uuid,
    job_id: Uuid,
    attempt_count: i16,
    scheduled_for: DateTime<Utc>,
    due_at: DateTime<Utc>,
    traceparent: Option<String>,
    ends_job: bool,
    request: RequestRow,
    max_attempts: i16,
    retry_on_statuses: Vec<i16>,
    concurrency_limit: Option<i32>,
    delivery: String,
    notifies: bool,
}

impl LeaseRow {
    pub fn into_lease(self) -> Result<Lease, StoreError> {
        Ok(Lease {
            execution: ExecutionId::from_uuid(self.id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            job: JobId::from_uuid(self.job_id),
            number: self.attempt_count.unsigned_abs(),
            scheduled_for: self.scheduled_for,
            due_at: self.due_at,
            traceparent: self.traceparent,
            request: self.request.into_request()?,
            retry_policy: RetryPolicy {
                max_attempts: self.max_attempts.unsigned_abs(),
                retry_on_statuses: from_i16s(&self.retry_on_statuses),
            },
            delivery: parse_enum("delivery", &self.delivery)?,
            holds_slot: self.concurrency_limit.is_some(),
            ends_job: self.ends_job,
            notifies: self.notifies,
        })
    }
}
