//! Rows of executions and attempts, to the domain. Private to `executions`.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, dsl::SqlTypeOf, sql_types::Nullable};
use uuid::Uuid;

use crate::{
    domain::{
        attempt::{Attempt, PhaseTimings},
        execution::{Execution, Skipped, Status, WaitingFor},
        id::{ExecutionId, JobId, WorkspaceId},
        ledger::Record,
        target::host_of,
    },
    store::{
        StoreError,
        columns::{duration, parse_enum},
        schema::{earlier_attempts, executions, jobs, runs},
    },
};

#[derive(QueryableByName)]
#[diesel(table_name = runs)]
pub struct RunId {
    id: Uuid,
}

impl RunId {
    pub const fn uuid(self) -> Uuid {
        self.id
    }

    pub const fn execution(self) -> ExecutionId {
        ExecutionId::from_uuid(self.id)
    }
}

#[derive(QueryableByName)]
#[diesel(table_name = executions)]
pub struct ExecutionRow {
    id: Uuid,
    workspace_id: Uuid,
    job_id: Uuid,
    #[diesel(sql_type = SqlTypeOf<jobs::name>)]
    job_name: String,
    /// Of the URL of the version: its host, perhaps with a port.
    #[diesel(sql_type = SqlTypeOf<jobs::host>)]
    authority: String,
    version: i32,
    status: String,
    source: String,
    scheduled_for: DateTime<Utc>,
    /// Of an open execution.
    #[diesel(sql_type = Nullable<SqlTypeOf<runs::due_at>>)]
    due_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = SqlTypeOf<runs::waits_for_slot>)]
    waits_for_slot: bool,
    #[diesel(sql_type = SqlTypeOf<runs::waits_for_capacity>)]
    waits_for_capacity: bool,
    started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::finished_at>>)]
    finished_at: Option<DateTime<Utc>>,
    lateness_us: Option<i64>,
    attempt_count: i16,
    attempt_status: Option<String>,
    status_code: Option<i16>,
    error: Option<String>,
    error_class: Option<String>,
    replay_of: Option<Uuid>,
    skip_reason: Option<String>,
    skip_count: Option<i64>,
    skip_last: Option<DateTime<Utc>>,
}

/// The authority of the URL of the version of execution `e`.
macro_rules! authority {
    () => {
        "coalesce((select split_part(v.url, '/', 3) from job_versions v where v.job_id = e.job_id and v.version = e.version limit 1), '')"
    };
}
pub(super) use authority;

/// The select list of [`ExecutionRow`] from `runs`, without what is looked up of the job.
macro_rules! run_columns {
    () => {
        "e.id, e.workspace_id, e.job_id, e.version, e.status, e.source, e.scheduled_for, e.due_at, e.waits_for_slot, e.waits_for_capacity,
         coalesce(e.started_at, case when e.status = 'running' and e.attempt_started_at <= clock_timestamp() then e.attempt_started_at end)
             as started_at,
         null::timestamptz as finished_at, e.lateness_us, e.attempt_count, null::text as attempt_status, null::smallint as status_code,
         null::text as error, null::text as error_class, e.replay_of, null::text as skip_reason, null::bigint as skip_count,
         null::timestamptz as skip_last"
    };
}
pub(super) use run_columns;

/// The same from `executions`.
macro_rules! execution_columns {
    () => {
        "e.id, e.workspace_id, e.job_id, e.version, e.status, e.source, e.scheduled_for, null::timestamptz as due_at,
         false as waits_for_slot, false as waits_for_capacity, e.started_at, e.finished_at, e.lateness_us, e.attempt_count,
         e.attempt_status, e.status_code, e.error, e.error_class, e.replay_of, e.skip_reason, e.skip_count, e.skip_last"
    };
}
pub(super) use execution_columns;

/// The last attempt of an execution, of those in `earlier_attempts`.
#[derive(QueryableByName)]
#[diesel(table_name = earlier_attempts)]
pub struct LastAttemptRow {
    pub execution_id: Uuid,
    pub status_code: Option<i16>,
    pub error: Option<String>,
}

impl ExecutionRow {
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// It has no attempt in its own row, and has had one.
    pub fn has_earlier_attempts_only(&self) -> bool {
        self.attempt_status.is_none() && self.attempt_count > 0
    }

    pub fn set_last_attempt(&mut self, attempt: &LastAttemptRow) {
        self.status_code = attempt.status_code;
        self.error.clone_from(&attempt.error);
    }

    pub fn into_execution(self) -> Result<Execution, StoreError> {
        let duration = self.started_at.zip(self.finished_at).map(|(started, finished)| finished - started);
        let status = parse_enum("executions.status", &self.status)?;
        let waiting_for = match (self.waits_for_slot, self.waits_for_capacity) {
            (true, _) => Some(WaitingFor::ConcurrencyLimit),
            (false, true) => Some(WaitingFor::Capacity),
            (false, false) => None,
        };
        Ok(Execution {
            id: ExecutionId::from_uuid(self.id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            job: JobId::from_uuid(self.job_id),
            job_name: self.job_name,
            host: host_of(&self.authority).to_owned(),
            version: self.version,
            status,
            source: parse_enum("executions.source", &self.source)?,
            scheduled_for: self.scheduled_for,
            started_at: self.started_at,
            finished_at: self.finished_at,
            next_attempt_at: self.due_at.filter(|_| status == Status::Retrying),
            waiting_for,
            lateness_us: self.lateness_us,
            duration_us: duration.and_then(|duration| duration.num_microseconds()),
            attempt_count: self.attempt_count.unsigned_abs(),
            status_code: self.status_code.map(i16::unsigned_abs),
            error: self.error,
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
#[diesel(table_name = executions)]
pub struct FireRow {
    id: Uuid,
    status: String,
    scheduled_for: DateTime<Utc>,
    skip_reason: Option<String>,
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

/// A row of the view `attempts`, which has the columns of `earlier_attempts`.
#[derive(QueryableByName)]
#[diesel(table_name = earlier_attempts)]
pub struct AttemptRow {
    number: i16,
    status: String,
    status_code: Option<i16>,
    error_class: Option<String>,
    error: Option<String>,
    started_at: DateTime<Utc>,
    dns_us: Option<i32>,
    connect_us: Option<i32>,
    tls_us: Option<i32>,
    first_byte_us: Option<i32>,
    body_us: Option<i32>,
    total_us: i32,
    remote_address: Option<String>,
    http_version: Option<String>,
    response_headers: String,
    body_preview: Vec<u8>,
    body_truncated: bool,
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
