//! Rows of jobs, to and from the domain. Private to `jobs`.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::SqlTypeOf,
    prelude::*,
    sql_types::{BigInt, Nullable, Timestamptz},
};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::pause::PauseRow;
use crate::{
    domain::{
        audit::Actor,
        chain::Depth,
        id::{ExecutionId, JobId, WorkspaceId},
        job::{Definition, Job, LastExecution},
        ledger::Version,
        request::{Body, Headers, Request},
        statistics::JobHealth,
    },
    store::{
        StoreError,
        columns::{
            ScheduleColumns, flatten, pairs, parse_enum, retried_to_i16s, retry_policy, statuses_from_i16s,
            statuses_to_i16s,
        },
        schema::{executions, job_timers, job_versions, jobs},
    },
};

/// A new row of `job_versions`.
#[derive(Insertable, Serialize)]
#[diesel(table_name = job_versions, treat_none_as_default_value = false)]
pub struct VersionRow<'a> {
    #[serde(serialize_with = "as_text")]
    job_id: Uuid,
    version: i32,
    created_at: DateTime<Utc>,
    name: &'a str,
    state: &'static str,
    tags: &'a [String],
    kind: &'static str,
    every_seconds: Option<i32>,
    cron: Option<String>,
    timezone: Option<String>,
    run_at: Option<DateTime<Utc>>,
    url: &'a str,
    method: &'static str,
    headers: Vec<String>,
    body: Option<&'a str>,
    body_is_json: bool,
    timeout_seconds: i16,
    success_statuses: Vec<i16>,
    max_attempts: i16,
    retry_on_statuses: Vec<i16>,
    concurrency_limit: Option<i32>,
    overlap_policy: &'static str,
    misfire_policy: &'static str,
    catch_up_limit: i16,
    delivery: &'static str,
    secrets: Vec<&'a str>,
    made_at_depth: Depth,
    actor: &'static str,
    #[serde(serialize_with = "as_optional_text")]
    actor_id: Option<Uuid>,
    actor_name: Option<&'a str>,
}

fn as_text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn as_optional_text<S: Serializer>(id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(serializer)
}

impl<'a> VersionRow<'a> {
    pub fn new(
        job: JobId,
        version: i32,
        definition: &'a Definition,
        depth: Depth,
        by: &'a Actor,
        now: DateTime<Utc>,
    ) -> Self {
        let (actor, actor_id, actor_name) = by.columns();
        let ScheduleColumns { every_seconds, cron, timezone, run_at } = (&definition.schedule).into();
        let request = &definition.request;
        Self {
            job_id: job.uuid(),
            version,
            created_at: now,
            name: &definition.name,
            state: definition.state.as_str(),
            tags: &definition.tags,
            kind: definition.schedule.kind().as_str(),
            every_seconds,
            cron,
            timezone,
            run_at,
            url: &request.url,
            method: request.method.as_str(),
            headers: flatten(request.headers.iter()),
            body: request.body.as_ref().map(Body::as_str),
            body_is_json: matches!(request.body, Some(Body::Json(_))),
            timeout_seconds: request.timeout_seconds as i16,
            success_statuses: statuses_to_i16s(&request.success_statuses),
            max_attempts: definition.retry_policy.max_attempts as i16,
            retry_on_statuses: retried_to_i16s(&definition.retry_policy),
            concurrency_limit: definition.concurrency_limit.and_then(|limit| i32::try_from(limit).ok()),
            overlap_policy: definition.overlap_policy.as_str(),
            misfire_policy: definition.misfire_policy.as_str(),
            catch_up_limit: definition.catch_up_limit as i16,
            delivery: definition.delivery.as_str(),
            secrets: request.secrets(),
            made_at_depth: depth,
            actor,
            actor_id,
            actor_name,
        }
    }
}

/// A job with its current version. Fields without a declared type are columns of the version.
#[derive(QueryableByName)]
#[diesel(table_name = job_versions)]
pub struct JobRow {
    #[diesel(sql_type = SqlTypeOf<jobs::id>)]
    id: Uuid,
    #[diesel(sql_type = SqlTypeOf<jobs::workspace_id>)]
    workspace_id: Uuid,
    version: i32,
    #[diesel(sql_type = SqlTypeOf<jobs::key>)]
    key: Option<String>,
    #[diesel(sql_type = SqlTypeOf<jobs::stack>)]
    stack: Option<String>,
    #[diesel(sql_type = SqlTypeOf<jobs::applied_version>)]
    applied_version: Option<i32>,
    #[diesel(sql_type = SqlTypeOf<jobs::state>)]
    job_state: String,
    #[diesel(sql_type = SqlTypeOf<jobs::created_at>)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = SqlTypeOf<jobs::updated_at>)]
    updated_at: DateTime<Utc>,
    name: String,
    state: String,
    tags: Vec<String>,
    every_seconds: Option<i32>,
    cron: Option<String>,
    timezone: Option<String>,
    run_at: Option<DateTime<Utc>>,
    #[diesel(embed)]
    request: RequestRow,
    max_attempts: i16,
    retry_on_statuses: Vec<i16>,
    concurrency_limit: Option<i32>,
    overlap_policy: String,
    misfire_policy: String,
    catch_up_limit: i16,
    delivery: String,
    #[diesel(sql_type = SqlTypeOf<job_timers::next_run_at>)]
    next_run_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = SqlTypeOf<job_timers::error>)]
    schedule_error: Option<String>,
    // A job need not have executed.
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::id>>)]
    last_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::status>>)]
    last_status: Option<String>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::scheduled_for>>)]
    last_scheduled_for: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    failures_in_a_row: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    health_since: Option<DateTime<Utc>>,
    #[diesel(embed)]
    pause: PauseRow,
}

impl JobRow {
    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn into_job(self) -> Result<Job, StoreError> {
        let last_execution = match (self.last_id, self.last_status, self.last_scheduled_for) {
            (Some(id), Some(status), Some(scheduled_for)) => Some(LastExecution {
                id: ExecutionId::from_uuid(id),
                status: parse_enum("executions.status", &status)?,
                scheduled_for,
            }),
            _ => None,
        };
        let Self { every_seconds, cron, timezone, run_at, .. } = self;
        Ok(Job {
            id: JobId::from_uuid(self.id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            version: self.version,
            applied_version: self.applied_version,
            state: parse_enum("jobs.state", &self.job_state)?,
            pause: self.pause.into_pause(),
            next_run_at: self.next_run_at,
            schedule_error: self.schedule_error,
            last_execution,
            health: JobHealth {
                failures_in_a_row: self.failures_in_a_row.unwrap_or(0),
                since: self.health_since,
            },
            created_at: self.created_at,
            updated_at: self.updated_at,
            definition: Definition {
                key: self.key,
                stack: self.stack,
                name: self.name,
                schedule: ScheduleColumns { every_seconds, cron, timezone, run_at }.schedule()?,
                request: self.request.into_request()?,
                retry_policy: retry_policy(self.max_attempts, &self.retry_on_statuses),
                concurrency_limit: self.concurrency_limit.map(i32::unsigned_abs),
                overlap_policy: parse_enum("overlap_policy", &self.overlap_policy)?,
                misfire_policy: parse_enum("misfire_policy", &self.misfire_policy)?,
                catch_up_limit: self.catch_up_limit.unsigned_abs(),
                delivery: parse_enum("delivery", &self.delivery)?,
                tags: self.tags,
                state: parse_enum("job_versions.state", &self.state)?,
            },
        })
    }
}

/// The columns of a version that decide its fires.
#[derive(QueryableByName)]
#[diesel(table_name = job_versions)]
pub struct HistoryRow {
    #[diesel(sql_type = SqlTypeOf<jobs::created_at>)]
    pub job_created_at: DateTime<Utc>,
    pub version: i32,
    created_at: DateTime<Utc>,
    state: String,
    every_seconds: Option<i32>,
    cron: Option<String>,
    timezone: Option<String>,
    run_at: Option<DateTime<Utc>>,
}

impl HistoryRow {
    pub fn into_version(self) -> Result<Version, StoreError> {
        let Self { version, created_at, state, every_seconds, cron, timezone, run_at, .. } = self;
        let schedule = ScheduleColumns { every_seconds, cron, timezone, run_at }.schedule()?;
        Ok(Version {
            number: version,
            created_at,
            state: parse_enum("job_versions.state", &state)?,
            schedule,
        })
    }
}

/// The columns of the request. A lease returns them too.
#[derive(QueryableByName)]
#[diesel(table_name = job_versions)]
pub struct RequestRow {
    pub url: String,
    pub method: String,
    pub headers: Vec<String>,
    pub body: Option<String>,
    pub body_is_json: bool,
    pub timeout_seconds: i16,
    pub success_statuses: Vec<i16>,
}

impl RequestRow {
    pub fn into_request(self) -> Result<Request, StoreError> {
        let body = if self.body_is_json { Body::Json } else { Body::Text };
        Ok(Request {
            url: self.url,
            method: parse_enum("method", &self.method)?,
            headers: Headers::from_stored(pairs(self.headers)),
            body: self.body.map(body),
            timeout_seconds: self.timeout_seconds.unsigned_abs(),
            success_statuses: statuses_from_i16s(&self.success_statuses),
        })
    }
}
