//! Data keys: one per workspace, wrapped by a master key.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError,
    schema::{master_keys, workspace_keys},
};
use crate::{
    crypto::seal::{DataKey, KeyError, MasterKeys, Wrapped},
    domain::id::WorkspaceId,
};

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// A data key that cannot be opened now: the operator can give this process the right master key.
fn unreadable(workspace: WorkspaceId, error: &KeyError) -> StoreError {
    StoreError::KeyUnreadable(format!("the data key of {workspace}: {error}"))
}

/// The data key of a workspace, created on first use.
pub async fn data_key(
    conn: &mut Conn,
    workspace: WorkspaceId,
    keys: &MasterKeys,
) -> Result<DataKey, StoreError> {
    if let Some(wrapped) = find(conn, workspace).await? {
        return keys.unwrap(workspace, &wrapped).map_err(|error| unreadable(workspace, &error));
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
    keys.unwrap(workspace, &wrapped).map_err(|error| unreadable(workspace, &error))
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

/// Records the check value of every key that is used for the first time, and checks all: [`check`].
pub async fn register(conn: &mut Conn, keys: &MasterKeys) -> Result<(), StoreError> {
    check(conn, keys).await?;
    for (id, check_value) in keys.check_values()? {
        diesel::insert_into(master_keys::table)
            .values((master_keys::id.eq(id), master_keys::check_value.eq(check_value)))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
    }
    // Another process may have been the first, with another key.
    check(conn, keys).await
}

/// `Err` if a master key that wraps a data key is not among `keys`, or if one of these is another key than was used under its id before.
pub async fn check(conn: &mut Conn, keys: &MasterKeys) -> Result<(), StoreError> {
    let known: Vec<&str> = keys.ids().collect();
    let used: Vec<(String, Vec<u8>)> = master_keys::table
        .filter(master_keys::id.eq_any(&known))
        .select((master_keys::id, master_keys::check_value))
        .load(conn)
        .await?;
    for (id, check_value) in used {
        keys.verify(&id, &check_value)?;
    }
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

/// What [`rewrap`] has done with some data keys.
#[derive(Debug, Default)]
pub struct Rewrapped {
    pub wrapped: usize,
    /// Those that could not be opened, with the reason.
    pub failed: Vec<(WorkspaceId, KeyError)>,
    /// Continue after this one; `None` when there are no more.
    pub last: Option<WorkspaceId>,
}

/// Wraps up to `limit` data keys of older master keys again, under the newest, in the order of their workspaces. Several processes may do so at
/// once, and stop at any time.
pub async fn rewrap(
    conn: &mut Conn,
    keys: &MasterKeys,
    after: Option<WorkspaceId>,
    limit: i64,
) -> Result<Rewrapped, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let rows: Vec<(Uuid, String, Vec<u8>)> = workspace_keys::table
            .filter(workspace_keys::master_key.ne(keys.newest()))
            .filter(workspace_keys::workspace_id.gt(after.map_or(Uuid::nil(), WorkspaceId::uuid)))
            .order(workspace_keys::workspace_id)
            .limit(limit)
            .select((workspace_keys::workspace_id, workspace_keys::master_key, workspace_keys::wrapped))
            .for_update()
            .skip_locked()
            .load(conn)
            .await?;
        let mut rewrapped = Rewrapped::default();
        for (id, master_key, sealed) in rows {
            let workspace = WorkspaceId::from_uuid(id);
            rewrapped.last = Some(workspace);
            let new = match keys.rewrap(workspace, &Wrapped { master_key, sealed }) {
                Ok(new) => new,
                Err(error) => {
                    rewrapped.failed.push((workspace, error));
                    continue;
                }
            };
            diesel::update(workspace_keys::table.find(id))
                .set((workspace_keys::master_key.eq(new.master_key), workspace_keys::wrapped.eq(new.sealed)))
                .execute(conn)
                .await?;
            rewrapped.wrapped += 1;
        }
        Ok(rewrapped)
    })
    .await
}
