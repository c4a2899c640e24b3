//! Which execution kept another from running.

use diesel::{OptionalExtension, sql_query, sql_types::Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::row::RunId;
use crate::{
    domain::id::{ExecutionId, JobId, WorkspaceId},
    store::{Conn, StoreError, sql::prepared},
};

/// The execution of the job that had been running for longest when this one was skipped; `None` if it is not known. Reads at most 200 of
/// the executions that were due before; they have the workspace of their job.
pub async fn find_blocking(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    skipped: ExecutionId,
) -> Result<Option<ExecutionId>, StoreError> {
    let found: Option<RunId> = prepared(
        sql_query(
            "with skipped as materialized (
                 select finished_at as at from executions where id = $3 and workspace_id = $1 and job_id = $2)
             select e.id from skipped, (
                 (select e.id, e.started_at, null::timestamptz as finished_at from runs e
                  where (e.job_id, e.id) < ($2, $3) and (e.job_id, e.id) >= ($2, $4)
                  order by e.job_id desc, e.id desc limit 100)
                 union all
                 (select e.id, e.started_at, e.finished_at from executions e
                  where (e.job_id, e.id) < ($2, $3) and (e.job_id, e.id) >= ($2, $4) and e.id < $3
                  order by e.job_id desc, e.id desc limit 100)) e
             where e.started_at <= skipped.at and (e.finished_at is null or e.finished_at >= skipped.at)
             order by e.started_at limit 1",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(job.uuid())
        .bind::<SqlUuid, _>(skipped.uuid())
        .bind::<SqlUuid, _>(Uuid::nil()),
    )
    .get_result(conn)
    .await
    .optional()?;
    Ok(found.map(RunId::execution))
}
