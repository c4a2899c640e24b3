//! A job's rows, to and from the domain. Private to the jobs' store.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::NewJob;
use crate::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        job::{Definition, Job, LastExecution},
        ledger::Version,
        request::{Body, Headers, Request},
        retry::RetryPolicy,
    },
    store::{
        StoreError,
        columns::{ScheduleColumns, flatten, from_i16s, pairs, parse_enum, to_i16s},
        schema::{job_versions, jobs},
    },
};

/// What a job begins with in `jobs`.
#[derive(Insertable)]
#[diesel(table_name = jobs, treat_none_as_default_value = false)]
pub struct NewJobRow<'a> {
    id: Uuid,
    workspace_id: Uuid,
    version: i32,
    name: &'a str,
    kind: &'static str,
    state: &'static str,
    tags: &'a [String],
    idempotency_key: Option<&'a str>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl<'a> NewJobRow<'a> {
    pub fn new(workspace: WorkspaceId, new: &NewJob<'a>) -> Self {
        let definition = new.definition;
        Self {
            id: new.id.uuid(),
            workspace_id: workspace.uuid(),
            version: 1,
            name: &definition.name,
            kind: definition.schedule.kind().as_str(),
            state: definition.state.as_str(),
            tags: &definition.tags,
            idempotency_key: new.idempotency_key,
            created_at: new.now,
            updated_at: new.now,
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = job_versions, treat_none_as_default_value = false)]
pub struct VersionRow<'a> {
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
}

impl<'a> VersionRow<'a> {
    pub fn new(job: JobId, version: i32, definition: &'a Definition, now: DateTime<Utc>) -> Self {
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
            success_statuses: to_i16s(&request.success_statuses),
            max_attempts: definition.retry_policy.max_attempts as i16,
            retry_on_statuses: to_i16s(&definition.retry_policy.retry_on_statuses),
            concurrency_limit: definition.concurrency_limit.and_then(|limit| i32::try_from(limit).ok()),
            overlap_policy: definition.overlap_policy.as_str(),
            misfire_policy: definition.misfire_policy.as_str(),
            catch_up_limit: definition.catch_up_limit as i16,
            delivery: definition.delivery.as_str(),
            secrets: request.secrets(),
        }
    }
}

#[derive(QueryableByName)]
pub struct JobRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    workspace_id: Uuid,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    job_state: String,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    updated_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Array<Text>)]
    tags: Vec<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    every_seconds: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    cron: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    timezone: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    run_at: Option<DateTime<Utc>>,
    #[diesel(embed)]
    request: RequestRow,
    #[diesel(sql_type = SmallInt)]
    max_attempts: i16,
    #[diesel(sql_type = Array<SmallInt>)]
    retry_on_statuses: Vec<i16>,
    #[diesel(sql_type = Nullable<Integer>)]
    concurrency_limit: Option<i32>,
    #[diesel(sql_type = Text)]
    overlap_policy: String,
    #[diesel(sql_type = Text)]
    misfire_policy: String,
    #[diesel(sql_type = SmallInt)]
    catch_up_limit: i16,
    #[diesel(sql_type = Text)]
    delivery: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    next_run_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    schedule_error: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    last_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    last_status: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_scheduled_for: Option<DateTime<Utc>>,
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
            state: parse_enum("jobs.state", &self.job_state)?,
            next_run_at: self.next_run_at,
            schedule_error: self.schedule_error,
            last_execution,
            created_at: self.created_at,
            updated_at: self.updated_at,
            definition: Definition {
                name: self.name,
                schedule: ScheduleColumns { every_seconds, cron, timezone, run_at }.schedule()?,
                request: self.request.into_request()?,
                retry_policy: RetryPolicy {
                    max_attempts: self.max_attempts.unsigned_abs(),
                    retry_on_statuses: from_i16s(&self.retry_on_statuses),
                },
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

/// A version, as far as the fires depend on it.
#[derive(QueryableByName)]
pub struct HistoryRow {
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Integer>)]
    every_seconds: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    cron: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    timezone: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    run_at: Option<DateTime<Utc>>,
}

impl HistoryRow {
    pub fn into_version(self) -> Result<Version, StoreError> {
        let Self { created_at, state, every_seconds, cron, timezone, run_at } = self;
        let schedule = ScheduleColumns { every_seconds, cron, timezone, run_at }.schedule()?;
        Ok(Version { created_at, state: parse_enum("job_versions.state", &state)?, schedule })
    }
}

/// The columns of [`RequestRow`], in their order.
pub type RequestColumns = (Text, Text, Array<Text>, Nullable<Text>, Bool, SmallInt, Array<SmallInt>);

/// The columns that say what is sent; a lease returns them too.
#[derive(Queryable, QueryableByName)]
pub struct RequestRow {
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Array<Text>)]
    headers: Vec<String>,
    #[diesel(sql_type = Nullable<Text>)]
    body: Option<String>,
    #[diesel(sql_type = Bool)]
    body_is_json: bool,
    #[diesel(sql_type = SmallInt)]
    timeout_seconds: i16,
    #[diesel(sql_type = Array<SmallInt>)]
    success_statuses: Vec<i16>,
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
            success_statuses: from_i16s(&self.success_statuses),
        })
    }
}
