//! Concurrency limits. A slot is a row with a number up to the limit: the limit is a constraint, not a count.
//!
//! A slot is taken and released, and an execution parked, under the row lock of the job: no execution can be parked while the last slot
//! becomes free. A free slot goes to the next waiter at once, so that a newcomer cannot take it first. The current limit of the job counts,
//! whichever version an execution runs.

use diesel::{
    dsl::SqlTypeOf,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError,
    schema::{job_slots, job_versions, runs},
    sql::prepared,
};
use crate::domain::{
    id::{ExecutionId, ExecutorId, JobId, WorkspaceId},
    job::{MAX_WAITING, OverlapPolicy},
};

/// An execution that needs a slot before it can be leased.
#[derive(QueryableByName)]
#[diesel(table_name = runs)]
pub struct LimitedExecution {
    pub(super) id: Uuid,
    workspace_id: Uuid,
    job_id: Uuid,
    // Not null: without a limit, it is the largest number.
    #[diesel(sql_type = Integer)]
    concurrency_limit: i32,
    #[diesel(sql_type = SqlTypeOf<job_versions::overlap_policy>)]
    overlap_policy: String,
}

impl LimitedExecution {
    pub const fn execution(&self) -> ExecutionId {
        ExecutionId::from_uuid(self.id)
    }

    pub const fn workspace(&self) -> WorkspaceId {
        WorkspaceId::from_uuid(self.workspace_id)
    }

    pub const fn job(&self) -> JobId {
        JobId::from_uuid(self.job_id)
    }
}

/// Those of `ids` that are available and belong to a job with a limit, oldest first. Each of them is leased alone.
pub async fn limited(
    conn: &mut Conn,
    executor: ExecutorId,
    ids: &[ExecutionId],
) -> Result<Vec<LimitedExecution>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    Ok(prepared(
        sql_query(
            "select e.id, e.workspace_id, e.job_id, coalesce(c.concurrency_limit, 2147483647) as concurrency_limit, c.overlap_policy
             from runs e
             join job_versions v on v.job_id = e.job_id and v.version = e.version
             join jobs j on j.id = e.job_id
             join job_versions c on c.job_id = j.id and c.version = j.version
             where e.id = any($2) and v.concurrency_limit is not null and e.status in ('queued', 'retrying')
               and (e.owner_id is null or e.owner_id = $1) and not e.waits_for_slot
               and e.due_at <= clock_timestamp() + interval '5 seconds'
               and not exists (select from workspaces w where w.id = e.workspace_id and w.suspended_at is not null)
             order by e.id",
        )
        .bind::<SqlUuid, _>(executor.uuid())
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?)
}

/// The result of [`take`].
pub(super) enum Slot {
    Taken,
    /// The execution had one already: reserved for it, or another executor has leased it in the meantime.
    Had,
    NoneFree,
}

/// Locks the job and takes its lowest free slot.
pub(super) async fn take(conn: &mut Conn, limited: &LimitedExecution) -> Result<Slot, StoreError> {
    lock(conn, &[limited.job_id]).await?;
    let taken: Vec<TakenRow> = prepared(
        sql_query(
            "with held as (select job_id from job_slots where execution_id = $2),
             taken as (
                 insert into job_slots (job_id, slot, execution_id)
                 select $1, n, $2
                 from generate_series(1, least($3, (select count(*) + 1 from job_slots where job_id = $1))::int) n
                 where not exists (select from held)
                   and not exists (select from job_slots s where s.job_id = $1 and s.slot = n)
                   and not exists (select from runs w where w.job_id = $1 and w.waits_for_slot)
                 order by n limit 1
                 returning job_id)
             select true as had from held union all select false from taken",
        )
        .bind::<SqlUuid, _>(limited.job_id)
        .bind::<SqlUuid, _>(limited.id)
        .bind::<Integer, _>(limited.concurrency_limit),
    )
    .load(conn)
    .await?;
    Ok(match taken.as_slice() {
        [TakenRow { had: true }, ..] => Slot::Had,
        [_, ..] => Slot::Taken,
        [] => Slot::NoneFree,
    })
}

/// No slot is free. The execution waits or is skipped as its job's overlap policy says, and is skipped if too many wait already. An execution
/// that had started before always waits: a retry, or one whose executor was lost.
pub(super) async fn park(
    conn: &mut Conn,
    executor: ExecutorId,
    limited: &LimitedExecution,
) -> Result<(), StoreError> {
    let may_wait = limited.overlap_policy == OverlapPolicy::Queue.as_str();
    let skipped: Vec<SkippedRow> = prepared(
        sql_query(
            "with available as (
                 select e.id, case when e.status = 'retrying' or e.lost_count > 0 then null
                                   when $4 = 0 then 'overlap'
                                   when (select count(*) from runs w where w.job_id = $3 and w.waits_for_slot) >= $5
                                       then 'too_many_waiting' end as skip
                 from runs e
                 where e.id = $2 and e.status in ('queued', 'retrying') and (e.owner_id is null or e.owner_id = $1)
                 for update),
             parked as (
                 update runs e set waits_for_slot = true, waits_for_capacity = false, owner_id = null
                 from available a where e.id = a.id and a.skip is null),
             removed as (
                 delete from runs e using available a where e.id = a.id and a.skip is not null returning e.*, a.skip)
             insert into executions (id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, finished_at, status, source,
                                     replay_of, skip_reason, skip_count)
             select id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, clock_timestamp(), 'skipped', source, replay_of,
                    skip, 1
             from removed
             returning job_id, (select ends_job from removed) as ends_job",
        )
        .bind::<SqlUuid, _>(executor.uuid())
        .bind::<SqlUuid, _>(limited.id)
        .bind::<SqlUuid, _>(limited.job_id)
        .bind::<Integer, _>(i32::from(may_wait))
        .bind::<BigInt, _>(MAX_WAITING),
    )
    .load(conn)
    .await?;
    let last = skipped.into_iter().filter(|row| row.ends_job).map(|row| row.job_id);
    super::completion::complete_jobs(conn, &last.collect::<Vec<_>>()).await
}

/// Releases the slots of these executions, if they have any, and gives them to the next waiters.
pub(super) async fn release(conn: &mut Conn, ids: &[Uuid]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows: Vec<JobRow> = prepared(
        sql_query("select distinct job_id from job_slots where execution_id = any($1) order by job_id")
            .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?;
    let jobs: Vec<Uuid> = rows.into_iter().map(|row| row.job_id).collect();
    if jobs.is_empty() {
        return Ok(());
    }
    lock(conn, &jobs).await?;
    prepared(sql_query("delete from job_slots where execution_id = any($1)").bind::<Array<SqlUuid>, _>(ids))
        .execute(conn)
        .await?;
    assign_free(conn, &jobs).await.map(drop)
}

/// Gives free slots to waiting executions, oldest first, and requests their publication. The jobs are locked.
async fn assign_free(conn: &mut Conn, jobs: &[Uuid]) -> Result<usize, StoreError> {
    Ok(prepared(
        sql_query(
            "with waiting as (
                 select w.id, w.job_id, row_number() over (partition by w.job_id order by w.id) as place
                 from runs w where w.job_id = any($1) and w.waits_for_slot),
             free as (
                 select j.id as job_id, n as slot, row_number() over (partition by j.id order by n) as place
                 from jobs j
                 join job_versions c on c.job_id = j.id and c.version = j.version
                 cross join lateral generate_series(1, least(
                     coalesce(c.concurrency_limit, 2147483647),
                     (select count(*) from job_slots s where s.job_id = j.id)
                         + (select count(*) from waiting w where w.job_id = j.id))::int) n
                 where j.id = any($1) and not exists (select from job_slots s where s.job_id = j.id and s.slot = n)),
             given as (
                 insert into job_slots (job_id, slot, execution_id)
                 select f.job_id, f.slot, w.id from free f join waiting w on w.job_id = f.job_id and w.place = f.place
                 returning execution_id)
             update runs e set waits_for_slot = false, publish_claimed_at = null, due_at = greatest(e.due_at, clock_timestamp())
             from given g where e.id = g.execution_id",
        )
        .bind::<Array<SqlUuid>, _>(jobs),
    )
    .execute(conn)
    .await?)
}

/// Gives free slots to waiting executions of every job, for the case that a limit was raised. Returns how many got one.
pub async fn wake_all(conn: &mut Conn) -> Result<usize, StoreError> {
    let waiting: Vec<JobRow> = prepared(sql_query(
        "select distinct w.job_id
         from runs w
         join jobs j on j.id = w.job_id
         join job_versions c on c.job_id = j.id and c.version = j.version
         where w.waits_for_slot
           and (select count(*) from job_slots s where s.job_id = j.id) < coalesce(c.concurrency_limit, 2147483647)
         order by w.job_id limit 100",
    ))
    .load(conn)
    .await?;
    let jobs: Vec<Uuid> = waiting.into_iter().map(|row| row.job_id).collect();
    if jobs.is_empty() {
        return Ok(0);
    }
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        lock(conn, &jobs).await?;
        assign_free(conn, &jobs).await
    })
    .await
}

#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Bool)]
    had: bool,
}

#[derive(QueryableByName)]
#[diesel(table_name = runs)]
struct SkippedRow {
    job_id: Uuid,
    ends_job: bool,
}

#[derive(QueryableByName)]
#[diesel(table_name = job_slots)]
struct JobRow {
    job_id: Uuid,
}

async fn lock(conn: &mut Conn, jobs: &[Uuid]) -> Result<(), StoreError> {
    prepared(
        sql_query("select 1 from jobs where id = any($1) order by id for no key update")
            .bind::<Array<SqlUuid>, _>(jobs),
    )
    .execute(conn)
    .await?;
    Ok(())
}
