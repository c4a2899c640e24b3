//! People and their sessions.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, invitations, members,
    schema::{sessions, users},
    workspaces,
};
use crate::domain::{
    audit::Author,
    id::{SessionId, UserId, WorkspaceId},
    user::{Role, User},
    workspace::Workspace,
};

diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(sessions, users);

pub struct NewUser<'a> {
    pub user: &'a User,
    pub password_hash: &'a str,
    /// Themselves, or the operator.
    pub by: &'a Author,
}

/// Where somebody who signs up comes in.
pub enum Door<'a> {
    /// A workspace of their own, of which they are the owner.
    Own(&'a Workspace),
    /// By an invitation, for the digest of its secret and the address that it was made for.
    Invited { hash: &'a [u8] },
}

/// Makes a person and a membership, both or none.
///
/// [`StoreError::Conflict`] `users_email` when the address is taken; [`StoreError::NotFound`] when there is no such invitation for
/// the address, or it has expired.
pub async fn sign_up(conn: &mut Conn, new: NewUser<'_>, door: Door<'_>) -> Result<WorkspaceId, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        diesel::insert_into(users::table)
            .values((
                users::id.eq(new.user.id.uuid()),
                users::email.eq(&new.user.email),
                users::name.eq(&new.user.name),
                users::password_hash.eq(new.password_hash),
                users::created_at.eq(new.by.at),
            ))
            .execute(conn)
            .await?;
        match door {
            Door::Own(workspace) => {
                workspaces::insert(conn, workspace, new.by).await?;
                members::join(conn, workspace.id, new.user.id, Role::Owner, new.by.at).await?;
                Ok(workspace.id)
            }
            Door::Invited { hash } => invitations::accept(conn, new.user, hash, new.by).await,
        }
    })
    .await
}

/// A person and the hash of the password, by the address.
pub async fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<(User, String)>, StoreError> {
    let row: Option<(Uuid, String, String, String)> = users::table
        .filter(users::email.eq(email))
        .select((users::id, users::email, users::name, users::password_hash))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(id, email, name, hash)| (User { id: UserId::from_uuid(id), email, name }, hash)))
}

pub struct NewSession<'a> {
    pub id: SessionId,
    pub user: UserId,
    pub hash: &'a [u8],
    pub now: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

pub async fn log_in(conn: &mut Conn, new: NewSession<'_>) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(new.id.uuid()),
            sessions::user_id.eq(new.user.uuid()),
            sessions::hash.eq(new.hash),
            sessions::created_at.eq(new.now),
            sessions::expires_at.eq(new.expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn log_out(conn: &mut Conn, hash: &[u8]) -> Result<(), StoreError> {
    diesel::delete(sessions::table).filter(sessions::hash.eq(hash)).execute(conn).await?;
    Ok(())
}

/// Whose session this is; `None` when there is none or it has expired.
pub async fn find_by_session(conn: &mut Conn, hash: &[u8]) -> Result<Option<User>, StoreError> {
    let row: Option<(Uuid, String, String)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::hash.eq(hash))
        .filter(sessions::expires_at.gt(diesel::dsl::now))
        .select((users::id, users::email, users::name))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(id, email, name)| User { id: UserId::from_uuid(id), email, name }))
}
