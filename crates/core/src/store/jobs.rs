//! Jobs: identity and current state in `jobs`, every definition in `job_versions`, the next fire in `job_timers`.

use chrono::{DateTime, Utc};
use diesel::{
    sql_query,
    sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

mod change;
mod create;
mod delete;
mod idempotency;
pub(super) mod row;

pub use change::change;
pub use create::{NewJob, insert, insert_all, insert_unlocked};
pub use delete::{delete, purge_deleted};
pub use idempotency::{
    GroupedJob, IdempotentJob, find_by_idempotency_key, find_group, insert_group, key_in_group,
};

use super::{
    Conn, StoreError,
    columns::SearchedRow,
    executions,
    schema::{job_timers, job_versions, jobs},
    sql::prepared,
    timers::NewTimer,
};
use crate::domain::{
    chain::Depth,
    execution::Source,
    id::{ExecutionId, JobId, WorkspaceId},
    job::{Definition, Job, JobState},
    ledger,
    page::{List, Page, max_rows_searched},
    schedule::Kind,
};
use row::{HistoryRow, JobRow, VersionRow};

diesel::joinable!(job_versions -> jobs (job_id));
diesel::allow_tables_to_appear_in_same_query!(job_versions, jobs);

/// Everything about each of `$jobs`, newest first, one row each. `$2` is the smallest execution id of the current instant: planned fires have
/// larger ids. The jobs are selected first, because searching a job's executions costs more than reading the job. `$body` is what is read of
/// the body of the request. `$more` names further columns of `$jobs`. Jobs and ids of runs are compared and ordered together, as in the lists
/// of executions: a plan that is made while there are few runs must not read those of all jobs later.
macro_rules! select_jobs {
    ($body:literal, $jobs:expr, $more:literal) => {
        concat!(
            "select j.id, j.workspace_id, j.version, j.state as job_state, j.created_at, j.updated_at,
                    v.name, v.state, v.tags, v.every_seconds, v.cron, v.timezone, v.run_at, v.url, v.method, v.headers,
                    ",
            $body,
            ", v.body_is_json, v.timeout_seconds, v.success_statuses, v.max_attempts, v.retry_on_statuses,
                    v.concurrency_limit, v.overlap_policy, v.misfire_policy, v.catch_up_limit, v.delivery,
                    least(t.next_run_at, planned.scheduled_for) as next_run_at, t.error as schedule_error,
                    last.id as last_id, last.status as last_status, last.scheduled_for as last_scheduled_for",
            $more,
            " from (",
            $jobs,
            ") j
             join job_versions v on v.job_id = j.id and v.version = j.version
             left join job_timers t on t.job_id = j.id
             left join lateral (
                 select e.scheduled_for from runs e
                 where (e.job_id, e.id) >= (j.id, $2) and (e.job_id, e.id) <= (j.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                   and e.source = 'schedule' and e.status = 'queued' and e.scheduled_for > clock_timestamp()
                 order by e.job_id, e.id limit 1) planned on true
             left join lateral (
                 select * from (
                     (select e.id, e.status, e.scheduled_for from runs e
                      where (e.job_id, e.id) >= (j.id, '00000000-0000-0000-0000-000000000000')
                        and (e.job_id, e.id) <= (j.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and e.scheduled_for <= clock_timestamp()
                      order by e.job_id desc, e.id desc limit 1)
                     union all
                     (select e.id, e.status, e.scheduled_for from executions e
                      where e.job_id = j.id and e.scheduled_for <= clock_timestamp() order by e.id desc limit 1)) e
                 order by e.id desc limit 1) last on true
             order by j.id desc"
        )
    };
}

use select_jobs;

pub async fn get(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    now: DateTime<Utc>,
) -> Result<Job, StoreError> {
    let row: JobRow = prepared(
        sql_query(select_jobs!("v.body", "select * from jobs where workspace_id = $1 and id = $3", ""))
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(now))
            .bind::<SqlUuid, _>(id.uuid()),
    )
    .get_result(conn)
    .await?;
    row.into_job()
}

/// The versions of a job, as far as they decide its fires; oldest first. [`StoreError::NotFound`] without the job.
pub async fn history(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
) -> Result<Vec<ledger::Version>, StoreError> {
    let rows: Vec<HistoryRow> = prepared(
        sql_query(
            "select v.created_at, v.state, v.every_seconds, v.cron, v.timezone, v.run_at
             from jobs j join job_versions v on v.job_id = j.id
             where j.workspace_id = $1 and j.id = $2 order by v.version",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(id.uuid()),
    )
    .load(conn)
    .await?;
    if rows.is_empty() {
        return Err(StoreError::NotFound);
    }
    rows.into_iter().map(HistoryRow::into_version).collect()
}

/// Filters of a list. The default matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<JobState>,
    pub kind: Option<Kind>,
    pub tag: Option<String>,
    /// A substring of the name, regardless of case in any alphabet. (Postgres's default collation may know ASCII only. In upper case, no
    /// letter depends on its place in the word.)
    pub q: Option<String>,
}

/// The statement of [`list`], for the test of its plan. The limit of the index scan separates it from the filters, which are inside a
/// `case`, so that it reads in order and stops when the page is full: see `executions::list`.
pub const LIST: &str = select_jobs!(
    "null as body",
    concat!(
        "select * from (
             select j.*, j.number = ",
        max_rows_searched!(),
        " as is_last,
                    case when state = $3 then true else $3::text is null end
                    and case when kind = $4 then true else $4::text is null end
                    and case when $5 = any(tags) then true else $5::text is null end
                    and case when position(upper($6 collate \"und-x-icu\") in upper(name collate \"und-x-icu\")) > 0 then true else $6::text is null end as matches
             from (
                 select j.*, row_number() over () as number
                 from (select * from jobs where (workspace_id, id) < ($1, $7) and workspace_id >= $1 order by workspace_id desc, id desc limit ",
        max_rows_searched!(),
        ") j) j) j
         where matches or is_last limit $8"
    ),
    ", j.matches, j.is_last"
);

/// Newest first, without the bodies of the requests: a page of them could be 64 MiB. A page may be short, or even empty, and have a next one: see [`MAX_ROWS_SEARCHED`].
///
/// [`MAX_ROWS_SEARCHED`]: crate::domain::page::MAX_ROWS_SEARCHED
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
    now: DateTime<Utc>,
) -> Result<List<Job>, StoreError> {
    let rows: Vec<SearchedRow<JobRow>> = prepared(
        sql_query(LIST)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(now))
            .bind::<Nullable<Text>, _>(filter.state.map(JobState::as_str))
            .bind::<Nullable<Text>, _>(filter.kind.map(Kind::as_str))
            .bind::<Nullable<Text>, _>(filter.tag.as_deref())
            .bind::<Nullable<Text>, _>(filter.q.as_deref())
            .bind::<SqlUuid, _>(page.before.unwrap_or_else(Uuid::max))
            .bind::<BigInt, _>(page.limit + 1),
    )
    .load(conn)
    .await?;
    let rows = rows.into_iter().map(Into::into).collect();
    List::from_search(rows, page, JobRow::id).try_map(JobRow::into_job)
}

struct Start<'a> {
    depth: Depth,
    version: i32,
    definition: &'a Definition,
    anchor: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    traceparent: Option<&'a str>,
    now: DateTime<Utc>,
}

impl Start<'_> {
    fn timer(&self, workspace: WorkspaceId, id: JobId) -> Option<NewTimer> {
        let Self { version, definition, anchor, next, .. } = *self;
        Some(NewTimer::new((workspace, id), version, definition, anchor, next?))
    }
}

/// Sets the timer of an active job, or creates the one execution of a `one_time` job.
async fn start(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    start: Start<'_>,
) -> Result<Option<ExecutionId>, StoreError> {
    if start.definition.runs_at_once() {
        let Start { depth, traceparent, now, .. } = start;
        let run = executions::NewRun {
            source: Source::OneTime,
            replay_of: None,
            traceparent,
            depth,
            key: None,
            now,
        };
        return executions::insert_now(conn, workspace, id, run).await.map(Some);
    }
    if let Some(timer) = start.timer(workspace, id) {
        diesel::insert_into(job_timers::table).values(timer).execute(conn).await?;
    }
    Ok(None)
}

async fn insert_version(
    conn: &mut Conn,
    id: JobId,
    version: i32,
    definition: &Definition,
    depth: Depth,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(job_versions::table)
        .values(VersionRow::new(id, version, definition, depth, now))
        .execute(conn)
        .await?;
    Ok(())
}
