//! Reads sums of a workspace.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::{
    recorded::{RecordedRow, recorded_columns},
    sums::SumsRow,
};
use crate::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        statistics::{Recorded, Sums},
    },
    store::{
        Conn, StoreError,
        sql::{prepared, prepared_as},
    },
};

/// From (inclusive) and to (exclusive).
type Span = (DateTime<Utc>, DateTime<Utc>);

#[derive(QueryableByName)]
struct MinuteRow {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(embed)]
    sums: SumsRow,
}

/// The minutes of a workspace: at most 1,800 are kept.
pub async fn minutes(
    conn: &mut Conn,
    workspace: WorkspaceId,
    (from, to): Span,
) -> Result<Vec<(DateTime<Utc>, Sums)>, StoreError> {
    let rows: Vec<MinuteRow> = prepared(
        sql_query(
            "select at, succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration from stats_minutes
             where (workspace_id, at) >= ($1, $2) and (workspace_id, at) < ($1, $3)",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Timestamptz, _>(from)
        .bind::<Timestamptz, _>(to),
    )
    .load(conn)
    .await?;
    rows.into_iter().map(|row| Ok((row.at, row.sums.into_sums()?))).collect()
}

/// An hour of a host.
pub type HostSums = (String, DateTime<Utc>, Sums);

#[derive(QueryableByName)]
struct HostRow {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    host: String,
    #[diesel(embed)]
    sums: SumsRow,
}

/// The statement of [`hosts`], for the test of its plan. Workspace and time are compared and ordered together: the index of the time alone has
/// the hours of all workspaces.
pub const HOSTS: &str = "
    select at, host, succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration from stats_hosts
    where (workspace_id, at) >= ($1, $2) and (workspace_id, at) < ($1, $3) and case when host = $4 then true else $4::text is null end
    order by workspace_id, at limit $5";

/// Gives the hours of all hosts of a workspace, or of one of them, to `use_row`, at most `limit`; returns how many.
pub async fn hosts(
    conn: &mut Conn,
    workspace: WorkspaceId,
    (from, to): Span,
    host: Option<&str>,
    limit: i64,
    mut use_row: impl FnMut(HostSums),
) -> Result<i64, StoreError> {
    let query = prepared(
        sql_query(HOSTS)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Timestamptz, _>(from)
            .bind::<Timestamptz, _>(to)
            .bind::<Nullable<Text>, _>(host)
            .bind::<BigInt, _>(limit),
    );
    let mut rows = query.load_stream::<HostRow>(conn).await?;
    let mut read = 0;
    while let Some(row) = rows.try_next().await? {
        use_row((row.host, row.at, row.sums.into_sums()?));
        read += 1;
    }
    Ok(read)
}

/// An hour of a job.
pub type JobSums = (JobId, DateTime<Utc>, Sums);

#[derive(QueryableByName)]
struct JobRow {
    #[diesel(sql_type = SqlUuid)]
    job_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(embed)]
    sums: SumsRow,
}

/// The statement of [`hours`], for the test of its plan.
pub const HOURS: &str = "
    select job_id, at, succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration from stats_hours
    where (workspace_id, at) >= ($1, $2) and (workspace_id, at) < ($1, $3) order by workspace_id, at limit $4";

/// The hours of one job: each is found by its key.
pub const HOURS_OF_JOB: &str = "
    select s.job_id, s.at, succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration
    from generate_series($2, $3 - interval '1 second', interval '1 hour') as wanted(at)
    join lateral (select * from stats_hours s where s.workspace_id = $1 and s.at = wanted.at and s.job_id = $5 limit 1) s on true
    limit $4";

/// Gives the hours of all jobs of a workspace, or of one of them, to `use_row`, at most `limit`; returns how many.
pub async fn hours(
    conn: &mut Conn,
    workspace: WorkspaceId,
    (from, to): Span,
    job: Option<JobId>,
    limit: i64,
    mut use_row: impl FnMut(JobSums),
) -> Result<i64, StoreError> {
    let query = sql_query(if job.is_some() { HOURS_OF_JOB } else { HOURS })
        .into_boxed()
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Timestamptz, _>(from)
        .bind::<Timestamptz, _>(to)
        .bind::<BigInt, _>(limit);
    let query = match job {
        Some(job) => query.bind::<SqlUuid, _>(job.uuid()),
        None => query,
    };
    let mut rows = prepared(query).load_stream::<JobRow>(conn).await?;
    let mut read = 0;
    while let Some(row) = rows.try_next().await? {
        use_row((JobId::from_uuid(row.job_id), row.at, row.sums.into_sums()?));
        read += 1;
    }
    Ok(read)
}

/// The statement of [`of_job`], for the test of its plan.
pub const OF_JOB: &str = concat!(
    "select ",
    recorded_columns!(duration_us = "(extract(epoch from finished_at - started_at) * 1000000)::bigint",),
    " from executions where workspace_id = $1 and job_id = $2 and id >= $3 and id < $4 order by id desc limit $5"
);

/// The ended executions of a job that were due in the span, the latest `limit`.
pub async fn of_job(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    (from, to): Span,
    limit: i64,
) -> Result<Vec<Recorded>, StoreError> {
    let rows: Vec<RecordedRow> = prepared_as::<RecordedRow, _>(
        sql_query(OF_JOB)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(job.uuid())
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(from))
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(to))
            .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    rows.into_iter().map(RecordedRow::into_recorded).collect()
}

/// What statistics show of a job.
#[derive(QueryableByName)]
pub struct JobLabel {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Array<Text>)]
    pub tags: Vec<String>,
}

impl JobLabel {
    pub const fn job(&self) -> JobId {
        JobId::from_uuid(self.id)
    }
}

/// The statement of [`labels`], for the test of its plan.
pub const LABELS: &str = "
    select id, name, tags from (select * from jobs where workspace_id = $1 order by workspace_id, id limit $4) j
    where case when host = $2 then true else $2::text is null end and case when $3 = any(tags) then true else $3::text is null end";

/// The jobs with this host and tag, of the oldest `limit` jobs of the workspace.
pub async fn labels(
    conn: &mut Conn,
    workspace: WorkspaceId,
    (host, tag): (Option<&str>, Option<&str>),
    limit: i64,
) -> Result<Vec<JobLabel>, StoreError> {
    let rows = prepared(
        sql_query(LABELS)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Nullable<Text>, _>(host)
            .bind::<Nullable<Text>, _>(tag)
            .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    Ok(rows)
}
