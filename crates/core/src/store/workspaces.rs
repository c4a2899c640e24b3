//! Tenants.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError, schema::workspaces};
use crate::domain::{id::WorkspaceId, workspace::Workspace};

pub async fn insert(conn: &mut Conn, workspace: &Workspace) -> Result<(), StoreError> {
    diesel::insert_into(workspaces::table)
        .values((workspaces::id.eq(workspace.id.uuid()), workspaces::name.eq(&workspace.name)))
        .execute(conn)
        .await?;
    Ok(())
}

/// For the operator's commands, which have no token to take a workspace from.
pub async fn all(conn: &mut Conn) -> Result<Vec<Workspace>, StoreError> {
    let rows: Vec<(uuid::Uuid, String)> =
        workspaces::table.select((workspaces::id, workspaces::name)).order(workspaces::id).load(conn).await?;
    Ok(rows.into_iter().map(|(id, name)| Workspace { id: WorkspaceId::from_uuid(id), name }).collect())
}
