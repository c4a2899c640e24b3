//! Data keys: one per workspace, wrapped by a master key.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Conn, StoreError, schema::workspace_keys};
use crate::{
    crypto::seal::{DataKey, KeyError, MasterKeys, Wrapped},
    domain::id::WorkspaceId,
};

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// The data key of a workspace, created on first use.
pub async fn data_key(
    conn: &mut Conn,
    workspace: WorkspaceId,
    keys: &MasterKeys,
) -> Result<DataKey, StoreError> {
    if let Some(wrapped) = find(conn, workspace).await? {
        return Ok(keys.unwrap(workspace, &wrapped)?);
    }
    let new = keys.new_data_key(workspace)?;
    diesel::insert_into(workspace_keys::table)
        .values((
            workspace_keys::workspace_id.eq(workspace.uuid()),
            workspace_keys::master_key.eq(&new.master_key),
            workspace_keys::wrapped.eq(&new.sealed),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    // This one, or that of a concurrent call.
    let wrapped = find(conn, workspace).await?.ok_or(StoreError::NotFound)?;
    Ok(keys.unwrap(workspace, &wrapped)?)
}

async fn find(conn: &mut Conn, workspace: WorkspaceId) -> Result<Option<Wrapped>, StoreError> {
    let row: Option<(String, Vec<u8>)> = workspace_keys::table
        .find(workspace.uuid())
        .select((workspace_keys::master_key, workspace_keys::wrapped))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(master_key, sealed)| Wrapped { master_key, sealed }))
}

/// `Err` with the id of a master key that wraps a data key and is not among `keys`.
pub async fn check(conn: &mut Conn, keys: &MasterKeys) -> Result<(), StoreError> {
    let known: Vec<&str> = keys.ids().collect();
    let unknown: Option<String> = workspace_keys::table
        .filter(workspace_keys::master_key.ne_all(known))
        .select(workspace_keys::master_key)
        .first(conn)
        .await
        .optional()?;
    unknown.map_or(Ok(()), |id| Err(KeyError::Unknown(id).into()))
}

/// How many data keys an older master key wraps.
pub async fn older(conn: &mut Conn, keys: &MasterKeys) -> Result<i64, StoreError> {
    let older = workspace_keys::table.filter(workspace_keys::master_key.ne(keys.newest()));
    Ok(older.count().get_result(conn).await?)
}

/// Wraps up to `limit` data keys of older master keys again, under the newest; returns how many. Several processes may do so at once, and stop
/// at any time.
pub async fn rewrap(conn: &mut Conn, keys: &MasterKeys, limit: i64) -> Result<usize, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let rows: Vec<(Uuid, String, Vec<u8>)> = workspace_keys::table
            .filter(workspace_keys::master_key.ne(keys.newest()))
            .order(workspace_keys::workspace_id)
            .limit(limit)
            .select((workspace_keys::workspace_id, workspace_keys::master_key, workspace_keys::wrapped))
            .for_update()
            .skip_locked()
            .load(conn)
            .await?;
        let count = rows.len();
        for (workspace, master_key, sealed) in rows {
            let old = Wrapped { master_key, sealed };
            let new = keys.rewrap(WorkspaceId::from_uuid(workspace), &old)?;
            diesel::update(workspace_keys::table.find(workspace))
                .set((workspace_keys::master_key.eq(new.master_key), workspace_keys::wrapped.eq(new.sealed)))
                .execute(conn)
                .await?;
        }
        Ok(count)
    })
    .await
}
