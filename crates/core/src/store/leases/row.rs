//! Rows of leases. Private to their store.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::{Held, Lease};
use crate::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        retry::RetryPolicy,
    },
    store::{
        StoreError,
        columns::{unsmall, word},
        jobs::row::RequestRow,
    },
};

#[derive(QueryableByName)]
pub struct Id {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
}

#[derive(QueryableByName)]
pub struct HeldRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SmallInt)]
    pub attempt_count: i16,
    #[diesel(sql_type = Bool)]
    pub running: bool,
}

pub fn held(rows: Vec<HeldRow>) -> Held {
    let mut held = Held::default();
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
}

#[derive(QueryableByName)]
pub struct LeaseRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    workspace_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    job_id: Uuid,
    #[diesel(sql_type = SmallInt)]
    attempt_count: i16,
    #[diesel(sql_type = Timestamptz)]
    scheduled_for: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    due_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
    #[diesel(sql_type = Bool)]
    ends_job: bool,
    #[diesel(embed)]
    request: RequestRow,
    #[diesel(sql_type = SmallInt)]
    max_attempts: i16,
    #[diesel(sql_type = Array<SmallInt>)]
    retry_on_statuses: Vec<i16>,
    #[diesel(sql_type = Nullable<Integer>)]
    concurrency_limit: Option<i32>,
    #[diesel(sql_type = Text)]
    delivery: String,
    #[diesel(sql_type = Bool)]
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
                retry_on_statuses: unsmall(&self.retry_on_statuses),
            },
            delivery: word("delivery", &self.delivery)?,
            holds_slot: self.concurrency_limit.is_some(),
            ends_job: self.ends_job,
            notifies: self.notifies,
        })
    }
}
