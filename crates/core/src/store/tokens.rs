//! API tokens: stored as a digest, found by it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Conn, StoreError, columns::word, schema::tokens};
use crate::domain::{
    access::{Grant, Scope},
    id::{TokenId, WorkspaceId},
};

pub struct NewToken<'a> {
    pub id: TokenId,
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub hash: &'a [u8],
    pub scopes: &'a [Scope],
    pub expires_at: Option<DateTime<Utc>>,
}

/// [`StoreError::NotFound`] when there is no such workspace.
pub async fn insert(conn: &mut Conn, workspace: WorkspaceId, token: NewToken<'_>) -> Result<(), StoreError> {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    diesel::insert_into(tokens::table)
        .values((
            tokens::id.eq(token.id.uuid()),
            tokens::workspace_id.eq(workspace.uuid()),
            tokens::name.eq(token.name),
            tokens::hash.eq(token.hash),
            tokens::scopes.eq(scopes),
            tokens::expires_at.eq(token.expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// What the token with this digest grants; `None` when there is none or it has expired.
///
/// This is the root of every tenant query: the workspace in a [`Grant`] comes from here and nowhere else.
pub async fn find_by_hash(conn: &mut Conn, hash: &[u8]) -> Result<Option<Grant>, StoreError> {
    let row: Option<(Uuid, Uuid, Vec<String>)> = tokens::table
        .filter(tokens::hash.eq(hash))
        .filter(tokens::expires_at.is_null().or(tokens::expires_at.gt(diesel::dsl::now)))
        .select((tokens::id, tokens::workspace_id, tokens::scopes))
        .first(conn)
        .await
        .optional()?;
    row.map(|(id, workspace, scopes)| {
        let scopes = scopes.iter().map(|scope| word("tokens.scopes", scope)).collect::<Result<_, _>>()?;
        Ok(Grant { token: TokenId::from_uuid(id), workspace: WorkspaceId::from_uuid(workspace), scopes })
    })
    .transpose()
}
