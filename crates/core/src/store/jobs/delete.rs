//! Deleting a job: gone at once for everybody, what it left behind is swept in batches.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Integer, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    domain::id::{JobId, WorkspaceId},
    store::{
        Conn, StoreError, executions, notifications, rules,
        schema::{deleted_jobs, jobs},
        sql::prepared,
    },
};

/// Removes the job, its versions, its timer and what waits to run; the rest of its executions are tidied away later.
pub async fn delete(conn: &mut Conn, workspace: WorkspaceId, id: JobId) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // In the order in which those who record take them.
        rules::lock_of_job(conn, id).await?;
        let deleted = diesel::delete(jobs::table)
            .filter(jobs::workspace_id.eq(workspace.uuid()))
            .filter(jobs::id.eq(id.uuid()))
            .execute(conn)
            .await?;
        if deleted == 0 {
            return Err(StoreError::NotFound);
        }
        diesel::insert_into(deleted_jobs::table)
            .values(deleted_jobs::job_id.eq(id.uuid()))
            .execute(conn)
            .await?;
        notifications::drop_open_of_job(conn, id).await?;
        executions::remove_unowned(conn, id).await
    })
    .await
}

#[derive(QueryableByName)]
struct DeletedJob {
    #[diesel(sql_type = SqlUuid)]
    job_id: Uuid,
}

/// Deletes up to `limit` executions of jobs that were deleted; `true` when nothing is left to do.
pub async fn sweep_deleted(conn: &mut Conn, limit: i32) -> Result<bool, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let jobs: Vec<DeletedJob> = prepared(sql_query(
            "select job_id from deleted_jobs order by deleted_at limit 10 for update skip locked",
        ))
        .load(conn)
        .await?;
        let jobs: Vec<Uuid> = jobs.into_iter().map(|job| job.job_id).collect();
        if jobs.is_empty() {
            return Ok(true);
        }
        let swept = prepared(
            sql_query(
                "with swept as (
                     delete from executions where id in (select id from executions where job_id = any($1) limit $2) returning id),
                 tries as (delete from attempts a using swept s where a.execution_id = s.id),
                 slots as (delete from job_slots where job_id = any($1))
                 select id as job_id from swept",
            )
            .bind::<Array<SqlUuid>, _>(&jobs)
            .bind::<Integer, _>(limit),
        )
        .load::<DeletedJob>(conn)
        .await?;
        let told = notifications::sweep_jobs(conn, &jobs, limit).await?;
        if swept.len().max(told) < usize::try_from(limit).unwrap_or(0) {
            diesel::delete(deleted_jobs::table).filter(deleted_jobs::job_id.eq_any(&jobs)).execute(conn).await?;
        }
        Ok(false)
    })
    .await
}
