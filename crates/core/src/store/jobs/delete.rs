//! Deletion of a job: it is not found from then on; its remaining rows are purged in batches.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Integer, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    domain::{
        audit::{Action, Author},
        id::{JobId, WorkspaceId},
    },
    store::{
        Conn, StoreError, audit, executions, notifications, rules,
        schema::{deleted_jobs, jobs},
        sql::prepared,
        workspaces,
    },
};

/// Deletes the job, its versions, its timer and its open executions without an owner. Its other executions are purged later.
///
/// With a `version`, only if it is the current one: otherwise [`StoreError::Conflict`] `version`.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    version: Option<i32>,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        // In the order in which results are recorded, to avoid deadlocks.
        rules::lock_of_job(conn, id).await?;
        let (current, name, key, stack): (i32, String, Option<String>, Option<String>) = jobs::table
            .filter(jobs::workspace_id.eq(workspace.uuid()))
            .filter(jobs::id.eq(id.uuid()))
            .select((jobs::version, jobs::name, jobs::key, jobs::stack))
            .for_update()
            .first(conn)
            .await?;
        if version.is_some_and(|version| version != current) {
            return Err(StoreError::conflict("version"));
        }
        let details = [("key", key.as_deref()), ("stack", stack.as_deref())];
        let details: Vec<_> = details.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
        audit::write(conn, workspace, by, Action::JobDeleted, (id, Some(&name)), &details).await?;
        diesel::delete(jobs::table).filter(jobs::id.eq(id.uuid())).execute(conn).await?;
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
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Deletes up to `limit` executions of deleted jobs; `true` if nothing is left to do.
pub async fn purge_deleted(conn: &mut Conn, limit: i32) -> Result<bool, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let jobs: Vec<Id> = prepared(sql_query(
            "select job_id as id from deleted_jobs order by deleted_at limit 10 for update skip locked",
        ))
        .load(conn)
        .await?;
        let jobs: Vec<Uuid> = jobs.into_iter().map(|job| job.id).collect();
        if jobs.is_empty() {
            return Ok(true);
        }
        let purged = purge_executions(conn, &jobs, limit).await?;
        let notified = notifications::purge_jobs(conn, &jobs, limit).await?;
        if purged.max(notified) < usize::try_from(limit).unwrap_or(0) {
            diesel::delete(deleted_jobs::table)
                .filter(deleted_jobs::job_id.eq_any(&jobs))
                .execute(conn)
                .await?;
        }
        Ok(false)
    })
    .await
}

/// Deletes up to `limit` executions of these jobs with their attempts and keys, and the slots of the jobs; returns how many executions.
///
/// They are selected first. A statement that has their ids, and the first and the last of them, searches few partitions, one id at a time. A
/// join would read both tables entirely.
async fn purge_executions(conn: &mut Conn, jobs: &[Uuid], limit: i32) -> Result<usize, StoreError> {
    let mut found: Vec<Uuid> = Vec::new();
    // Open ones first: an execution that ends in the meantime is found by the second statement.
    for statement in [
        "with removed as (
             delete from runs where id in (select id from runs where job_id = any($1) limit $2) returning id)
         select id from removed",
        "select id from executions where job_id = any($1) limit $2",
    ] {
        let rows: Vec<Id> =
            prepared(sql_query(statement).bind::<Array<SqlUuid>, _>(jobs).bind::<Integer, _>(limit))
                .load(conn)
                .await?;
        found.extend(rows.into_iter().map(|row| row.id));
    }
    if let (Some(first), Some(last)) = (found.iter().min(), found.iter().max()) {
        for statement in [
            "delete from executions where id = any($1) and id between $2 and $3",
            "delete from earlier_attempts where execution_id = any($1) and execution_id between $2 and $3",
            "delete from run_keys where execution_id = any($1) and execution_id between $2 and $3",
        ] {
            prepared(
                sql_query(statement)
                    .bind::<Array<SqlUuid>, _>(&found)
                    .bind::<SqlUuid, _>(first)
                    .bind::<SqlUuid, _>(last),
            )
            .execute(conn)
            .await?;
        }
    }
    prepared(sql_query("delete from job_slots where job_id = any($1)").bind::<Array<SqlUuid>, _>(jobs))
        .execute(conn)
        .await?;
    Ok(found.len())
}
