//! Which execution a run or replay with an idempotency key created.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::id::{ExecutionId, JobId, WorkspaceId},
    store::{Conn, StoreError, schema::run_keys, sql::prepared},
};

/// The request that used a key, and the execution that it created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotentRun {
    pub execution: ExecutionId,
    pub job: JobId,
    pub replay_of: Option<ExecutionId>,
}

/// The run under this key; `None` if the key was never used, or so long ago that its execution has been purged.
pub async fn find_run(
    conn: &mut Conn,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Option<IdempotentRun>, StoreError> {
    let found: Option<(Uuid, Uuid, Option<Uuid>)> = run_keys::table
        .find((workspace.uuid(), key))
        .select((run_keys::execution_id, run_keys::job_id, run_keys::replay_of))
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(execution, job, replay_of)| IdempotentRun {
        execution: ExecutionId::from_uuid(execution),
        job: JobId::from_uuid(job),
        replay_of: replay_of.map(ExecutionId::from_uuid),
    }))
}

/// Deletes up to `limit` keys of executions from before `oldest`; returns how many.
pub async fn purge_keys(conn: &mut Conn, oldest: DateTime<Utc>, limit: i64) -> Result<usize, StoreError> {
    let purged = prepared(
        sql_query(
            "delete from run_keys where execution_id in (
                 select execution_id from run_keys where execution_id < $1 order by execution_id limit $2)",
        )
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(oldest))
        .bind::<BigInt, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(purged)
}

/// Deletes up to `limit` keys of deleted workspaces; returns how many.
pub(in crate::store) async fn purge_keys_of_workspaces(
    conn: &mut Conn,
    limit: i64,
) -> Result<usize, StoreError> {
    let purged = prepared(
        sql_query(
            "delete from run_keys where (workspace_id, key) in (
                 select k.workspace_id, k.key from run_keys k join workspaces w on w.id = k.workspace_id
                 where w.deleted_at is not null limit $1)",
        )
        .bind::<BigInt, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(purged)
}
