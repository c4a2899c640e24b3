//! Concurrency limits. A slot is a row whose number lies within the limit: the limit is a constraint, not a count.
//!
//! Taking, parking and giving back happen under the job's row lock, so that nobody can park while the last slot falls free.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Integer, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Conn, StoreError, sql::prepared};
use crate::domain::{
    id::SessionId,
    job::{MAX_WAITING, OverlapPolicy},
};

/// An execution that needs a slot before it can be leased.
#[derive(QueryableByName)]
pub(super) struct Limited {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    job_id: Uuid,
    #[diesel(sql_type = Integer)]
    concurrency_limit: i32,
    #[diesel(sql_type = Text)]
    overlap_policy: String,
}

/// Those of `ids` that are to be had and belong to a job with a limit, oldest first.
pub(super) async fn limited(
    conn: &mut Conn,
    session: SessionId,
    ids: &[Uuid],
) -> Result<Vec<Limited>, StoreError> {
    Ok(prepared(
        sql_query(
            "select e.id, e.job_id, v.concurrency_limit, v.overlap_policy
             from executions e join job_versions v on v.job_id = e.job_id and v.version = e.version
             where e.id = any($2) and v.concurrency_limit is not null and e.status in ('queued', 'retrying')
               and (e.owner_id is null or e.owner_id = $1) and not e.waits_for_slot
               and e.due_at <= clock_timestamp() + interval '5 seconds'
             order by e.id",
        )
        .bind::<SqlUuid, _>(session.uuid())
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?)
}

/// Locks the job and takes its lowest free slot; `false` when none is free.
pub(super) async fn take(conn: &mut Conn, limited: &Limited) -> Result<bool, StoreError> {
    lock(conn, &[limited.job_id]).await?;
    let taken = prepared(
        sql_query(
            "insert into job_slots (job_id, slot, execution_id)
             select $1, n, $2 from generate_series(1, $3) n
             where not exists (select from job_slots s where s.job_id = $1 and s.slot = n)
             order by n limit 1
             on conflict do nothing",
        )
        .bind::<SqlUuid, _>(limited.job_id)
        .bind::<SqlUuid, _>(limited.id)
        .bind::<Integer, _>(limited.concurrency_limit),
    )
    .execute(conn)
    .await?;
    Ok(taken == 1)
}

/// No slot: a retry waits; a fire waits or is skipped as its job says, and is skipped when too many wait already.
pub(super) async fn park(conn: &mut Conn, session: SessionId, limited: &Limited) -> Result<(), StoreError> {
    let may_wait = limited.overlap_policy == OverlapPolicy::Queue.as_str();
    prepared(
        sql_query(
            "with verdict as (
                 select case when e.status = 'retrying' then null
                             when $4 = 0 then 'overlap'
                             when (select count(*) from executions w where w.job_id = $3 and w.waits_for_slot) >= $5
                                 then 'too_many_waiting' end as skip
                 from executions e where e.id = $2)
             update executions e
             set waits_for_slot = v.skip is null, owner_id = null,
                 status = case when v.skip is null then e.status else 'skipped' end,
                 skip_reason = v.skip, skip_count = case when v.skip is not null then 1 end,
                 finished_at = case when v.skip is not null then clock_timestamp() end
             from verdict v
             where e.id = $2 and e.status in ('queued', 'retrying') and (e.owner_id is null or e.owner_id = $1)",
        )
        .bind::<SqlUuid, _>(session.uuid())
        .bind::<SqlUuid, _>(limited.id)
        .bind::<SqlUuid, _>(limited.job_id)
        .bind::<Integer, _>(i32::from(may_wait))
        .bind::<BigInt, _>(MAX_WAITING),
    )
    .execute(conn)
    .await?;
    super::jobs::complete(conn, &[limited.id]).await
}

/// Frees the slots of these executions, if they have any, and wakes who waits for them.
pub(super) async fn give_back(conn: &mut Conn, executions: &[Uuid]) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Freed {
        #[diesel(sql_type = SqlUuid)]
        job_id: Uuid,
    }
    if executions.is_empty() {
        return Ok(());
    }
    let held: Vec<Freed> = prepared(
        sql_query("select distinct job_id from job_slots where execution_id = any($1) order by job_id")
            .bind::<Array<SqlUuid>, _>(executions),
    )
    .load(conn)
    .await?;
    let jobs: Vec<Uuid> = held.into_iter().map(|freed| freed.job_id).collect();
    if jobs.is_empty() {
        return Ok(());
    }
    lock(conn, &jobs).await?;
    prepared(
        sql_query("delete from job_slots where execution_id = any($1)").bind::<Array<SqlUuid>, _>(executions),
    )
    .execute(conn)
    .await?;
    wake(conn, &jobs).await.map(drop)
}

/// Lets as many waiting executions go on as there are free slots, oldest first, and asks for their bells.
async fn wake(conn: &mut Conn, jobs: &[Uuid]) -> Result<usize, StoreError> {
    Ok(prepared(
        sql_query(
            "update executions e set waits_for_slot = false, bell_at = null
             from unnest($1::uuid[]) as freed(job_id)
             join jobs j on j.id = freed.job_id
             join job_versions v on v.job_id = j.id and v.version = j.version
             cross join lateral (
                 select w.id from executions w
                 where w.job_id = j.id and w.waits_for_slot
                 order by w.id
                 limit greatest(coalesce(v.concurrency_limit, 1000) - (select count(*) from job_slots s where s.job_id = j.id), 0)
             ) first
             where e.id = first.id",
        )
        .bind::<Array<SqlUuid>, _>(jobs),
    )
    .execute(conn)
    .await?)
}

/// Wakes waiting executions of every job with a free slot: the net under a limit that was raised, or a job whose slots were
/// freed by a takeover. Returns how many.
pub async fn wake_all(conn: &mut Conn) -> Result<usize, StoreError> {
    #[derive(QueryableByName)]
    struct Waiting {
        #[diesel(sql_type = SqlUuid)]
        job_id: Uuid,
    }
    let waiting: Vec<Waiting> = prepared(sql_query(
        "select distinct job_id from executions where waits_for_slot order by job_id limit 1000",
    ))
    .load(conn)
    .await?;
    let jobs: Vec<Uuid> = waiting.into_iter().map(|row| row.job_id).collect();
    if jobs.is_empty() { Ok(0) } else { wake(conn, &jobs).await }
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
