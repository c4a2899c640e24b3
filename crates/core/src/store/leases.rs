//! How executions run: an executor leases them, attempts them, and records or releases them; a scheduler reclaims them.
//!
//! Every statement names the state, the owner and the attempt that it expects. If it changes no row, another process won, which is an
//! ordinary result.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::collections::HashSet;
use uuid::Uuid;

mod cancel;
mod finish;
mod row;
mod waiting;

pub use super::slots::{LimitedExecution, limited};
pub use cancel::{CANCEL_SUSPENDED, cancel, cancel_suspended};
pub use finish::{Ended, is_repeated, record, remove_repeated};
pub use waiting::{JobCapacity, WaitingJob, lease_waiting, wait, waiting_jobs, waiting_limited};

use super::{
    Conn, StoreError, completion, executors, notifications,
    schema::job_versions,
    slots,
    sql::{prepared, prepared_as},
};
use crate::domain::{
    chain::Depth,
    execution::{MAX_LOST, Source},
    id::{ExecutionId, ExecutorId, JobId, WorkspaceId},
    request::{Body, Request},
    retry::{DeliveryGuarantee, RetryPolicy},
    workspace::SHARDS,
};
pub use row::DueExecution;
use row::{LeaseRow, LostRow, lease_columns};

/// The right and the duty to make attempt `number` of an execution. One executor owns it until it records or releases it.
#[derive(Clone, Debug)]
pub struct Lease {
    pub execution: ExecutionId,
    pub workspace: WorkspaceId,
    pub job: JobId,
    pub number: u16,
    pub source: Source,
    pub scheduled_for: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub traceparent: Option<String>,
    /// The version of the job.
    pub version: i32,
    pub replay_of: Option<ExecutionId>,
    /// Of the first attempt, if this is not the first.
    pub first_started_at: Option<DateTime<Utc>>,
    /// From `scheduled_for` to the first byte of the first attempt.
    pub first_lateness_us: Option<i64>,
    pub request: Request,
    /// The size in bytes of a body that is too large to come with the lease: see [`body`].
    pub body_to_load: Option<u32>,
    pub retry_policy: RetryPolicy,
    pub delivery: DeliveryGuarantee,
    /// It has a slot of its job, which its end must release.
    pub holds_slot: bool,
    /// Its end completes the job.
    pub ends_job: bool,
    /// How deep it is in a chain of runs.
    pub depth: Depth,
    /// The job has notification rules.
    pub notifies: bool,
}

impl Lease {
    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let body = self.request.body.as_ref().map_or(0, |body| body.as_str().len());
        size_of::<Self>() + self.request.url.len() + headers + body
    }
}

/// The lease statement, and what it returns. No indexed column changes, so the row is rewritten in its page. The executor's row is locked, so
/// that its session cannot end in the meantime: see `executors::end`. While there is a hold, it leases nothing, and
/// nothing of a workspace that is suspended.
macro_rules! lease {
    ($where:literal) => {
        concat!(
            "with alive as (
                 select from executors
                 where id = $1 and ended_at is null and not exists (select from holds where released_at is null) for key share)
             update runs e
             set status = 'running', owner_id = $1, attempt_count = e.attempt_count + 1, waits_for_capacity = false,
                 attempt_started_at = greatest(e.due_at, clock_timestamp())
             from alive, job_versions v
             where e.id = any($2) and v.job_id = e.job_id and v.version = e.version
               and e.status in ('queued', 'retrying') and (e.owner_id is null or e.owner_id = $1) and not e.waits_for_slot
               and e.due_at <= clock_timestamp() + interval '5 seconds'
               and not exists (select from workspaces w where w.id = e.workspace_id and w.suspended_at is not null)
               and ",
            $where,
            " returning ",
            lease_columns!(
                notifies = "exists (select from notification_rules r where r.job_id = e.job_id)",
                // MAX_INLINE_BODY_BYTES. The length of a large value is known without reading it.
                body = "case when octet_length(v.body) <= 4096 then v.body end",
                body_bytes = "octet_length(v.body)",
            )
        )
    };
}

/// Leases those of `ids` that are available, at most five seconds before they are due; the caller keeps them until then.
///
/// One statement for the whole batch, which also returns the definitions. Executions of jobs with a concurrency limit each need a slot, and
/// are left out: see [`limited`].
pub async fn lease(
    conn: &mut Conn,
    executor: ExecutorId,
    ids: &[ExecutionId],
) -> Result<Vec<Lease>, StoreError> {
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<LeaseRow> = prepared_as::<LeaseRow, _>(
        sql_query(lease!("v.concurrency_limit is null"))
            .bind::<SqlUuid, _>(executor.uuid())
            .bind::<Array<SqlUuid>, _>(&ids),
    )
    .load(conn)
    .await?;
    Ok(readable(rows))
}

/// A newer version of TrigRun wrote a row that cannot be read: `reconcile` releases its lease, for an executor of that version.
fn readable(rows: Vec<LeaseRow>) -> Vec<Lease> {
    let read = rows.into_iter().map(LeaseRow::into_lease);
    read.filter_map(|lease| lease.map_err(|error| tracing::error!(%error, "cannot read a lease")).ok())
        .collect()
}

/// Leases with a slot. Without a free slot, the execution waits or is skipped, as the job's overlap policy says.
pub async fn lease_limited(
    conn: &mut Conn,
    executor: ExecutorId,
    limited: &LimitedExecution,
) -> Result<Option<Lease>, StoreError> {
    conn.transaction(async move |conn: &mut Conn| -> Result<_, StoreError> {
        let slot = slots::take(conn, limited).await?;
        if matches!(slot, slots::Slot::NoneFree) {
            slots::park(conn, executor, limited).await?;
            return Ok(None);
        }
        let row: Option<LeaseRow> = prepared_as::<LeaseRow, _>(
            sql_query(lease!("v.concurrency_limit is not null"))
                .bind::<SqlUuid, _>(executor.uuid())
                .bind::<Array<SqlUuid>, _>(vec![limited.id]),
        )
        .get_result(conn)
        .await
        .optional()?;
        if row.is_none() && matches!(slot, slots::Slot::Taken) {
            // It was not available any more.
            slots::release(conn, &[limited.id]).await?;
        }
        Ok(readable(row.into_iter().collect()).pop())
    })
    .await
}

/// The body of a leased request that was too large to come with the lease; `None` if the job was deleted.
pub async fn body(conn: &mut Conn, lease: &Lease) -> Result<Option<Body>, StoreError> {
    let row: Option<(Option<String>, bool)> = job_versions::table
        .find((lease.job.uuid(), lease.version))
        .select((job_versions::body, job_versions::body_is_json))
        .first(conn)
        .await
        .optional()?;
    Ok(row.and_then(|(text, is_json)| text.map(if is_json { Body::Json } else { Body::Text })))
}

/// Work without an owner that is due within `lead`, or overdue by `-lead`; oldest first. For leasing when the stream is unavailable or has
/// lost dispatch messages. Work that was due before `after` is not searched: see [`LowerBound`](super::lower_bound::LowerBound).
pub async fn due(
    conn: &mut Conn,
    after: DateTime<Utc>,
    lead: TimeDelta,
    limit: i64,
) -> Result<Vec<DueExecution>, StoreError> {
    let shards: Vec<i16> = (0..SHARDS).collect();
    Ok(prepared(
        sql_query(
            "select id, due_at from runs e
             where shard = any($1) and due_at > $4 and owner_id is null and not waits_for_slot and not waits_for_capacity
               and due_at <= statement_timestamp() + $2 * interval '1 ms'
               and exists (select from job_versions v where v.job_id = e.job_id and v.version = e.version)
             order by due_at limit $3",
        )
        .bind::<Array<SmallInt>, _>(shards)
        .bind::<BigInt, _>(lead.num_milliseconds())
        .bind::<BigInt, _>(limit)
        .bind::<Timestamptz, _>(after),
    )
    .load(conn)
    .await?)
}

/// What follows the release of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRelease {
    /// Its publication is requested: any executor with capacity takes it.
    Publish,
    /// It waits until some executor has capacity for its account, workspace and job: see [`lease_waiting`].
    Wait,
}

/// Releases leases of which nothing was sent, as if they had never been taken.
pub async fn release(
    conn: &mut Conn,
    executor: ExecutorId,
    leases: &[(ExecutionId, u16)],
    then: AfterRelease,
) -> Result<usize, StoreError> {
    let ids: Vec<Uuid> = leases.iter().map(|(id, _)| id.uuid()).collect();
    let numbers: Vec<i16> = leases.iter().map(|(_, number)| *number as i16).collect();
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let released: Vec<row::Id> = prepared(
            sql_query(
                "update runs e
                 set status = case when e.attempt_count = 1 then 'queued' else 'retrying' end,
                     attempt_count = e.attempt_count - 1, owner_id = null, waits_for_capacity = $4,
                     publish_claimed_at = case when $4 then clock_timestamp() end
                 from unnest($2::uuid[], $3::smallint[]) as g(id, number)
                 where e.id = g.id and e.owner_id = $1 and e.status = 'running' and e.attempt_count = g.number
                 returning e.id",
            )
            .bind::<SqlUuid, _>(executor.uuid())
            .bind::<Array<SqlUuid>, _>(&ids)
            .bind::<Array<SmallInt>, _>(numbers)
            .bind::<Bool, _>(then == AfterRelease::Wait),
        )
        .load(conn)
        .await?;
        let released: Vec<Uuid> = released.into_iter().map(|row| row.id).collect();
        slots::release(conn, &released).await?;
        Ok(released.len())
    })
    .await
}

/// What an executor owns, according to Postgres.
#[derive(Debug, Default)]
pub struct OwnedExecutions {
    /// The executions that it runs, with the number of the attempt.
    pub running: HashSet<(ExecutionId, u16)>,
    pub retrying: HashSet<ExecutionId>,
}

/// Everything that `executor` owns. Reads all open executions.
pub async fn owned(conn: &mut Conn, executor: ExecutorId) -> Result<OwnedExecutions, StoreError> {
    let rows: Vec<row::OwnedRow> = prepared(
        sql_query("select id, attempt_count, status = 'running' as running from runs where owner_id = $1")
            .bind::<SqlUuid, _>(executor.uuid()),
    )
    .load(conn)
    .await?;
    Ok(row::owned(rows))
}

/// Which of these `executor` owns.
pub async fn owned_of(
    conn: &mut Conn,
    executor: ExecutorId,
    these: &[ExecutionId],
) -> Result<OwnedExecutions, StoreError> {
    let ids: Vec<Uuid> = these.iter().map(|id| id.uuid()).collect();
    let rows: Vec<row::OwnedRow> = prepared(
        sql_query(
            "select id, attempt_count, status = 'running' as running from runs where id = any($2) and owner_id = $1",
        )
        .bind::<SqlUuid, _>(executor.uuid())
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?;
    Ok(row::owned(rows))
}

/// Releases executions that `executor` keeps until their next attempt: these, or all.
pub async fn release_retrying(
    conn: &mut Conn,
    executor: ExecutorId,
    these: Option<&[ExecutionId]>,
) -> Result<usize, StoreError> {
    let released = match these {
        Some(these) => {
            let ids: Vec<Uuid> = these.iter().map(|id| id.uuid()).collect();
            let these = "update runs set owner_id = null, publish_claimed_at = null
                         where id = any($2) and owner_id = $1 and status = 'retrying'";
            let these = sql_query(these).bind::<SqlUuid, _>(executor.uuid()).bind::<Array<SqlUuid>, _>(ids);
            prepared(these).execute(conn).await?
        }
        None => {
            let all = "update runs set owner_id = null, publish_claimed_at = null
                       where owner_id = $1 and status = 'retrying'";
            prepared(sql_query(all).bind::<SqlUuid, _>(executor.uuid())).execute(conn).await?
        }
    };
    Ok(released)
}

/// What was reclaimed from sessions that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    pub all: usize,
    /// Those of them that do not run again.
    pub lost: usize,
}

/// Reclaims up to `limit` executions from sessions that have ended. A running one gets an `interrupted` attempt and runs again, unless its
/// job is `at_most_once` or it was lost too often.
pub async fn reclaim(conn: &mut Conn, limit: i64) -> Result<Reclaimed, StoreError> {
    let ended = executors::unreleased(conn).await?;
    if ended.is_empty() {
        return Ok(Reclaimed::default());
    }
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let lost: Vec<LostRow> = prepared(
            sql_query(
                "with held as materialized (
                     select id from runs where owner_id = any($3) order by id limit $1),
                 lost as (
                     select e.*, clock_timestamp() as now,
                            case when e.status = 'retrying' then 'retrying'
                                 when v.job_id is null or v.delivery = 'at_most_once' or e.lost_count + 1 >= $2 then 'failed'
                                 else 'queued' end as next,
                            case when v.delivery = 'at_most_once' then 'interrupted' else 'lost' end as class,
                            v.job_id is null as is_deleted
                     from runs e
                     left join job_versions v on v.job_id = e.job_id and v.version = e.version
                     where e.id in (select id from held) and e.owner_id = any($3)
                     for update of e skip locked),
                 requeued as (
                     update runs e
                     set status = l.next, owner_id = null, publish_claimed_at = null,
                         lost_count = e.lost_count + (l.status = 'running')::int,
                         started_at = coalesce(e.started_at, l.due_at)
                     from lost l where e.id = l.id and l.next <> 'failed'),
                 removed as (
                     delete from runs e using lost l where e.id = l.id and l.next = 'failed'),
                 failed as (
                     insert into executions (id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, started_at, finished_at,
                                             lateness_us, status, source, error_class, replay_of)
                     select id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, coalesce(started_at, due_at), now,
                            lateness_us, 'failed', source, class, replay_of
                     from lost where next = 'failed'),
                 interrupted as (
                     insert into earlier_attempts (execution_id, number, status, error_class, error, started_at, total_us)
                     select id, attempt_count, 'interrupted', 'executor_lost',
                            'The executor that was making this request stopped before it could record a response; the request may or may not have arrived.',
                            due_at, 0
                     from lost where status = 'running')
                 select id, job_id, next = 'failed' as is_failed, is_deleted, ends_job from lost",
            )
            .bind::<BigInt, _>(limit)
            .bind::<SmallInt, _>(MAX_LOST)
            .bind::<Array<SqlUuid>, _>(&ended),
        )
        .load(conn)
        .await?;
        if lost.is_empty() {
            executors::mark_released(conn, &ended).await?;
            return Ok(Reclaimed::default());
        }
        let failed = || lost.iter().filter(|row| row.is_failed);
        let ids: Vec<Uuid> = lost.iter().map(|row| row.id).collect();
        notifications::write(conn, &failed().map(|row| row.id).collect::<Vec<_>>()).await?;
        slots::release(conn, &ids).await?;
        let last = failed().filter(|row| row.ends_job).map(|row| row.job_id);
        completion::complete_jobs(conn, &last.collect::<Vec<_>>()).await?;
        Ok(Reclaimed { all: ids.len(), lost: failed().filter(|row| !row.is_deleted).count() })
    })
    .await
}
