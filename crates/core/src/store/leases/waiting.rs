//! Executions that wait for capacity: no executor that met them had room for their account, workspace or job.
//!
//! They wait in Postgres, however many they are, in a queue per job. No dispatch message announces them. Executors that have capacity look
//! for them.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Lease, lease, row::Id};
use crate::{
    domain::id::{AccountId, ExecutionId, ExecutorId, JobId, WorkspaceId},
    store::{Conn, StoreError, schema::runs, sql::prepared},
};

/// A job whose executions wait for capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitingJob {
    pub account: AccountId,
    pub workspace: WorkspaceId,
    pub job: JobId,
}

/// Up to `limit` jobs whose executions wait for capacity, those after `after` first, so that repeated calls reach all of them.
///
/// It jumps from one job to the next in the index, whatever the number of executions (Postgres wiki, "Loose indexscan").
pub async fn waiting_jobs(
    conn: &mut Conn,
    after: Option<&WaitingJob>,
    limit: i64,
) -> Result<Vec<WaitingJob>, StoreError> {
    let (workspace, job) =
        after.map_or((Uuid::nil(), Uuid::nil()), |last| (last.workspace.uuid(), last.job.uuid()));
    let mut jobs = jobs_after(conn, (workspace, job), limit).await?;
    let missing = limit - jobs.len() as i64;
    if after.is_some() && missing > 0 {
        let first = jobs_after(conn, (Uuid::nil(), Uuid::nil()), missing).await?;
        jobs.extend(first.into_iter().filter(|job| !jobs.contains(job)).collect::<Vec<_>>());
    }
    Ok(jobs)
}

async fn jobs_after(
    conn: &mut Conn,
    (workspace, job): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<WaitingJob>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        account_id: Uuid,
        #[diesel(sql_type = diesel::dsl::SqlTypeOf<runs::workspace_id>)]
        workspace_id: Uuid,
        #[diesel(sql_type = diesel::dsl::SqlTypeOf<runs::job_id>)]
        job_id: Uuid,
    }
    let rows: Vec<Row> = prepared(
        sql_query(
            "with recursive jobs(workspace_id, job_id, n) as (
                 select $1, $2, 0::bigint
                 union all
                 select next.workspace_id, next.job_id, jobs.n + 1
                 from jobs cross join lateral (
                     select e.workspace_id, e.job_id from runs e
                     where e.waits_for_capacity and (e.workspace_id, e.job_id) > (jobs.workspace_id, jobs.job_id)
                     order by e.workspace_id, e.job_id limit 1) next
                 where jobs.n < $3)
             select coalesce(w.created_by, w.id) as account_id, j.workspace_id, j.job_id
             from jobs j join workspaces w on w.id = j.workspace_id
             where j.n > 0 order by j.n",
        )
        .bind::<SqlUuid, _>(workspace)
        .bind::<SqlUuid, _>(job)
        .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    let job = |row: Row| WaitingJob {
        account: AccountId::from_uuid(row.account_id),
        workspace: WorkspaceId::from_uuid(row.workspace_id),
        job: JobId::from_uuid(row.job_id),
    };
    Ok(rows.into_iter().map(job).collect())
}

/// Leases up to `limit` executions of a job that wait for capacity, those first that have been due for longest. Executors that call it at
/// the same time get different ones. Those that need a slot are left out: see [`waiting_limited`].
pub async fn lease_waiting(
    conn: &mut Conn,
    executor: ExecutorId,
    waiting: &WaitingJob,
    limit: i64,
) -> Result<Vec<Lease>, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let ids = ids(conn, LOCK_UNLIMITED, waiting, limit).await?;
        lease(conn, executor, &ids).await
    })
    .await
}

/// Up to `limit` executions of a job that wait for capacity and need a slot, those first that have been due for longest. They are not
/// locked: their job has to be locked before them.
pub async fn waiting_limited(
    conn: &mut Conn,
    waiting: &WaitingJob,
    limit: i64,
) -> Result<Vec<ExecutionId>, StoreError> {
    ids(conn, FIND_LIMITED, waiting, limit).await
}

/// Lets executions without an owner wait for capacity.
pub async fn wait(conn: &mut Conn, executions: &[ExecutionId]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = executions.iter().map(|id| id.uuid()).collect();
    prepared(
        sql_query(
            "update runs set waits_for_capacity = true, publish_claimed_at = coalesce(publish_claimed_at, clock_timestamp())
             where id = any($1) and owner_id is null and not waits_for_slot and not waits_for_capacity",
        )
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .execute(conn)
    .await?;
    Ok(())
}

macro_rules! waiting {
    ($limit:literal, $lock:literal) => {
        concat!(
            "select e.id from runs e
             where e.waits_for_capacity and e.workspace_id = $1 and e.job_id = $2
               and exists (select from job_versions v where v.job_id = e.job_id and v.version = e.version
                             and v.concurrency_limit ",
            $limit,
            ") order by e.due_at limit $3 ",
            $lock
        )
    };
}

const LOCK_UNLIMITED: &str = waiting!("is null", "for update of e skip locked");
const FIND_LIMITED: &str = waiting!("is not null", "");

async fn ids(
    conn: &mut Conn,
    statement: &'static str,
    waiting: &WaitingJob,
    limit: i64,
) -> Result<Vec<ExecutionId>, StoreError> {
    let rows: Vec<Id> = prepared(
        sql_query(statement)
            .bind::<SqlUuid, _>(waiting.workspace.uuid())
            .bind::<SqlUuid, _>(waiting.job.uuid())
            .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ExecutionId::from_uuid(row.id)).collect())
}
