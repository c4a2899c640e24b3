//! Users.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Conn, StoreError, audit, invitations, members, schema::users, workspaces};
use crate::domain::{
    audit::{Action, Actor, Author},
    id::{UserId, WorkspaceId},
    user::{Role, User},
    workspace::Workspace,
};

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
/// [`StoreError::NotFound`] if there is no such invitation for the address, or it has expired, whether or not the address is taken; otherwise
/// [`StoreError::Conflict`] `users_email` if it is.
pub async fn sign_up(
    conn: &mut Conn,
    new: NewUser<'_>,
    route: SignUpRoute<'_>,
) -> Result<WorkspaceId, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // First, so that only the owner of an invitation learns whether its address is taken.
        if let SignUpRoute::Invitation { hash } = route {
            invitations::check(conn, &new.user.email, hash, new.by.at).await?;
        }
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

/// Records a wrong password for the user that is the author.
pub async fn log_in_failed(conn: &mut Conn, by: &Author) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| record(conn, by, Action::LogInFailed, &[]).await).await
}

/// Records in each of the user's workspaces what the user did. In the order of a deletion: each workspace is locked before its entry is
/// written, and before any row of the user is changed.
pub(super) async fn record(
    conn: &mut Conn,
    by: &Author,
    action: Action,
    details: &[(&str, &str)],
) -> Result<(), StoreError> {
    let Actor::User { id, email } = &by.actor else { return Ok(()) };
    for membership in members::of_user(conn, *id).await? {
        match workspaces::lock_active(conn, membership.workspace).await {
            Err(StoreError::NotFound) => {}
            locked => {
                locked?;
                audit::write(conn, membership.workspace, by, action, (id, Some(email)), details).await?;
            }
        }
    }
    Ok(())
}

/// Deletes a user, who leaves every workspace; what the user gave falls or stays as then.
///
/// [`StoreError::Conflict`] `last_owner` if a workspace would have no owner left.
pub async fn delete(conn: &mut Conn, user: UserId, by: &Author) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let mut workspaces = members::of_user(conn, user).await?;
        // All lock in the same order.
        workspaces.sort_by_key(|membership| membership.workspace.uuid());
        for membership in workspaces {
            members::leave(conn, membership.workspace, user, by).await?;
        }
        let deleted = diesel::delete(users::table.find(user.uuid())).execute(conn).await?;
        if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    })
    .await
}

pub async fn rename(conn: &mut Conn, user: UserId, name: &str) -> Result<(), StoreError> {
    let renamed =
        diesel::update(users::table.find(user.uuid())).set(users::name.eq(name)).execute(conn).await?;
    if renamed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Whether there is any user.
pub async fn exist(conn: &mut Conn) -> Result<bool, StoreError> {
    Ok(diesel::select(diesel::dsl::exists(users::table.select(users::id))).get_result(conn).await?)
}
