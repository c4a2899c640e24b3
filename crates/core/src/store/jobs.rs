//! Jobs: identity and present state in `jobs`, every definition they ever had in `job_versions`, the next fire in `job_timers`.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;

mod change;
mod delete;
pub(super) mod row;

pub use change::{Change, Timing, change};
pub use delete::{delete, sweep_deleted};

use super::{
    Conn, StoreError, executions,
    quotas::{self, Counted},
    schema::{job_versions, jobs},
    sql::prepared,
    timers,
};
use crate::domain::{
    execution::Source,
    id::{ExecutionId, JobId, WorkspaceId},
    job::{Definition, Job, State},
    ledger,
    page::{List, Page},
    schedule::Kind,
};
use row::{HistoryRow, JobRow, NewJobRow, VersionRow};

diesel::joinable!(job_versions -> jobs (job_id));
diesel::allow_tables_to_appear_in_same_query!(job_versions, jobs);

/// A job to be created, its first fire already computed.
pub struct NewJob<'a> {
    pub id: JobId,
    pub definition: &'a Definition,
    pub idempotency_key: Option<&'a str>,
    pub now: DateTime<Utc>,
    pub first_fire: Option<DateTime<Utc>>,
    pub traceparent: Option<&'a str>,
}

/// Creates the job with its first version and its timer; a `one_time` job that is active gets its execution at once.
///
/// [`StoreError::Conflict`] `jobs_idempotency_key` when the workspace already has a job under that key, `quota` when it would have
/// more than `most`.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: &NewJob<'_>,
    most: Option<u32>,
) -> Result<Option<ExecutionId>, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        diesel::insert_into(jobs::table).values(NewJobRow::new(workspace, new)).execute(conn).await?;
        quotas::check(conn, workspace, Counted::Jobs, most).await?;
        insert_version(conn, new.id, 1, new.definition, new.now).await?;
        start(conn, workspace, new.id, Start::of(new)).await
    })
    .await
}

/// So many rows go into one statement: few enough that none of them comes near a timeout.
const BATCH: usize = 100;

/// Creates all of the jobs or none, each as [`insert`] would.
pub async fn insert_all(
    conn: &mut Conn,
    workspace: WorkspaceId,
    all: &[NewJob<'_>],
    most: Option<u32>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        for batch in all.chunks(BATCH) {
            let made: Vec<_> = batch.iter().map(|new| NewJobRow::new(workspace, new)).collect();
            diesel::insert_into(jobs::table).values(made).execute(conn).await?;
            let versions: Vec<_> =
                batch.iter().map(|new| VersionRow::new(new.id, 1, new.definition, new.now)).collect();
            diesel::insert_into(job_versions::table).values(versions).execute(conn).await?;
            for new in batch {
                start(conn, workspace, new.id, Start::of(new)).await?;
            }
        }
        quotas::check(conn, workspace, Counted::Jobs, most).await
    })
    .await
}

/// A job that was created under an idempotency key, and what it was created as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    pub id: JobId,
    pub url: String,
    pub cron: Option<String>,
    pub timezone: Option<String>,
}

/// The jobs that were created under these keys before, by key.
pub async fn find_by_idempotency_keys(
    conn: &mut Conn,
    workspace: WorkspaceId,
    keys: &[&str],
) -> Result<HashMap<String, Keyed>, StoreError> {
    type Row = (Option<String>, Uuid, String, Option<String>, Option<String>);
    let found: Vec<Row> = jobs::table
        .inner_join(job_versions::table)
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::idempotency_key.eq_any(keys))
        .filter(job_versions::version.eq(1))
        .select((
            jobs::idempotency_key,
            jobs::id,
            job_versions::url,
            job_versions::cron,
            job_versions::timezone,
        ))
        .load(conn)
        .await?;
    let keyed = |(key, id, url, cron, timezone): Row| {
        Some((key?, Keyed { id: JobId::from_uuid(id), url, cron, timezone }))
    };
    Ok(found.into_iter().filter_map(keyed).collect())
}

/// Everything about each of `$jobs`, newest first, in one row. `$2` is the smallest execution id of the present moment: planned fires
/// lie above it. Which jobs they are is settled first: to look for a job's executions costs more than to read the job.
macro_rules! select_jobs {
    ($jobs:literal) => {
        concat!(
            "select j.id, j.workspace_id, j.version, j.state as job_state, j.created_at, j.updated_at,
                    v.name, v.state, v.tags, v.every_seconds, v.cron, v.timezone, v.run_at, v.url, v.method, v.headers,
                    v.body, v.body_is_json, v.timeout_seconds, v.success_statuses, v.max_attempts, v.retry_on_statuses,
                    v.concurrency_limit, v.overlap_policy, v.misfire_policy, v.catch_up_limit, v.delivery,
                    least(t.next_run_at, planned.scheduled_for) as next_run_at, t.error as schedule_error,
                    last.id as last_id, last.status as last_status, last.scheduled_for as last_scheduled_for
             from (",
            $jobs,
            ") j
             join job_versions v on v.job_id = j.id and v.version = j.version
             left join job_timers t on t.job_id = j.id
             left join lateral (
                 select e.scheduled_for from executions e
                 where e.job_id = j.id and e.id >= $2 and e.source = 'schedule' and e.status = 'queued'
                   and e.scheduled_for > clock_timestamp()
                 order by e.id limit 1) planned on true
             left join lateral (
                 select e.id, e.status, e.scheduled_for from executions e
                 where e.job_id = j.id and e.scheduled_for <= clock_timestamp()
                 order by e.id desc limit 1) last on true
             order by j.id desc"
        )
    };
}

pub async fn get(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    now: DateTime<Utc>,
) -> Result<Job, StoreError> {
    let row: JobRow = prepared(
        sql_query(select_jobs!("select * from jobs where workspace_id = $1 and id = $3"))
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(now))
            .bind::<SqlUuid, _>(id.uuid()),
    )
    .get_result(conn)
    .await?;
    row.into_job()
}

/// What the owner wanted and when, as far as the fires depend on it; oldest first. [`StoreError::NotFound`] without the job.
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

/// What a list may be narrowed by; nothing given means everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<State>,
    pub kind: Option<Kind>,
    pub tag: Option<String>,
    /// Part of the name, in any case.
    pub q: Option<String>,
}

/// The statement of [`list`], for the test of its plan. The walk stands behind `offset 0` and the filters inside a `case`, so that it
/// goes in order and stops when the page is full: see `executions::list`.
pub const LIST: &str = select_jobs!(
    "select * from (select * from jobs where workspace_id = $1 and id < $7 order by id desc offset 0) j
     where case when state = $3 then true else $3::text is null end
       and case when kind = $4 then true else $4::text is null end
       and case when $5 = any(tags) then true else $5::text is null end
       and case when position(lower($6) in lower(name)) > 0 then true else $6::text is null end
     limit $8"
);

/// Newest first.
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
    now: DateTime<Utc>,
) -> Result<List<Job>, StoreError> {
    let rows: Vec<JobRow> = prepared(
        sql_query(LIST)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(now))
            .bind::<Nullable<Text>, _>(filter.state.map(State::as_str))
            .bind::<Nullable<Text>, _>(filter.kind.map(Kind::as_str))
            .bind::<Nullable<Text>, _>(filter.tag.as_deref())
            .bind::<Nullable<Text>, _>(filter.q.as_deref())
            .bind::<SqlUuid, _>(page.before.unwrap_or_else(Uuid::max))
            .bind::<BigInt, _>(page.limit + 1),
    )
    .load(conn)
    .await?;
    List::from_rows(rows, page, JobRow::id).try_map(JobRow::into_job)
}

struct Start<'a> {
    version: i32,
    definition: &'a Definition,
    anchor: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    traceparent: Option<&'a str>,
    now: DateTime<Utc>,
}

impl<'a> Start<'a> {
    /// Of a job that has just been created.
    fn of(new: &NewJob<'a>) -> Self {
        let NewJob { definition, now, first_fire: next, traceparent, .. } = *new;
        Self { version: 1, definition, anchor: now, next, traceparent, now }
    }
}

/// Sets the timer of an active job, or makes the one execution of a `one_time` job.
async fn start(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    start: Start<'_>,
) -> Result<Option<ExecutionId>, StoreError> {
    let Start { version, definition, anchor, next, traceparent, now } = start;
    if definition.state != State::Active {
        return Ok(None);
    }
    if definition.schedule.kind() == Kind::OneTime {
        let run = executions::Immediate { source: Source::OneTime, replay_of: None, traceparent, now };
        return executions::insert_now(conn, workspace, id, run).await.map(Some);
    }
    if let Some(next) = next {
        timers::insert(conn, workspace, id, timers::NewTimer { version, definition, anchor, next }).await?;
    }
    Ok(None)
}

async fn insert_version(
    conn: &mut Conn,
    id: JobId,
    version: i32,
    definition: &Definition,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(job_versions::table)
        .values(VersionRow::new(id, version, definition, now))
        .execute(conn)
        .await?;
    Ok(())
}

/// Jobs of which nothing more can come, because the execution that ended was their last.
pub(super) async fn complete(conn: &mut Conn, ended: &[Uuid]) -> Result<(), StoreError> {
    if ended.is_empty() {
        return Ok(());
    }
    prepared(
        sql_query(
            "update jobs j set state = 'completed', updated_at = clock_timestamp()
             from executions e
             where e.id = any($1) and e.ends_job and e.finished_at is not null and j.id = e.job_id and j.state = 'active'
               and not exists (select from job_timers t where t.job_id = j.id)",
        )
        .bind::<Array<SqlUuid>, _>(ended),
    )
    .execute(conn)
    .await?;
    Ok(())
}
