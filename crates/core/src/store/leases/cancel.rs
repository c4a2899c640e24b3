//! Cancellation of executions that have not ended: by a user, or because their workspace is suspended.

use super::row::EndedRow;
use crate::{
    domain::{
        execution::Status,
        id::{ExecutionId, WorkspaceId},
    },
    store::{Conn, StoreError, columns::parse_enum, completion, slots, sql::prepared},
};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};

/// Ends executions as `cancelled`. `$removed` deletes their rows of open work and returns them; `$class` is the class of the error, and
/// `$error` that of an attempt that was running.
macro_rules! cancel {
    ($removed:literal, $class:literal, $error:literal) => {
        concat!(
            "with ",
            $removed,
            ",
             was as (
                 select r.*, r.status = 'running' as is_running, clock.now,
                        least(coalesce(r.attempt_started_at, r.due_at), clock.now) as began
                 from removed r cross join (select clock_timestamp() as now) clock),
             ended as (
                 insert into executions (id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, started_at, finished_at,
                                         lateness_us, status, source, error_class, replay_of)
                 select id, workspace_id, job_id, version, attempt_count, depth, scheduled_for,
                        coalesce(started_at, case when is_running then began end), now, lateness_us, 'cancelled', source, '",
            $class,
            "', replay_of
                 from was),
             interrupted as (
                 insert into earlier_attempts (execution_id, number, status, error_class, error, started_at, total_us)
                 select id, attempt_count, 'interrupted', '",
            $class,
            "', '",
            $error,
            "', began, least(extract(epoch from now - began) * 1000000, 2147483647)::int
                 from was where is_running)
             select id, job_id, ends_job from was"
        )
    };
}

/// Ends an execution as `cancelled` in any open state; `Some` with its status if it had ended already.
///
/// If an executor owns a running attempt, that attempt is recorded as `interrupted`: the request may have been sent, or may still be sent
/// before the executor's next reconciliation finds that it does not own the execution any more, and drops the connection.
pub async fn cancel(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ExecutionId,
) -> Result<Option<Status>, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let cancelled: Vec<EndedRow> = prepared(
            sql_query(cancel!(
                "removed as (delete from runs where workspace_id = $1 and id = $2 returning *)",
                "cancelled",
                "The execution was cancelled while this request was being made; it may or may not have arrived."
            ))
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(id.uuid()),
        )
        .load(conn)
        .await?;
        if cancelled.is_empty() {
            return status(conn, workspace, id).await.map(Some);
        }
        follow(conn, &cancelled).await?;
        Ok(None)
    })
    .await
}

/// The statement of [`cancel_suspended`], for the test of its plan. The lock of the workspaces keeps them from being resumed until the
/// executions have ended. Another scheduler takes others.
pub const CANCEL_SUSPENDED: &str = cancel!(
    "suspended as (
         select id from workspaces w where suspended_at is not null and exists (select from runs where workspace_id = w.id) for share),
     removed as (
         delete from runs where id in (
             select r.id from suspended w
             cross join lateral (
                 select id from runs where workspace_id = w.id order by workspace_id, id limit $1 for update skip locked) r
             limit $1)
         returning *)",
    "suspended",
    "The workspace was suspended while this request was being made; it may or may not have arrived."
);

/// Ends up to `limit` open executions of suspended workspaces like [`cancel`], and returns how many.
pub async fn cancel_suspended(conn: &mut Conn, limit: i64) -> Result<usize, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let cancelled: Vec<EndedRow> =
            prepared(sql_query(CANCEL_SUSPENDED).bind::<BigInt, _>(limit)).load(conn).await?;
        if !cancelled.is_empty() {
            follow(conn, &cancelled).await?;
        }
        Ok(cancelled.len())
    })
    .await
}

/// What follows the end of these executions.
async fn follow(conn: &mut Conn, cancelled: &[EndedRow]) -> Result<(), StoreError> {
    let ids: Vec<_> = cancelled.iter().map(|row| row.id).collect();
    slots::release(conn, &ids).await?;
    let last: Vec<_> = cancelled.iter().filter(|row| row.ends_job).map(|row| row.job_id).collect();
    completion::complete_jobs(conn, &last).await
}

async fn status(conn: &mut Conn, workspace: WorkspaceId, id: ExecutionId) -> Result<Status, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        status: String,
    }
    let row: Row = prepared(
        sql_query(
            "select e.status from executions e join jobs j on j.id = e.job_id where e.workspace_id = $1 and e.id = $2",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(id.uuid()),
    )
    .get_result(conn)
    .await?;
    parse_enum("executions.status", &row.status)
}
