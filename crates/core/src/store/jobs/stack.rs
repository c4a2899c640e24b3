//! Stacks: sets of jobs that are applied together; and what is recorded of changes of many jobs.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    domain::{
        audit::{Action, Author},
        id::{JobId, WorkspaceId},
        job::BulkAction,
    },
    store::{Conn, StoreError, audit, schema::jobs, workspaces},
};

/// A job of a stack.
#[derive(Clone, Debug)]
pub struct StackedJob {
    pub id: JobId,
    pub key: Option<String>,
    pub name: String,
    pub version: i32,
}

/// The jobs of a stack, oldest first, at most `limit`.
pub async fn of_stack(
    conn: &mut Conn,
    workspace: WorkspaceId,
    stack: &str,
    limit: i64,
) -> Result<Vec<StackedJob>, StoreError> {
    let rows: Vec<(Uuid, Option<String>, String, i32)> = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::stack.eq(stack))
        .order(jobs::id)
        .limit(limit)
        .select((jobs::id, jobs::key, jobs::name, jobs::version))
        .load(conn)
        .await?;
    let job = |(id, key, name, version)| StackedJob { id: JobId::from_uuid(id), key, name, version };
    Ok(rows.into_iter().map(job).collect())
}

/// How many jobs an application of a stack has created, changed, paused and deleted.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    pub created: usize,
    pub updated: usize,
    pub paused: usize,
    pub deleted: usize,
}

/// Records that an action was taken on many jobs: on how many, and on how many it failed. The entries of the jobs are written with their
/// changes.
pub async fn record_bulk(
    conn: &mut Conn,
    workspace: WorkspaceId,
    by: &Author,
    action: BulkAction,
    (done, failed): (usize, usize),
) -> Result<(), StoreError> {
    let (done, failed) = (done.to_string(), failed.to_string());
    let details = [("done", done.as_str()), ("failed", failed.as_str())];
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        audit::write(conn, workspace, by, Action::JobsBulk, (action.as_str(), None), &details).await
    })
    .await
}

/// Records that a stack was applied. The entries of its jobs are written with their changes.
pub async fn record_application(
    conn: &mut Conn,
    workspace: WorkspaceId,
    by: &Author,
    stack: &str,
    counts: Applied,
) -> Result<(), StoreError> {
    let Applied { created, updated, paused, deleted } = counts;
    let counts = [("created", created), ("updated", updated), ("paused", paused), ("deleted", deleted)];
    let counts = counts.map(|(name, count)| (name, count.to_string()));
    let details = counts.each_ref().map(|(name, count)| (*name, count.as_str()));
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        audit::write(conn, workspace, by, Action::StackApplied, (stack, None), &details).await
    })
    .await
}
