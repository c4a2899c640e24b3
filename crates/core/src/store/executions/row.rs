//! Rows of executions and attempts, to the domain. Private to their store.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::{
    domain::{
        attempt::{Attempt, PhaseTimings},
        execution::{Execution, Skipped},
        id::{ExecutionId, JobId, WorkspaceId},
        ledger::Record,
    },
    store::{
        StoreError,
        columns::{duration, parse_enum},
    },
};

#[derive(QueryableByName)]
pub struct Id {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
}

#[derive(QueryableByName)]
pub struct ExecutionRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    workspace_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    job_id: Uuid,
    #[diesel(sql_type = Text)]
    job_name: String,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Timestamptz)]
    scheduled_for: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    lateness_us: Option<i64>,
    #[diesel(sql_type = SmallInt)]
    attempt_count: i16,
    #[diesel(sql_type = Nullable<Text>)]
    error_class: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    replay_of: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    skip_reason: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    skip_count: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    skip_last: Option<DateTime<Utc>>,
}

impl ExecutionRow {
    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn into_execution(self) -> Result<Execution, StoreError> {
        let duration = self.started_at.zip(self.finished_at).map(|(started, finished)| finished - started);
        Ok(Execution {
            id: ExecutionId::from_uuid(self.id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            job: JobId::from_uuid(self.job_id),
            job_name: self.job_name,
            version: self.version,
            status: parse_enum("executions.status", &self.status)?,
            source: parse_enum("executions.source", &self.source)?,
            scheduled_for: self.scheduled_for,
            started_at: self.started_at,
            finished_at: self.finished_at,
            lateness_us: self.lateness_us,
            duration_us: duration.and_then(|duration| duration.num_microseconds()),
            attempt_count: self.attempt_count.unsigned_abs(),
            error_class: self.error_class,
            replay_of: self.replay_of.map(ExecutionId::from_uuid),
            skipped: self.skip_reason.map(|reason| Skipped {
                reason,
                count: self.skip_count.unwrap_or(1),
                first: self.scheduled_for,
                last: self.skip_last.unwrap_or(self.scheduled_for),
            }),
            attempts: Vec::new(),
        })
    }
}

#[derive(QueryableByName)]
pub struct FireRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Timestamptz)]
    scheduled_for: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    skip_reason: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    skip_last: Option<DateTime<Utc>>,
}

impl FireRow {
    pub fn into_record(self) -> Result<Record, StoreError> {
        let last = self.skip_last.unwrap_or(self.scheduled_for);
        Ok(Record {
            execution: ExecutionId::from_uuid(self.id),
            status: parse_enum("executions.status", &self.status)?,
            scheduled_for: self.scheduled_for,
            skipped: self.skip_reason.map(|reason| (reason, last)),
        })
    }
}

#[derive(QueryableByName)]
pub struct AttemptRow {
    #[diesel(sql_type = SmallInt)]
    number: i16,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status_code: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    error_class: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    started_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Integer>)]
    dns_us: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    connect_us: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    tls_us: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    first_byte_us: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    body_us: Option<i32>,
    #[diesel(sql_type = Integer)]
    total_us: i32,
    #[diesel(sql_type = Nullable<Text>)]
    remote_address: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    http_version: Option<String>,
    #[diesel(sql_type = Text)]
    response_headers: String,
    #[diesel(sql_type = Binary)]
    body_preview: Vec<u8>,
    #[diesel(sql_type = Bool)]
    body_truncated: bool,
    #[diesel(sql_type = BigInt)]
    response_bytes: i64,
}

impl AttemptRow {
    pub fn into_attempt(self) -> Result<Attempt, StoreError> {
        Ok(Attempt {
            number: self.number.unsigned_abs(),
            status: parse_enum("attempts.status", &self.status)?,
            status_code: self.status_code.map(i16::unsigned_abs),
            error_class: self.error_class,
            error: self.error,
            started_at: self.started_at,
            timing: PhaseTimings {
                dns: self.dns_us.map(duration),
                connect: self.connect_us.map(duration),
                tls: self.tls_us.map(duration),
                first_byte: self.first_byte_us.map(duration),
                body: self.body_us.map(duration),
                total: duration(self.total_us),
            },
            remote_address: self.remote_address,
            http_version: self.http_version,
            response_headers: self
                .response_headers
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body_preview: self.body_preview,
            body_truncated: self.body_truncated,
            response_bytes: self.response_bytes.unsigned_abs(),
        })
    }
}
