//! Cancellation of an execution that has not ended, by a user.

use super::row::Id;
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
    sql_types::{Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};

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
        let cancelled: Vec<Id> = prepared(
            sql_query(
                "with was as (
                     select id, attempt_count, status = 'running' as is_running, clock_timestamp() as now,
                            least(coalesce(attempt_started_at, due_at), clock_timestamp()) as began
                     from executions
                     where workspace_id = $1 and id = $2 and status in ('queued', 'running', 'retrying') for update),
                 moved as (
                     update executions e
                     set status = 'cancelled', owner_id = null, waits_for_slot = false, waits_for_capacity = false,
                         error_class = 'cancelled',
                         started_at = coalesce(e.started_at, case when w.is_running then w.began end),
                         finished_at = w.now
                     from was w where e.id = w.id returning e.id),
                 interrupted as (
                     insert into earlier_attempts (execution_id, number, status, error_class, error, started_at, total_us)
                     select id, attempt_count, 'interrupted', 'cancelled',
                            'The execution was cancelled while this request was being made; it may or may not have arrived.',
                            began, least(extract(epoch from now - began) * 1000000, 2147483647)::int
                     from was where is_running)
                 select id from moved",
            )
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(id.uuid()),
        )
        .load(conn)
        .await?;
        if cancelled.is_empty() {
            return status(conn, workspace, id).await.map(Some);
        }
        slots::release(conn, &[id.uuid()]).await?;
        completion::complete_jobs(conn, &[id.uuid()]).await?;
        Ok(None)
    })
    .await
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
