//! Lists of executions: one statement per way to filter.
//!
//! A workspace may have millions of executions, a page has fifty. Each statement reads one index, newest first, and stops when the page is
//! full. The index scan is behind `offset 0`. Otherwise Postgres would assume that the filters around it match next to nothing, and would
//! read and sort all rows.

use chrono::{DateTime, Utc};
use diesel::{
    sql_query,
    sql_types::{Array, BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    ID_MARGIN,
    row::{ExecutionRow, Id},
};
use crate::{
    domain::{
        execution::{Execution, Source, Status},
        id::{ExecutionId, JobId, WorkspaceId},
        page::{List, Page},
        workspace::shard,
    },
    store::{Conn, StoreError, sql::prepared},
};

/// Filters of a list. The default matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<Status>,
    pub source: Option<Source>,
    pub job: Option<JobId>,
    /// A substring of the job's name, regardless of case.
    pub job_name: Option<String>,
    /// `scheduled_for` is in `[from, to)`.
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// The columns of a row. The job's name is null if the job does not exist or belongs to another workspace.
macro_rules! columns {
    () => {
        "e.id, e.workspace_id, e.job_id, e.version, e.status, e.source, e.scheduled_for, e.started_at, e.finished_at,
         e.lateness_us, e.attempt_count, e.error_class, e.replay_of, e.skip_reason, e.skip_count, e.skip_last,
         (select j.name from jobs j where j.id = e.job_id and j.workspace_id = e.workspace_id and j.workspace_id = $1)
             as job_name"
    };
}

/// All executions `$from`, newest first, between two ids. The lower bound compares pairs (a version is never negative), because Postgres
/// assumes that a range with two plain bounds is nearly empty.
macro_rules! walk {
    ($from:literal) => {
        concat!(
            "(select ",
            columns!(),
            " from ",
            $from,
            " and e.id < $2 and (e.id, e.version) >= ($3, 0) order by e.id desc offset 0) e"
        )
    };
}

/// The matching rows of a walk, up to one more than a page. Postgres does not estimate conditions inside a `case`. Otherwise it would expect few rows,
/// and would read and sort all of them.
macro_rules! wanted {
    ($from:literal) => {
        concat!(
            "select * from ",
            walk!($from),
            " where job_name is not null
                and case when status = $4 then true else $4::text is null end
                and case when source = $5 then true else $5::text is null end
                and case when job_id = $6 then true else $6::uuid is null end
                and case when position(lower($7) in lower(job_name)) > 0 then true else $7::text is null end
                and case when scheduled_for >= $8 then true else $8::timestamptz is null end
                and case when scheduled_for < $9 then true else $9::timestamptz is null end
              limit $10"
        )
    };
}

const ALL: &str = wanted!("executions e where e.workspace_id = $1");
const OF_JOB: &str = wanted!("executions e where e.job_id = $6");
const UNSUCCESSFUL: &str = wanted!(
    "executions e where e.workspace_id = $1 and (e.error_class is not null or e.skip_reason is not null)"
);
/// Open executions are few and are found by their shard. Only they are sorted.
const OPEN: &str = wanted!(
    "(select * from executions where finished_at is null and shard = $11 offset 0) e
     where e.workspace_id = $1 and e.status = $4"
);
const ASKED_FOR: &str =
    wanted!("executions e where e.workspace_id = $1 and e.source = $5 and e.source <> 'schedule'");
/// A page of each of these jobs, and of those rows the newest.
const OF_JOBS: &str = concat!(
    "select e.* from unnest($12::uuid[]) as named(id) cross join lateral (",
    wanted!("executions e where e.job_id = named.id"),
    ") e order by e.id desc limit $10"
);

/// The statements of [`list`], for the test of their plans.
pub const LISTS: [&str; 6] = [ALL, OF_JOB, UNSUCCESSFUL, OPEN, ASKED_FOR, OF_JOBS];

/// The statement that reads the fewest rows.
fn statement(filter: &Filter, named: Option<&[Uuid]>) -> &'static str {
    match filter {
        Filter { job: Some(_), .. } => OF_JOB,
        Filter { status: Some(Status::Queued | Status::Running | Status::Retrying), .. } => OPEN,
        Filter { status: Some(Status::Failed | Status::Cancelled | Status::Skipped), .. } => UNSUCCESSFUL,
        _ if named.is_some() => OF_JOBS,
        Filter { source: Some(Source::Manual | Source::OneTime | Source::Replay), .. } => ASKED_FOR,
        _ => ALL,
    }
}

/// Newest first by due time; without attempts.
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
) -> Result<List<Execution>, StoreError> {
    let named = match &filter.job_name {
        Some(name) => jobs_named(conn, workspace, name).await?,
        None => None,
    };
    let from = filter.from.map_or(Uuid::nil(), |from| ExecutionId::lower_bound(from - ID_MARGIN));
    let rows: Vec<ExecutionRow> = prepared(
        sql_query(statement(filter, named.as_deref()))
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(upper_bound(filter, page))
            .bind::<SqlUuid, _>(from)
            .bind::<Nullable<Text>, _>(filter.status.map(Status::as_str))
            .bind::<Nullable<Text>, _>(filter.source.map(Source::as_str))
            .bind::<Nullable<SqlUuid>, _>(filter.job.map(JobId::uuid))
            .bind::<Nullable<Text>, _>(filter.job_name.as_deref())
            .bind::<Nullable<Timestamptz>, _>(filter.from)
            .bind::<Nullable<Timestamptz>, _>(filter.to)
            .bind::<BigInt, _>(page.limit + 1)
            .bind::<SmallInt, _>(shard(workspace))
            .bind::<Array<SqlUuid>, _>(named.unwrap_or_default()),
    )
    .load(conn)
    .await?;
    List::from_rows(rows, page, ExecutionRow::id).try_map(ExecutionRow::into_execution)
}

fn upper_bound(filter: &Filter, page: Page) -> Uuid {
    let to = filter.to.map_or(Uuid::max(), |to| ExecutionId::lower_bound(to + ID_MARGIN));
    page.before.map_or(to, |before| to.min(before))
}

/// With more matching jobs than this, executions are not searched job by job: a scan of all executions soon finds some.
const MAX_NAMED_JOBS: usize = 30;

/// The jobs whose names contain `part`; `None` if they are many.
async fn jobs_named(
    conn: &mut Conn,
    workspace: WorkspaceId,
    part: &str,
) -> Result<Option<Vec<Uuid>>, StoreError> {
    let rows: Vec<Id> = prepared(
        sql_query(
            "select id from (select id, name from jobs where workspace_id = $1 offset 0) j
             where position(lower($2) in lower(name)) > 0 limit $3",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Text, _>(part)
        .bind::<BigInt, _>(MAX_NAMED_JOBS as i64 + 1),
    )
    .load(conn)
    .await?;
    Ok((rows.len() <= MAX_NAMED_JOBS).then(|| rows.into_iter().map(|row| row.id).collect()))
}
