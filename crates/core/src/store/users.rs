//! Users and their sessions.

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
    /// The user, or the operator.
    pub by: &'a Author,
}

/// How a user signs up.
pub enum SignUpRoute<'a> {
    /// With a new workspace, as its owner.
    OwnWorkspace(&'a Workspace),
    /// By an invitation: the digest of its secret. It must have been made for the user's address.
    Invitation { hash: &'a [u8] },
}

/// Creates a user and a membership, both or neither.
///
/// [`StoreError::Conflict`] `users_email` if the address is taken; [`StoreError::NotFound`] if there is no such invitation for the address,
/// or it has expired.
pub async fn sign_up(
    conn: &mut Conn,
    new: NewUser<'_>,
    route: SignUpRoute<'_>,
) -> Result<WorkspaceId, StoreError> {
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
        match route {
            SignUpRoute::OwnWorkspace(workspace) => {
                workspaces::insert(conn, workspace, new.by).await?;
                members::join(conn, workspace.id, new.user.id, Role::Owner, (None, None), new.by.at).await?;
                Ok(workspace.id)
            }
            SignUpRoute::Invitation { hash } => invitations::accept(conn, new.user, hash, new.by).await,
        }
    })
    .await
}

/// A user and the hash of the password, by e-mail address.
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

/// The user of a session; `None` if there is none or it has expired.
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
