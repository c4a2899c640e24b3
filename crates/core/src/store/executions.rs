//! Executions: recorded when a fire is planned or a run is requested, and listed. `leases` has how they run.
//!
//! An execution is a row of `runs` while it is open, and a row of `executions` once it has ended. The transaction that ends it deletes the
//! one and inserts the other; a row of `executions` never changes.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashSet;
use uuid::Uuid;

mod activity;
mod blocking;
mod bulk;
mod ended;
mod idempotency;
mod list;
mod open;
mod phases;
mod row;

pub use activity::{ACTIVITY, Activity, activity};
pub use blocking::find_blocking;
pub use bulk::{NewReplay, Replayed, find_all, insert_replays};
pub use ended::{ENDED, ended, settled};
pub(super) use idempotency::purge_keys_of_workspaces;
pub use idempotency::{IdempotentRun, find_run, purge_keys};
pub use list::{Filter, LISTS, LISTS_OLDEST_FIRST, MAX_NAMED_JOBS, list, list_oldest_first};
pub use open::{FIND_OPEN, find_open};
pub use phases::{PHASES, phases};
pub(super) use row::AttemptRow;

use super::{Conn, StoreError, sql::prepared};
use crate::{
    domain::{
        chain::Depth,
        execution::{Execution, Source},
        fire::Planned,
        id::{ExecutionId, JobId, WorkspaceId},
        job::JobState,
        ledger::{LedgerWindow, MAX_FIRES, Record},
        workspace::shard,
    },
    failpoint,
};
use row::{ExecutionRow, FireRow, RunId, authority, execution_columns, run_columns};

/// An execution that is due now.
pub struct NewRun<'a> {
    pub source: Source,
    pub replay_of: Option<ExecutionId>,
    pub traceparent: Option<&'a str>,
    /// Of the request that asks for it.
    pub depth: Depth,
    /// The idempotency key of the request: at most one execution is recorded under it.
    pub key: Option<&'a str>,
    pub now: DateTime<Utc>,
}

/// Records an execution of the job's current version, due now by Postgres's clock, and requests its publication.
///
/// [`StoreError::Conflict`] `draft` if the job is a draft, which never runs; `paused` if it is paused and a run asks for it; `run_keys_pkey` if the key was used before ([`find_run`]).
pub async fn insert_now(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    run: NewRun<'_>,
) -> Result<ExecutionId, StoreError> {
    let id = ExecutionId::at(run.now);
    let inserted = prepared(
        // The locks keep the job and the workspace from being deleted before the commit. Otherwise the job's versions could be gone and the
        // execution never leased.
        sql_query(
            "with job as (
                 select j.*, clock_timestamp() as now from jobs j join workspaces w on w.id = j.workspace_id and w.deleted_at is null
                 where j.workspace_id = $2 and j.id = $3 and j.state <> 'draft' and (j.state <> 'paused' or $9 = 0)
                 for key share),
             keyed as (
                 insert into run_keys (workspace_id, key, execution_id, job_id, replay_of)
                 select workspace_id, $8, $1, id, $6 from job where $8 is not null)
             insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, ends_job,
                               replay_of, traceparent, depth)
             select $1, workspace_id, id, version, $4, 'queued', $5, now, now, $5 = 'one_time', $6, $7, $9 from job",
        )
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(job.uuid())
        .bind::<SmallInt, _>(shard(workspace))
        .bind::<Text, _>(run.source.as_str())
        .bind::<Nullable<SqlUuid>, _>(run.replay_of.map(ExecutionId::uuid))
        .bind::<Nullable<Text>, _>(run.traceparent)
        .bind::<Nullable<Text>, _>(run.key)
        .bind::<SmallInt, _>(run.depth),
    )
    .execute(conn)
    .await?;
    match inserted {
        0 => Err(why_not_run(conn, workspace, job).await?),
        _ => Ok(id),
    }
}

async fn why_not_run(conn: &mut Conn, workspace: WorkspaceId, job: JobId) -> Result<StoreError, StoreError> {
    use super::schema::jobs;
    let state: Option<String> = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::id.eq(job.uuid()))
        .select(jobs::state)
        .first(conn)
        .await
        .optional()?;
    Ok(match state.as_deref().map(str::parse) {
        Some(Ok(JobState::Draft)) => StoreError::conflict("draft"),
        Some(Ok(JobState::Paused)) => StoreError::conflict("paused"),
        _ => StoreError::NotFound,
    })
}

/// Who publishes the recorded executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publisher {
    /// The caller, once the transaction has committed. Their publication is recorded as claimed.
    ByCaller,
    /// Any scheduler: their publication is requested.
    ByScheduler,
}

/// What happens to fires that are already recorded and have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// They fail the transaction ([`is_repeated`]). They are too rare to look up each fire first, as `on conflict` does.
    Fail,
    /// They stay as they are.
    Stay,
}

/// Did the insertion fail because a fire is already recorded?
pub(super) fn is_repeated(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict(name) if name == "runs_pkey")
}

/// Records fires, each at most once across all schedulers, because the id is derived from job and instant. Returns the new ones.
pub(super) async fn insert_planned(
    conn: &mut Conn,
    planned: &[Planned],
    publisher: Publisher,
    repeated: Repeated,
) -> Result<HashSet<ExecutionId>, StoreError> {
    let (skipped, to_run): (Vec<_>, Vec<_>) = planned.iter().partition(|p| p.skipped.is_some());
    let mut new = insert_runs(conn, &to_run, publisher, repeated).await?;
    new.extend(insert_skipped(conn, &skipped).await?);
    let last = skipped.iter().filter(|p| p.ends_job).map(|p| p.job.uuid()).collect::<Vec<_>>();
    super::completion::complete_jobs(conn, &last).await?;
    Ok(new)
}

fn column<'a, T>(planned: &[&'a Planned], value: impl Fn(&'a Planned) -> T) -> Vec<T> {
    planned.iter().copied().map(value).collect()
}

macro_rules! insert_runs {
    ($conflict:literal) => {
        concat!(
            "insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, ends_job, traceparent,
                               publish_claimed_at)
             select p.id, p.workspace_id, p.job_id, p.version, p.shard, 'queued', 'schedule', p.scheduled_for, p.scheduled_for,
                    p.ends_job, p.traceparent, case when $9 then clock_timestamp() end
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::smallint[], $6::timestamptz[], $7::bool[], $8::text[])
               as p(id, workspace_id, job_id, version, shard, scheduled_for, ends_job, traceparent)",
            $conflict,
            " returning id"
        )
    };
}

/// Records fires that are to run. Those that have ended are not recorded again: a timer that is set back plans them a second time.
async fn insert_runs(
    conn: &mut Conn,
    planned: &[&Planned],
    publisher: Publisher,
    repeated: Repeated,
) -> Result<HashSet<ExecutionId>, StoreError> {
    if planned.is_empty() {
        return Ok(HashSet::new());
    }
    let inserted: Vec<RunId> = prepared(
        sql_query(match repeated {
            Repeated::Fail => insert_runs!(""),
            Repeated::Stay => insert_runs!(" on conflict (id) do nothing"),
        })
        .bind::<Array<SqlUuid>, _>(column(planned, |p| p.id.uuid()))
        .bind::<Array<SqlUuid>, _>(column(planned, |p| p.workspace.uuid()))
        .bind::<Array<SqlUuid>, _>(column(planned, |p| p.job.uuid()))
        .bind::<Array<Integer>, _>(column(planned, |p| p.version))
        .bind::<Array<SmallInt>, _>(column(planned, |p| p.shard))
        .bind::<Array<Timestamptz>, _>(column(planned, |p| p.scheduled_for))
        .bind::<Array<Bool>, _>(column(planned, |p| p.ends_job))
        .bind::<Array<Nullable<Text>>, _>(column(planned, |p| p.traceparent.as_deref()))
        .bind::<Bool, _>(publisher == Publisher::ByCaller),
    )
    .load(conn)
    .await?;
    let mut new: HashSet<ExecutionId> = inserted.into_iter().map(RunId::execution).collect();
    for ended in withdraw_ended(conn, &new).await? {
        new.remove(&ended);
    }
    Ok(new)
}

/// Deletes those of these new runs that have ended before, and returns them.
///
/// A statement of its own, after the insertion: it sees what has been committed until then. A search before the insertion would miss an
/// execution that ends in between. While a run exists, its key refuses a second one; once it has ended, this finds it.
///
/// Each id is looked up separately: in one search, Postgres would read all ids between the first and the last in a partition that has no
/// statistics yet. The bounds exclude the other partitions.
async fn withdraw_ended(conn: &mut Conn, new: &HashSet<ExecutionId>) -> Result<Vec<ExecutionId>, StoreError> {
    let (Some(first), Some(last)) = (new.iter().min(), new.iter().max()) else { return Ok(Vec::new()) };
    if failpoint::is(failpoint::NO_SEARCH_OF_ENDED) {
        return Ok(Vec::new());
    }
    let ended: Vec<RunId> = prepared(
        sql_query(
            "with ended as materialized (
                 select i.id from unnest($1::uuid[]) as i(id) cross join lateral (
                     select from executions e where e.id = i.id and e.id between $2 and $3 limit 1) e)
             delete from runs r using ended e where r.id = e.id returning r.id",
        )
        .bind::<Array<SqlUuid>, _>(new.iter().map(|id| id.uuid()).collect::<Vec<_>>())
        .bind::<SqlUuid, _>(first.uuid())
        .bind::<SqlUuid, _>(last.uuid()),
    )
    .load(conn)
    .await?;
    Ok(ended.into_iter().map(RunId::execution).collect())
}

/// Records fires that are skipped, unless they are recorded already. They have ended.
async fn insert_skipped(conn: &mut Conn, skipped: &[&Planned]) -> Result<Vec<ExecutionId>, StoreError> {
    if skipped.is_empty() {
        return Ok(Vec::new());
    }
    let skip = |p: &Planned| p.skipped.clone();
    let inserted: Vec<RunId> = prepared(
        sql_query(
            "insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count,
                                     skip_reason, skip_count, skip_last)
             select p.id, p.workspace_id, p.job_id, p.version, 'skipped', 'schedule', p.scheduled_for, clock_timestamp(), 0,
                    p.skip_reason, p.skip_count, p.skip_last
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::text[], $7::bigint[], $8::timestamptz[])
               as p(id, workspace_id, job_id, version, scheduled_for, skip_reason, skip_count, skip_last)
             where not exists (select from runs r where r.id = p.id)
             on conflict (id) do nothing
             returning id",
        )
        .bind::<Array<SqlUuid>, _>(column(skipped, |p| p.id.uuid()))
        .bind::<Array<SqlUuid>, _>(column(skipped, |p| p.workspace.uuid()))
        .bind::<Array<SqlUuid>, _>(column(skipped, |p| p.job.uuid()))
        .bind::<Array<Integer>, _>(column(skipped, |p| p.version))
        .bind::<Array<Timestamptz>, _>(column(skipped, |p| p.scheduled_for))
        .bind::<Array<Nullable<Text>>, _>(column(skipped, |p| skip(p).map(|skip| skip.reason)))
        .bind::<Array<Nullable<BigInt>>, _>(column(skipped, |p| skip(p).map(|skip| skip.count)))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(skipped, |p| skip(p).map(|skip| skip.last))),
    )
    .load(conn)
    .await?;
    Ok(inserted.into_iter().map(RunId::execution).collect())
}

/// Deletes planned executions that are not due by `now`.
pub(super) async fn withdraw_planned(
    conn: &mut Conn,
    job: JobId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let deleted: Vec<RunId> = prepared(
        sql_query(
            "delete from runs
             where job_id = $1 and source = 'schedule' and status = 'queued' and scheduled_for > $3 and id >= $2
             returning id",
        )
        .bind::<SqlUuid, _>(job.uuid())
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(now - ID_MARGIN))
        .bind::<Timestamptz, _>(now),
    )
    .load(conn)
    .await?;
    let deleted: Vec<Uuid> = deleted.into_iter().map(RunId::uuid).collect();
    // An execution that waited may have received a slot before its instant.
    super::slots::release(conn, &deleted).await
}

/// Deletes the open executions without an owner of a job that is being deleted: without the job's versions, they could not be leased.
pub(super) async fn remove_unowned(conn: &mut Conn, job: JobId) -> Result<(), StoreError> {
    prepared(
        sql_query(
            "with removed as (
                 delete from runs where job_id = $1 and owner_id is null returning id)
             delete from run_keys where execution_id in (select id from removed)",
        )
        .bind::<SqlUuid, _>(job.uuid()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves planned executions that are not due by `now` to a newer version.
pub(super) async fn move_planned(
    conn: &mut Conn,
    job: JobId,
    version: i32,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    prepared(
        sql_query(
            "update runs set version = $3
             where job_id = $1 and source = 'schedule' and status = 'queued' and scheduled_for > $4 and id >= $2",
        )
        .bind::<SqlUuid, _>(job.uuid())
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(now - ID_MARGIN))
        .bind::<Integer, _>(version)
        .bind::<Timestamptz, _>(now),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// With all its attempts.
pub async fn get(conn: &mut Conn, workspace: WorkspaceId, id: ExecutionId) -> Result<Execution, StoreError> {
    let row: ExecutionRow = prepared(
        sql_query(concat!(
            "select j.name as job_name, e.*, ",
            authority!(),
            " as authority from (select ",
            run_columns!(),
            " from runs e where e.id = $2 union all select ",
            execution_columns!(),
            " from executions e where e.id = $2) e
             join jobs j on j.id = e.job_id and j.workspace_id = e.workspace_id
             where e.workspace_id = $1"
        ))
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(id.uuid()),
    )
    .get_result(conn)
    .await?;
    let attempts: Vec<AttemptRow> = prepared(
        // Columns are named, so that a column that a later version of TrigRun adds does not break running processes.
        sql_query(
            "select number, status, status_code, error_class, error, started_at, dns_us, connect_us, tls_us, first_byte_us, body_us,
                    total_us, remote_address, http_version, response_headers, body_preview, body_truncated, response_bytes
             from attempts where execution_id = $1 order by number",
        )
            .bind::<SqlUuid, _>(id.uuid()),
    )
    .load(conn)
    .await?;
    let mut execution = row.into_execution()?;
    execution.attempts = attempts.into_iter().map(AttemptRow::into_attempt).collect::<Result<_, _>>()?;
    if let Some(last) = execution.attempts.last() {
        execution.status_code = last.status_code;
        execution.error.clone_from(&last.error);
    }
    Ok(execution)
}

/// The recorded fires of a job with an instant in `[from, to)`, in order, and the earlier rows that stand for missed fires in it. At most
/// one more than [`MAX_FIRES`]: such a window has too many.
pub async fn fires(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    window: LedgerWindow,
) -> Result<Vec<Record>, StoreError> {
    let rows: Vec<FireRow> = prepared(
        sql_query(
            "select id, status, scheduled_for, skip_reason, skip_last from all_executions
             where workspace_id = $1 and job_id = $2 and source = 'schedule'
               and ((id >= $3 and id < $4 and scheduled_for >= $5) or (id < $3 and skip_count > 1 and skip_last >= $5))
               and scheduled_for < $6
             order by id limit $7",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(job.uuid())
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(window.from - ID_MARGIN))
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(window.to + ID_MARGIN))
        .bind::<Timestamptz, _>(window.from)
        .bind::<Timestamptz, _>(window.to)
        .bind::<BigInt, _>(MAX_FIRES as i64 + 1),
    )
    .load(conn)
    .await?;
    rows.into_iter().map(FireRow::into_record).collect()
}

/// The clock of an id may differ slightly from the times in its row: bounds by id are this much wider than those by time.
const ID_MARGIN: TimeDelta = TimeDelta::minutes(1);
