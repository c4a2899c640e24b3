//! Executions that wait for capacity: no executor that met them had room for their account, workspace or job.
//!
//! They wait in Postgres, however many they are, in a queue per job. No dispatch message announces them. Executors that have capacity look
//! for them.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;

use super::{Lease, lease};
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

/// A job of the workspace that is asked for, and how many of its executions an executor has capacity for.
#[derive(Clone, Copy, Debug)]
pub struct JobCapacity {
    pub job: JobId,
    pub limit: usize,
}

/// Leases executions that wait for capacity: of each of these jobs as many as its limit, and of all of them `limit`. Of a job, those come
/// first that have been due for longest. Executors that call it at the same time get different ones. Those that need a slot are left out:
/// see [`waiting_limited`].
pub async fn lease_waiting(
    conn: &mut Conn,
    workspace: WorkspaceId,
    executor: ExecutorId,
    jobs: &[JobCapacity],
    limit: usize,
) -> Result<Vec<Lease>, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let waiting = find(conn, LOCK_UNLIMITED, workspace, jobs, limit).await?;
        let ids: Vec<ExecutionId> = waiting.iter().map(|row| ExecutionId::from_uuid(row.id)).collect();
        lease(conn, executor, &ids).await
    })
    .await
}

/// The executions of these jobs that wait for capacity and need a slot: of each job as many as its limit, those first that have been due
/// for longest. They are not locked: their job has to be locked before them.
pub async fn waiting_limited(
    conn: &mut Conn,
    workspace: WorkspaceId,
    jobs: &[JobCapacity],
) -> Result<HashMap<JobId, Vec<ExecutionId>>, StoreError> {
    let all = jobs.iter().map(|job| job.limit).sum();
    let mut of_jobs: HashMap<JobId, Vec<ExecutionId>> = HashMap::new();
    for row in find(conn, FIND_LIMITED, workspace, jobs, all).await? {
        of_jobs.entry(JobId::from_uuid(row.job_id)).or_default().push(ExecutionId::from_uuid(row.id));
    }
    Ok(of_jobs)
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
            "select e.id, e.job_id
             from unnest($2, $3) j(id, n) cross join lateral (
                 select e.id, e.job_id from runs e
                 where e.waits_for_capacity and e.workspace_id = $1 and e.job_id = j.id
                   and exists (select from job_versions v where v.job_id = e.job_id and v.version = e.version
                                 and v.concurrency_limit ",
            $limit,
            ") order by e.due_at limit j.n ",
            $lock,
            ") e limit $4"
        )
    };
}

const LOCK_UNLIMITED: &str = waiting!("is null", "for update of e skip locked");
const FIND_LIMITED: &str = waiting!("is not null", "");

#[derive(QueryableByName)]
#[diesel(table_name = runs)]
struct ExecutionRow {
    id: Uuid,
    job_id: Uuid,
}

async fn find(
    conn: &mut Conn,
    statement: &'static str,
    workspace: WorkspaceId,
    jobs: &[JobCapacity],
    limit: usize,
) -> Result<Vec<ExecutionRow>, StoreError> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.job.uuid()).collect();
    let limits: Vec<i64> = jobs.iter().map(|job| job.limit as i64).collect();
    let rows = prepared(
        sql_query(statement)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<Array<BigInt>, _>(limits)
            .bind::<BigInt, _>(limit as i64),
    )
    .load(conn)
    .await?;
    Ok(rows)
}
