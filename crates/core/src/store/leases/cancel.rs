//! Cancellation of an execution that has not ended, by a user.

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
        let cancelled: Vec<EndedRow> = prepared(
            sql_query(
                "with removed as (
                     delete from runs where workspace_id = $1 and id = $2 returning *),
                 was as (
                     select r.*, r.status = 'running' as is_running, clock.now,
                            least(coalesce(r.attempt_started_at, r.due_at), clock.now) as began
                     from removed r cross join (select clock_timestamp() as now) clock),
                 ended as (
                     insert into executions (id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, started_at, finished_at,
                                             lateness_us, status, source, error_class, replay_of)
                     select id, workspace_id, job_id, version, attempt_count, depth, scheduled_for,
                            coalesce(started_at, case when is_running then began end), now, lateness_us, 'cancelled', source, 'cancelled',
                            replay_of
                     from was),
                 interrupted as (
                     insert into earlier_attempts (execution_id, number, status, error_class, error, started_at, total_us)
                     select id, attempt_count, 'interrupted', 'cancelled',
                            'The execution was cancelled while this request was being made; it may or may not have arrived.',
                            began, least(extract(epoch from now - began) * 1000000, 2147483647)::int
                     from was where is_running)
                 select id, job_id, ends_job from was",
            )
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(id.uuid()),
        )
        .load(conn)
        .await?;
        let [cancelled] = &cancelled[..] else {
            return status(conn, workspace, id).await.map(Some);
        };
        slots::release(conn, &[cancelled.id]).await?;
        if cancelled.ends_job {
            completion::complete_jobs(conn, &[cancelled.job_id]).await?;
        }
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
