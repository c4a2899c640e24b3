//! Writes a change of a job. `domain::job::change` decides what it means for future fires.

use diesel::{dsl::sql, prelude::*, sql_types::Timestamptz};
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{Start, insert_version, start};
use crate::{
    domain::{
        chain::Depth,
        id::{ExecutionId, JobId, WorkspaceId},
        job::change::{ChangeError, FutureFires, JobChange, first_fire},
    },
    store::{Conn, StoreError, clock, executions, schema::jobs, timers, workspaces},
};

/// Applies a change in one transaction. It takes effect when the job and its timer are locked: fires that are due by then run with the
/// previous definition.
///
/// `depth` is that of the request. Returns the execution that a `one_time` job gets when it becomes active. [`StoreError::Conflict`] with `version` if the job has another
/// version or state, or with the code of a [`ChangeError`] if its first fire can no longer be computed.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    change: &JobChange,
    traceparent: Option<&str>,
    depth: Depth,
) -> Result<Option<ExecutionId>, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let definition = &change.definition;
        let version = change.from_version + 1;
        workspaces::lock_active(conn, workspace).await?;
        let changed = diesel::update(jobs::table)
            .filter(jobs::workspace_id.eq(workspace.uuid()))
            .filter(jobs::id.eq(id.uuid()))
            .filter(jobs::version.eq(change.from_version))
            .filter(jobs::state.eq(change.from_state.as_str()))
            .set((
                jobs::version.eq(version),
                jobs::name.eq(&definition.name),
                jobs::kind.eq(definition.schedule.kind().as_str()),
                jobs::state.eq(change.state.as_str()),
                jobs::tags.eq(&definition.tags),
                jobs::updated_at.eq(sql::<Timestamptz>("clock_timestamp()")),
            ))
            .execute(conn)
            .await?;
        if changed == 0 {
            return Err(why_unchanged(conn, workspace, id).await?);
        }
        // Waits for a scheduler that is planning this job and holds its timer. Its executions are visible afterwards.
        timers::lock(conn, id).await?;
        let now = clock::now(conn).await?;
        insert_version(conn, id, version, definition, depth, now).await?;
        match change.future_fires {
            FutureFires::Keep => {
                timers::keep(conn, id, version, definition).await?;
                executions::move_planned(conn, id, version, now).await?;
                Ok(None)
            }
            FutureFires::Reset => {
                let anchor = change.anchor;
                timers::fire_overdue(conn, id, now, traceparent).await?;
                timers::remove(conn, id).await?;
                executions::withdraw_planned(conn, id, now).await?;
                let next = first_fire(definition, anchor, now)
                    .map_err(|error: ChangeError| StoreError::conflict(error.code()))?;
                start(
                    conn,
                    workspace,
                    id,
                    Start { depth, version, definition, anchor, next, traceparent, now },
                )
                .await
            }
        }
    })
    .await
}

async fn why_unchanged(conn: &mut Conn, workspace: WorkspaceId, id: JobId) -> Result<StoreError, StoreError> {
    let exists: i64 = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::id.eq(id.uuid()))
        .count()
        .get_result(conn)
        .await?;
    Ok(if exists == 0 { StoreError::NotFound } else { StoreError::conflict("version") })
}
