//! Users.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit, invitations, members, operator_audit,
    schema::{sessions, users},
    verifications, workspaces,
};
use crate::domain::{
    audit::{Action, Actor, Author},
    id::{UserId, WorkspaceId},
    operator::{OperatorAction, OperatorAuthor},
    user::{Role, User},
    verification::Purpose,
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
    /// The same, with the digest of the secret of a verification. It must have been sent to the user's address.
    Verified { workspace: &'a Workspace, hash: &'a [u8] },
    /// By an invitation: the digest of its secret. It must have been made for the user's address.
    Invitation { hash: &'a [u8] },
}

/// Creates a user and a membership, both or neither.
///
/// [`StoreError::NotFound`] if there is no such invitation or verification for the address, or it has expired, whether or not the address is
/// taken; otherwise [`StoreError::Conflict`] `users_email` if it is.
pub async fn sign_up(
    conn: &mut Conn,
    new: NewUser<'_>,
    route: SignUpRoute<'_>,
) -> Result<WorkspaceId, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // First, so that only the owner of an invitation or verification learns whether its address is taken.
        match route {
            SignUpRoute::OwnWorkspace(_) => {}
            SignUpRoute::Verified { hash, .. } => {
                let email = verifications::of_sign_up(conn, hash, new.by.at).await?;
                if email != new.user.email {
                    return Err(StoreError::NotFound);
                }
            }
            SignUpRoute::Invitation { hash } => {
                invitations::check(conn, &new.user.email, hash, new.by.at).await?;
            }
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
            SignUpRoute::OwnWorkspace(workspace) => own(conn, workspace, &new).await,
            SignUpRoute::Verified { workspace, hash } => {
                verifications::redeem(conn, (&new.user.email, Purpose::SignUp), hash).await?;
                own(conn, workspace, &new).await
            }
            SignUpRoute::Invitation { hash } => invitations::accept(conn, new.user, hash, new.by).await,
        }
    })
    .await
}

/// Creates the workspace of a new user.
async fn own(conn: &mut Conn, workspace: &Workspace, new: &NewUser<'_>) -> Result<WorkspaceId, StoreError> {
    workspaces::insert(conn, workspace, new.by).await?;
    members::join(conn, workspace.id, new.user.id, Role::Owner, (None, None), new.by.at).await?;
    Ok(workspace.id)
}

/// Replaces a forgotten password, by a verification with this digest, and ends all sessions of the user.
///
/// [`StoreError::NotFound`] if the verification is used up, or the user was deleted.
pub async fn reset_password(
    conn: &mut Conn,
    (user, verification): (&User, &[u8]),
    password_hash: &str,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        record(conn, by, Action::PasswordChanged, &[("by", "verification")]).await?;
        // The row of the user first, as in every change of one.
        let password = users::password_hash.eq(password_hash);
        diesel::update(users::table.find(user.id.uuid())).set(password).execute(conn).await?;
        verifications::redeem(conn, (&user.email, Purpose::PasswordReset), verification).await?;
        delete_sessions(conn, user.id).await.map(drop)
    })
    .await
}

/// Gives a user another address, by a verification with this digest, and ends what was sent to the previous one.
///
/// [`StoreError::NotFound`] if the verification is used up, or the user was deleted; [`StoreError::Conflict`] `users_email` if another user has
/// the address.
pub async fn change_email(
    conn: &mut Conn,
    (user, verification): (&User, &[u8]),
    email: &str,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let details = [("previous_email", user.email.as_str()), ("email", email)];
        record(conn, by, Action::EmailChanged, &details).await?;
        diesel::update(users::table.find(user.id.uuid())).set(users::email.eq(email)).execute(conn).await?;
        verifications::redeem(conn, (email, Purpose::EmailChange), verification).await?;
        verifications::end_of(conn, user.id).await
    })
    .await
}

/// For operators: replaces a password, and ends all sessions of the user, and what was sent to replace a forgotten one.
pub async fn set_password(
    conn: &mut Conn,
    user: &User,
    password_hash: &str,
    by: &OperatorAuthor,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let target = (user.id, user.email.as_str());
        record_of(conn, target, &by.author(), Action::PasswordChanged, &[("by", "operator")]).await?;
        let password = users::password_hash.eq(password_hash);
        let changed = diesel::update(users::table.find(user.id.uuid())).set(password).execute(conn).await?;
        if changed == 0 {
            return Err(StoreError::NotFound);
        }
        verifications::end_of(conn, user.id).await?;
        delete_sessions(conn, user.id).await?;
        record_by_operator(conn, user, by, OperatorAction::UserPasswordChanged).await
    })
    .await
}

/// For operators: ends all sessions of a user, and returns how many there were.
pub async fn end_sessions(conn: &mut Conn, user: &User, by: &OperatorAuthor) -> Result<usize, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let target = (user.id, user.email.as_str());
        record_of(conn, target, &by.author(), Action::SessionEnded, &[("session", "all")]).await?;
        let ended = delete_sessions(conn, user.id).await?;
        record_by_operator(conn, user, by, OperatorAction::UserSessionsEnded).await?;
        Ok(ended)
    })
    .await
}

/// For operators: as [`delete`].
pub async fn delete_by_operator(conn: &mut Conn, user: &User, by: &OperatorAuthor) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        delete(conn, user.id, &by.author()).await?;
        record_by_operator(conn, user, by, OperatorAction::UserDeleted).await
    })
    .await
}

/// For operators: creates a user with a workspace, as [`sign_up`] does.
pub async fn create_by_operator(
    conn: &mut Conn,
    (user, password_hash): (&User, &str),
    workspace: &Workspace,
    by: &OperatorAuthor,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let new = NewUser { user, password_hash, by: &by.author() };
        sign_up(conn, new, SignUpRoute::OwnWorkspace(workspace)).await?;
        let target = (workspace.id, Some(workspace.name.as_str()));
        operator_audit::write(conn, by, OperatorAction::WorkspaceCreated, target, &[]).await?;
        record_by_operator(conn, user, &by.later(1), OperatorAction::UserCreated).await
    })
    .await
}

async fn record_by_operator(
    conn: &mut Conn,
    user: &User,
    by: &OperatorAuthor,
    action: OperatorAction,
) -> Result<(), StoreError> {
    operator_audit::write(conn, by, action, (user.id, Some(user.email.as_str())), &[]).await
}

async fn delete_sessions(conn: &mut Conn, user: UserId) -> Result<usize, StoreError> {
    let of_user = sessions::user_id.eq(user.uuid());
    Ok(diesel::delete(sessions::table).filter(of_user).execute(conn).await?)
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
    record_of(conn, (*id, email), by, action, details).await
}

/// The same for what was done to a user.
async fn record_of(
    conn: &mut Conn,
    (id, email): (UserId, &str),
    by: &Author,
    action: Action,
    details: &[(&str, &str)],
) -> Result<(), StoreError> {
    for membership in members::of_user(conn, id).await? {
        match workspaces::lock_active(conn, membership.workspace).await {
            Err(StoreError::NotFound) => {}
            locked => {
                locked?;
                audit::write(conn, membership.workspace, by, action, (&id, Some(email)), details).await?;
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
            match members::leave(conn, membership.workspace, user, by).await {
                // The workspace was deleted meanwhile, or the user has left it.
                Err(StoreError::NotFound) => {}
                left => left?,
            }
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

pub async fn get(conn: &mut Conn, user: UserId) -> Result<User, StoreError> {
    let (id, email, name): (Uuid, String, String) =
        users::table.find(user.uuid()).select((users::id, users::email, users::name)).first(conn).await?;
    Ok(User { id: UserId::from_uuid(id), email, name })
}

/// Whether there is any user.
pub async fn exist(conn: &mut Conn) -> Result<bool, StoreError> {
    Ok(diesel::select(diesel::dsl::exists(users::table.select(users::id))).get_result(conn).await?)
}
