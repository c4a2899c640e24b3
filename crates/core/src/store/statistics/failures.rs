//! Failures by job, hour and cause, and the jobs that fail now.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::hour;
use crate::{
    domain::{
        execution::Status,
        id::{ExecutionId, JobId, WorkspaceId},
        statistics::{CauseJob, FailedJob, Recorded},
    },
    store::{Conn, StoreError, sql::prepared},
};

/// What is counted together: workspace, hour, job, error class and status code, 0 without a response.
type Key = (WorkspaceId, DateTime<Utc>, JobId, String, i16);

struct Failures {
    executions: i64,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    execution: ExecutionId,
}

/// Adds the failures among these executions.
pub async fn write(conn: &mut Conn, ends: &[Recorded]) -> Result<(), StoreError> {
    let mut failures: BTreeMap<Key, Failures> = BTreeMap::new();
    for end in ends.iter().filter(|end| end.status == Status::Failed) {
        let class = end.error_class.clone().unwrap_or_default();
        let key = (end.workspace, hour(end.scheduled_for), end.job, class, end.status_code.unwrap_or(0));
        let (at, execution) = (end.finished_at, end.execution);
        let new = Failures { executions: 0, first_at: at, last_at: at, execution };
        let counted = failures.entry(key).or_insert(new);
        counted.executions += 1;
        counted.first_at = counted.first_at.min(at);
        counted.last_at = counted.last_at.max(at);
        counted.execution = execution;
    }
    if failures.is_empty() { Ok(()) } else { add(conn, &failures).await }
}

async fn add(conn: &mut Conn, failures: &BTreeMap<Key, Failures>) -> Result<(), StoreError> {
    fn keys<'a, T>(failures: &'a BTreeMap<Key, Failures>, part: impl Fn(&'a Key) -> T) -> Vec<T> {
        failures.keys().map(part).collect()
    }
    fn values<T>(failures: &BTreeMap<Key, Failures>, part: impl Fn(&Failures) -> T) -> Vec<T> {
        failures.values().map(part).collect()
    }
    prepared(
        sql_query(
            "insert into stats_failures as f (workspace_id, at, job_id, error_class, status_code, executions, first_at, last_at,
                                              execution_id)
             select * from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::smallint[], $6::bigint[],
                                  $7::timestamptz[], $8::timestamptz[], $9::uuid[])
             on conflict (workspace_id, at, job_id, error_class, status_code) do update set
               executions = f.executions + excluded.executions, first_at = least(f.first_at, excluded.first_at),
               last_at = greatest(f.last_at, excluded.last_at), execution_id = excluded.execution_id",
        )
        .bind::<Array<SqlUuid>, _>(keys(failures, |key| key.0.uuid()))
        .bind::<Array<Timestamptz>, _>(keys(failures, |key| key.1))
        .bind::<Array<SqlUuid>, _>(keys(failures, |key| key.2.uuid()))
        .bind::<Array<Text>, _>(keys(failures, |key| key.3.as_str()))
        .bind::<Array<SmallInt>, _>(keys(failures, |key| key.4))
        .bind::<Array<BigInt>, _>(values(failures, |counted| counted.executions))
        .bind::<Array<Timestamptz>, _>(values(failures, |counted| counted.first_at))
        .bind::<Array<Timestamptz>, _>(values(failures, |counted| counted.last_at))
        .bind::<Array<SqlUuid>, _>(values(failures, |counted| counted.execution.uuid())),
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct FailedRow {
    #[diesel(sql_type = SqlUuid)]
    job_id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(sql_type = Text)]
    error_class: String,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status_code: Option<i16>,
    #[diesel(sql_type = BigInt)]
    executions: i64,
    #[diesel(sql_type = Timestamptz)]
    first_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    last_at: DateTime<Utc>,
    #[diesel(sql_type = SqlUuid)]
    execution_id: Uuid,
    #[diesel(sql_type = Nullable<BigInt>)]
    failures_in_a_row: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    failing_since: Option<DateTime<Utc>>,
}

impl From<FailedRow> for FailedJob {
    fn from(row: FailedRow) -> Self {
        Self {
            host: row.host,
            error_class: row.error_class,
            status_code: row.status_code,
            first_at: row.first_at,
            last_at: row.last_at,
            executions: row.executions,
            execution: ExecutionId::from_uuid(row.execution_id),
            job: CauseJob {
                id: JobId::from_uuid(row.job_id),
                name: row.name,
                failures_in_a_row: row.failures_in_a_row.unwrap_or(0),
                failing_since: row.failing_since,
            },
        }
    }
}

/// The statement of [`failing_jobs`], for the test of its plan.
pub const FAILING_JOBS: &str = "
    select h.job_id, j.name, j.host, h.error_class, h.status_code, h.failures_in_a_row as executions, h.since as first_at,
           h.failed_at as last_at, h.execution_id, h.failures_in_a_row, h.since as failing_since
    from (select * from job_health where workspace_id = $1 and state = 'failing' and job_id < $2 order by job_id desc limit $3) h
    join lateral (select * from jobs j where j.id = h.job_id limit 1) j on true";

/// The jobs that fail now, newest jobs first, at most `limit`.
pub async fn failing_jobs(
    conn: &mut Conn,
    workspace: WorkspaceId,
    limit: i64,
) -> Result<Vec<FailedJob>, StoreError> {
    let rows: Vec<FailedRow> = prepared(
        sql_query(FAILING_JOBS)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(Uuid::max())
            .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(FailedJob::from).collect())
}

/// The statement of [`failures`], for the test of its plan.
pub const FAILURES: &str = "
    select f.job_id, j.name, j.host, f.error_class, nullif(f.status_code, 0) as status_code, f.executions, f.first_at, f.last_at,
           f.execution_id, h.failures_in_a_row, h.since as failing_since
    from (select * from stats_failures where (workspace_id, at) >= ($1, $2) and (workspace_id, at) < ($1, $3)
          order by workspace_id desc, at desc limit $4) f
    join lateral (select * from jobs j where j.id = f.job_id limit 1) j on true
    left join lateral (select * from job_health h where h.job_id = f.job_id and h.state = 'failing' limit 1) h on true";

/// Failures of the hours of this time by job and cause, the latest `limit`.
pub async fn failures(
    conn: &mut Conn,
    workspace: WorkspaceId,
    (since, to): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<Vec<FailedJob>, StoreError> {
    let rows: Vec<FailedRow> = prepared(
        sql_query(FAILURES)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Timestamptz, _>(hour(since))
            .bind::<Timestamptz, _>(to)
            .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(FailedJob::from).collect())
}

/// How many executions of a job failed in an hour for a class of errors.
#[derive(QueryableByName)]
pub struct ClassFailures {
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub error_class: String,
    #[diesel(sql_type = BigInt)]
    pub failed: i64,
}

/// Failures by hour and class of errors, of these jobs or of all.
pub async fn failures_by_class(
    conn: &mut Conn,
    workspace: WorkspaceId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    jobs: Option<&[JobId]>,
) -> Result<Vec<ClassFailures>, StoreError> {
    let jobs = jobs.map(|jobs| jobs.iter().map(|job| job.uuid()).collect::<Vec<_>>());
    let rows = prepared(
        sql_query(
            "select at, error_class, sum(executions)::bigint as failed from stats_failures
             where (workspace_id, at) >= ($1, $2) and (workspace_id, at) < ($1, $3) and case when job_id = any($4) then true else $4 is null end
             group by at, error_class",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Timestamptz, _>(from)
        .bind::<Timestamptz, _>(to)
        .bind::<Nullable<Array<SqlUuid>>, _>(jobs),
    )
    .load(conn)
    .await?;
    Ok(rows)
}
