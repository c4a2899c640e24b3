//! Jobs: identity and current state in `jobs`, every definition in `job_versions`, the next fire in `job_timers`.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

mod brief;
mod change;
mod create;
mod delete;
mod hosts;
mod idempotency;
mod list;
mod order;
mod pause;
pub(super) mod row;
mod stack;
mod versions;

pub use brief::{Brief, brief};
pub use change::{Origin, change, change_with_rules};
pub use create::{NewJob, insert, insert_all, insert_unlocked};
pub use delete::{delete, purge_deleted};
pub use hosts::{CALLED_HOSTS, CalledHost, called_hosts};
pub use idempotency::{
    GroupedJob, IdempotentJob, find_by_idempotency_key, find_group, insert_group, key_in_group,
};
pub use list::{COUNT, Counts, Filter, MAX_SORTED, SORTED, Sorted, count, list, sorted};
pub use order::{after, count_after};
pub use pause::{DUE_PAUSES, due_pauses, stay_paused};
pub use stack::{Applied, StackedJob, of_stack, record_application, record_bulk};
pub use versions::{JobVersion, purge_versions, versions};

use super::{
    Conn, StoreError, executions,
    schema::{job_timers, job_versions, jobs},
    sql::prepared,
    timers::NewTimer,
};
use crate::domain::{
    audit::Actor,
    chain::Depth,
    execution::Source,
    id::{ExecutionId, JobId, WorkspaceId},
    job::{Definition, Job},
    ledger::{self, MAX_VERSIONS},
};
use pause::pause_columns;
use row::{HistoryRow, JobRow, VersionRow};

diesel::joinable!(job_versions -> jobs (job_id));
diesel::allow_tables_to_appear_in_same_query!(job_versions, jobs);

/// The columns of a job `j` and its version `v`. `$body` is what is read of the body of the request.
macro_rules! job_columns {
    ($body:literal) => {
        concat!(
            "j.id, j.workspace_id, j.version, j.key, j.stack, j.applied_version, j.state as job_state, j.created_at, j.updated_at,
             v.name, v.state, v.tags, v.every_seconds, v.cron, v.timezone, v.run_at, v.url, v.method, v.headers, ",
            $body,
            ", v.body_is_json, v.timeout_seconds, v.success_statuses, v.max_attempts, v.retry_on_statuses, v.concurrency_limit,
             v.overlap_policy, v.misfire_policy, v.catch_up_limit, v.delivery"
        )
    };
}

use job_columns;

/// The first planned fire of job `j` that is not due yet. `$2` is the smallest execution id of the current instant.
macro_rules! planned_run {
    () => {
        "select e.scheduled_for from runs e
         where (e.job_id, e.id) >= (j.id, $2) and (e.job_id, e.id) <= (j.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
           and e.source = 'schedule' and e.status = 'queued' and e.scheduled_for > clock_timestamp()
         order by e.job_id, e.id limit 1"
    };
}

use planned_run;

/// The last execution of job `j` that was due, open or ended.
macro_rules! last_run {
    () => {
        "select * from (
             (select e.id, e.status, e.scheduled_for from runs e
              where (e.job_id, e.id) >= (j.id, '00000000-0000-0000-0000-000000000000')
                and (e.job_id, e.id) <= (j.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and e.scheduled_for <= clock_timestamp()
              order by e.job_id desc, e.id desc limit 1)
             union all
             (select e.id, e.status, e.scheduled_for from executions e
              where e.job_id = j.id and e.scheduled_for <= clock_timestamp() order by e.id desc limit 1)) e
         order by e.id desc limit 1"
    };
}

use last_run;

/// Everything about each of `$jobs`, one row each, in the order `$order`. `$2` is the smallest execution id of the current instant: planned fires have
/// larger ids. The jobs are selected first, because searching a job's executions costs more than reading the job. `$body` is what is read of
/// the body of the request. `$more` names further columns of `$jobs`. Jobs and ids of runs are compared and ordered together, as in the lists
/// of executions: a plan that is made while there are few runs must not read those of all jobs later.
macro_rules! select_jobs {
    ($body:literal, $jobs:expr, $more:literal, $order:literal) => {
        concat!(
            "select ",
            job_columns!($body),
            ", least(t.next_run_at, planned.scheduled_for) as next_run_at, t.error as schedule_error,
                    last.id as last_id, last.status as last_status, last.scheduled_for as last_scheduled_for,
                    health.failures_in_a_row, health.since as health_since, ",
            pause_columns!(),
            $more,
            " from (",
            $jobs,
            ") j
             join job_versions v on v.job_id = j.id and v.version = j.version
             left join job_timers t on t.job_id = j.id
             left join lateral (select * from job_health h where h.job_id = j.id limit 1) health on true
             left join lateral (select * from pauses p where p.job_id = j.id limit 1) p on true
             left join lateral (",
            planned_run!(),
            ") planned on true
             left join lateral (",
            last_run!(),
            ") last on true
             order by ",
            $order
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
        sql_query(select_jobs!(
            "v.body",
            "select * from jobs where workspace_id = $1 and id = $3",
            "",
            "j.id"
        ))
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(now))
        .bind::<SqlUuid, _>(id.uuid()),
    )
    .get_result(conn)
    .await?;
    row.into_job()
}

/// The id of the job with this key.
pub async fn find_by_key(
    conn: &mut Conn,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Option<JobId>, StoreError> {
    let id: Option<Uuid> = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::key.eq(key))
        .select(jobs::id)
        .first(conn)
        .await
        .optional()?;
    Ok(id.map(JobId::from_uuid))
}

/// The jobs with these keys or ids, in any order. The caller bounds their number: each comes with the body of its request.
pub async fn find_all(
    conn: &mut Conn,
    workspace: WorkspaceId,
    (keys, ids): (&[&str], &[JobId]),
    now: DateTime<Utc>,
) -> Result<Vec<Job>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<JobRow> = prepared(
        sql_query(select_jobs!(
            "v.body",
            "select * from jobs where workspace_id = $1 and key = any($3)
             union all
             select * from jobs where workspace_id = $1 and id = any($4) and not coalesce(key = any($3), false)",
            "",
            "j.id"
        ))
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(now))
        .bind::<Array<Text>, _>(keys)
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?;
    rows.into_iter().map(JobRow::into_job).collect()
}

/// Those of the keys that jobs have, with the ids of these.
pub async fn ids_by_key(
    conn: &mut Conn,
    workspace: WorkspaceId,
    keys: &[&str],
) -> Result<HashMap<String, JobId>, StoreError> {
    let found: Vec<(Option<String>, Uuid)> = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::key.eq_any(keys))
        .select((jobs::key, jobs::id))
        .load(conn)
        .await?;
    Ok(found.into_iter().filter_map(|(key, id)| Some((key?, JobId::from_uuid(id)))).collect())
}

/// The newest versions of a job, as far as they decide its fires. [`StoreError::NotFound`] without the job.
pub async fn history(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
) -> Result<ledger::Versions, StoreError> {
    let mut rows: Vec<HistoryRow> = prepared(
        sql_query(
            "select j.created_at as job_created_at, v.version, v.created_at, v.state, v.every_seconds, v.cron, v.timezone, v.run_at
             from jobs j join job_versions v on v.job_id = j.id
             where j.workspace_id = $1 and j.id = $2 order by v.version desc limit $3",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<BigInt, _>(MAX_VERSIONS as i64 + 1),
    )
    .load(conn)
    .await?;
    let created_at = rows.as_slice().first().ok_or(StoreError::NotFound)?.job_created_at;
    rows.truncate(MAX_VERSIONS);
    let has_older = rows.last().is_some_and(|oldest| oldest.version > 1);
    let newest = rows.into_iter().rev().map(HistoryRow::into_version).collect::<Result<_, _>>()?;
    Ok(ledger::Versions { created_at, newest, has_older })
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
    by: &Actor,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(job_versions::table)
        .values(VersionRow::new(id, version, definition, depth, by, now))
        .execute(conn)
        .await?;
    Ok(())
}
