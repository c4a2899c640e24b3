//! Workspaces: the tenants.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    schema::{deleted_jobs, workspaces},
    sql::prepared,
};
use crate::domain::{
    audit::{Action, Actor, Author},
    id::{AccountId, WorkspaceId},
    workspace::{OwnLimits, Workspace, WorkspacePlan},
};

pub async fn insert(conn: &mut Conn, workspace: &Workspace, by: &Author) -> Result<(), StoreError> {
    let Workspace { id, name } = workspace;
    let created_by = match by.actor {
        Actor::User { id, .. } => Some(id.uuid()),
        Actor::Token { .. } | Actor::Operator => None,
    };
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        diesel::insert_into(workspaces::table)
            .values((
                workspaces::id.eq(id.uuid()),
                workspaces::name.eq(name),
                workspaces::created_by.eq(created_by),
            ))
            .execute(conn)
            .await?;
        audit::write(conn, *id, by, Action::WorkspaceCreated, (id, Some(name)), &[]).await
    })
    .await
}

pub async fn get(conn: &mut Conn, workspace: WorkspaceId) -> Result<Workspace, StoreError> {
    let (id, name): (Uuid, String) = workspaces::table
        .find(workspace.uuid())
        .filter(workspaces::deleted_at.is_null())
        .select((workspaces::id, workspaces::name))
        .first(conn)
        .await?;
    Ok(Workspace { id: WorkspaceId::from_uuid(id), name })
}

/// Keeps the workspace from being deleted until the transaction ends; [`StoreError::NotFound`] if it is deleted already. A trigger does the same
/// for insertions of rows with its id.
pub(super) async fn lock_active(conn: &mut Conn, workspace: WorkspaceId) -> Result<(), StoreError> {
    workspaces::table
        .find(workspace.uuid())
        .filter(workspaces::deleted_at.is_null())
        .select(workspaces::id)
        .for_key_share()
        .first::<Uuid>(conn)
        .await?;
    Ok(())
}

/// Like [`lock_active`]; and makes every other transaction that gives or takes rights in this workspace wait until this one ends.
pub(super) async fn lock_rights(conn: &mut Conn, workspace: WorkspaceId) -> Result<(), StoreError> {
    workspaces::table
        .find(workspace.uuid())
        .filter(workspaces::deleted_at.is_null())
        .select(workspaces::id)
        .for_no_key_update()
        .first::<Uuid>(conn)
        .await?;
    Ok(())
}

/// The accounts of these workspaces; without those that do not exist.
pub async fn accounts(
    conn: &mut Conn,
    workspaces: &[WorkspaceId],
) -> Result<Vec<(WorkspaceId, AccountId)>, StoreError> {
    let ids: Vec<Uuid> = workspaces.iter().map(|workspace| workspace.uuid()).collect();
    let rows: Vec<(Uuid, Option<Uuid>)> = workspaces::table
        .filter(workspaces::id.eq_any(ids))
        .select((workspaces::id, workspaces::created_by))
        .load(conn)
        .await?;
    let account = |(id, created_by): (Uuid, Option<Uuid>)| {
        (WorkspaceId::from_uuid(id), AccountId::from_uuid(created_by.unwrap_or(id)))
    };
    Ok(rows.into_iter().map(account).collect())
}

/// The columns of a plan.
#[derive(Queryable, Selectable)]
#[diesel(table_name = workspaces)]
pub(super) struct PlanColumns {
    plan: String,
    max_jobs: Option<i32>,
    max_tokens: Option<i32>,
    max_executions_per_minute: Option<i32>,
    max_members: Option<i32>,
    max_channels: Option<i32>,
}

impl From<PlanColumns> for WorkspacePlan {
    fn from(columns: PlanColumns) -> Self {
        let limit = |column: Option<i32>| column.map(i32::unsigned_abs);
        let own = OwnLimits {
            jobs: limit(columns.max_jobs),
            tokens: limit(columns.max_tokens),
            executions_per_minute: limit(columns.max_executions_per_minute),
            members: limit(columns.max_members),
            channels: limit(columns.max_channels),
        };
        Self { name: columns.plan, own }
    }
}

/// A workspace that has the name already is unchanged.
pub async fn rename(
    conn: &mut Conn,
    workspace: WorkspaceId,
    name: &str,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let previous: String = workspaces::table
            .find(workspace.uuid())
            .filter(workspaces::deleted_at.is_null())
            .select(workspaces::name)
            .for_no_key_update()
            .first(conn)
            .await?;
        if previous == name {
            return Ok(());
        }
        diesel::update(workspaces::table.find(workspace.uuid()))
            .set(workspaces::name.eq(name))
            .execute(conn)
            .await?;
        let details = [("previous_name", previous.as_str())];
        audit::write(conn, workspace, by, Action::WorkspaceRenamed, (workspace, Some(name)), &details).await
    })
    .await
}

/// Deletes a workspace: its tokens, its timers and its open executions, which aborts the running ones. The rest is purged later.
pub async fn delete(conn: &mut Conn, workspace: WorkspaceId, now: DateTime<Utc>) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // Waits for insertions into the workspace, and prevents new ones.
        workspaces::table
            .find(workspace.uuid())
            .filter(workspaces::deleted_at.is_null())
            .select(workspaces::id)
            .for_update()
            .first::<Uuid>(conn)
            .await?;
        diesel::update(workspaces::table.find(workspace.uuid()))
            .set(workspaces::deleted_at.eq(Some(now)))
            .execute(conn)
            .await?;
        // Timers first: this waits for a scheduler that is planning, and the next statements see what it recorded.
        for statement in [
            "delete from tokens where workspace_id = $1",
            "delete from invitations where workspace_id = $1",
            "delete from job_timers where workspace_id = $1",
            "delete from runs where workspace_id = $1",
            "delete from notifications where workspace_id = $1 and finished_at is null",
        ] {
            sql_query(statement).bind::<SqlUuid, _>(workspace.uuid()).execute(conn).await?;
        }
        Ok(())
    })
    .await
}

/// Deletes up to `limit` jobs of deleted workspaces, and the workspaces without jobs; `true` if nothing is left to do.
pub async fn purge_deleted(conn: &mut Conn, limit: i64) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Job {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let purged: Vec<Job> = prepared(
            sql_query(
                "delete from jobs where id in (
                     select j.id from jobs j join workspaces w on w.id = j.workspace_id
                     where w.deleted_at is not null limit $1 for update of j skip locked)
                 returning id",
            )
            .bind::<BigInt, _>(limit),
        )
        .load(conn)
        .await?;
        if purged.is_empty() {
            if super::notifications::purge_workspaces(conn, limit).await? > 0
                || audit::purge_workspaces(conn, limit).await? > 0
                || super::executions::purge_keys_of_workspaces(conn, limit).await? > 0
                || super::statistics::purge_workspaces(conn, limit).await? > 0
            {
                return Ok(false);
            }
            let deleted = sql_query(
                "delete from workspaces w where w.deleted_at is not null
                   and not exists (select from jobs j where j.workspace_id = w.id)
                   and not exists (select from notifications n where n.workspace_id = w.id)",
            )
            .execute(conn)
            .await?;
            return Ok(deleted == 0);
        }
        let ids: Vec<_> = purged.into_iter().map(|job| deleted_jobs::job_id.eq(job.id)).collect();
        diesel::insert_into(deleted_jobs::table).values(ids).on_conflict_do_nothing().execute(conn).await?;
        Ok(false)
    })
    .await
}
