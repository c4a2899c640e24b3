//! People, their sessions, and what they are in workspaces.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::word,
    schema::{invitations, members, sessions, users, workspaces},
    tokens,
};
use crate::domain::{
    audit::{Action, Author},
    id::{InvitationId, LoginId, UserId, WorkspaceId},
    person::{MAX_OWNED, Membership, Role, User},
    workspace::Workspace,
};

diesel::joinable!(members -> users (user_id));
diesel::joinable!(members -> workspaces (workspace_id));
diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(members, sessions, users, workspaces);

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
                super::workspaces::insert(conn, workspace, new.by).await?;
                join(conn, workspace.id, new.user.id, Role::Owner, new.by.at).await?;
                Ok(workspace.id)
            }
            Door::Invited { hash } => accept(conn, new.user, hash, new.by).await,
        }
    })
    .await
}

/// Uses up the invitation with this digest, which was made for the address of `user`.
///
/// [`StoreError::NotFound`] when there is none, or it has expired; [`StoreError::Conflict`] `members_pkey` when they are a member already.
pub async fn accept(
    conn: &mut Conn,
    user: &User,
    hash: &[u8],
    by: &Author,
) -> Result<WorkspaceId, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let known = invitations::table
            .filter(invitations::hash.eq(hash))
            .filter(invitations::email.eq(&user.email))
            .filter(invitations::expires_at.gt(by.at));
        let workspace: Uuid = known.select(invitations::workspace_id).first(conn).await?;
        let workspace = WorkspaceId::from_uuid(workspace);
        super::workspaces::lock_living(conn, workspace).await?;
        let role: String = diesel::delete(known).returning(invitations::role).get_result(conn).await?;
        let as_whom: Role = word("invitations.role", &role)?;
        join(conn, workspace, user.id, as_whom, by.at).await?;
        let target = (user.id, Some(user.email.as_str()));
        audit::write(conn, workspace, by, Action::MemberJoined, target, &[("role", &role)]).await?;
        Ok(workspace)
    })
    .await
}

async fn join(
    conn: &mut Conn,
    workspace: WorkspaceId,
    user: UserId,
    role: Role,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(members::table)
        .values((
            members::workspace_id.eq(workspace.uuid()),
            members::user_id.eq(user.uuid()),
            members::role.eq(role.as_str()),
            members::created_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
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
    pub id: LoginId,
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

/// What somebody is, and where; the oldest membership first.
pub async fn memberships(conn: &mut Conn, user: UserId) -> Result<Vec<Membership>, StoreError> {
    let rows: Vec<(Uuid, String, String)> = members::table
        .inner_join(workspaces::table)
        .filter(members::user_id.eq(user.uuid()))
        .filter(workspaces::deleted_at.is_null())
        .order((members::created_at, members::workspace_id))
        .select((workspaces::id, workspaces::name, members::role))
        .load(conn)
        .await?;
    let membership = |(id, workspace_name, role): (Uuid, String, String)| {
        let role = word("members.role", &role)?;
        Ok(Membership { workspace: WorkspaceId::from_uuid(id), workspace_name, role })
    };
    rows.into_iter().map(membership).collect()
}

/// A workspace with its first owner. [`StoreError::Conflict`] `full` when they own [`MAX_OWNED`] already.
pub async fn found(
    conn: &mut Conn,
    workspace: &Workspace,
    owner: UserId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // Whoever counts waits for whoever counts.
        users::table.find(owner.uuid()).select(users::id).for_no_key_update().first::<Uuid>(conn).await?;
        let owned: i64 = members::table
            .inner_join(workspaces::table)
            .filter(members::user_id.eq(owner.uuid()))
            .filter(members::role.eq(Role::Owner.as_str()))
            .filter(workspaces::deleted_at.is_null())
            .count()
            .get_result(conn)
            .await?;
        if owned >= MAX_OWNED {
            return Err(StoreError::conflict("full"));
        }
        super::workspaces::insert(conn, workspace, by).await?;
        join(conn, workspace.id, owner, Role::Owner, by.at).await
    })
    .await
}

/// Somebody in a workspace.
#[derive(Clone, Debug)]
pub struct Member {
    pub user: User,
    pub role: Role,
    pub created_at: DateTime<Utc>,
}

/// The oldest first; few.
pub async fn members(conn: &mut Conn, workspace: WorkspaceId) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<(Uuid, String, String, String, DateTime<Utc>)> = members::table
        .inner_join(users::table)
        .filter(members::workspace_id.eq(workspace.uuid()))
        .order((members::created_at, users::id))
        .limit(1000)
        .select((users::id, users::email, users::name, members::role, members::created_at))
        .load(conn)
        .await?;
    let member = |(id, email, name, role, created_at): (Uuid, String, String, String, DateTime<Utc>)| {
        let role = word("members.role", &role)?;
        Ok(Member { user: User { id: UserId::from_uuid(id), email, name }, role, created_at })
    };
    rows.into_iter().map(member).collect()
}

pub struct NewInvitation<'a> {
    pub id: InvitationId,
    pub email: &'a str,
    pub role: Role,
    pub hash: &'a [u8],
    pub expires_at: DateTime<Utc>,
    /// It goes when they leave the workspace, or may only read there.
    pub created_by: Option<UserId>,
    pub by: &'a Author,
}

/// Invites somebody, whether they are known or not: nobody becomes a member who has not said so. A later invitation replaces an earlier one.
///
/// [`StoreError::Conflict`] `members_pkey` when they are a member already.
pub async fn invite(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: NewInvitation<'_>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_living(conn, workspace).await?;
        if let Some(maker) = new.created_by {
            tokens::still_may(conn, workspace, maker).await?;
        }
        let members: i64 = members::table
            .inner_join(users::table)
            .filter(members::workspace_id.eq(workspace.uuid()))
            .filter(users::email.eq(new.email))
            .count()
            .get_result(conn)
            .await?;
        if members > 0 {
            return Err(StoreError::conflict("members_pkey"));
        }
        let role = new.role.as_str();
        let later = (
            invitations::id.eq(new.id.uuid()),
            invitations::role.eq(role),
            invitations::hash.eq(new.hash),
            invitations::created_at.eq(new.by.at),
            invitations::expires_at.eq(new.expires_at),
            invitations::created_by.eq(new.created_by.map(UserId::uuid)),
        );
        diesel::insert_into(invitations::table)
            .values((invitations::workspace_id.eq(workspace.uuid()), invitations::email.eq(new.email), later))
            .on_conflict((invitations::workspace_id, invitations::email))
            .do_update()
            .set(later)
            .execute(conn)
            .await?;
        let target = (new.id, Some(new.email));
        audit::write(conn, workspace, new.by, Action::MemberInvited, target, &[("role", role)]).await
    })
    .await
}

/// A new role, or none: the member goes. With the right to make tokens go those that they have made. [`StoreError::Conflict`] `last_owner` when nobody would be left to own the workspace.
pub async fn change_member(
    conn: &mut Conn,
    workspace: WorkspaceId,
    user: UserId,
    role: Option<Role>,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_living(conn, workspace).await?;
        // All owners are locked: two of them cannot leave at once.
        let owners: Vec<Uuid> = members::table
            .filter(members::workspace_id.eq(workspace.uuid()))
            .filter(members::role.eq(Role::Owner.as_str()))
            .order(members::user_id)
            .select(members::user_id)
            .for_update()
            .load(conn)
            .await?;
        if role != Some(Role::Owner) && owners == [user.uuid()] {
            return Err(StoreError::conflict("last_owner"));
        }
        let member = members::table.find((workspace.uuid(), user.uuid()));
        let previous: String = member.select(members::role).for_update().first(conn).await?;
        let email: String = users::table.find(user.uuid()).select(users::email).first(conn).await?;
        let target = (user, Some(email.as_str()));
        if let Some(role) = role {
            diesel::update(member).set(members::role.eq(role.as_str())).execute(conn).await?;
            let details = [("role", role.as_str()), ("previous_role", &previous)];
            audit::write(conn, workspace, by, Action::MemberChanged, target, &details).await?;
        } else {
            diesel::delete(member).execute(conn).await?;
            let details = [("previous_role", previous.as_str())];
            audit::write(conn, workspace, by, Action::MemberRemoved, target, &details).await?;
        }
        if role.is_none_or(|role| role == Role::Member) {
            // What they could do no more, their tokens and whom they have invited cannot do for them. Nor do they come back by an invitation.
            tokens::delete_made_by(conn, workspace, user, by).await?;
            let theirs = invitations::created_by.eq(user.uuid()).or(invitations::email.eq(&email).nullable());
            let of_workspace = invitations::table.filter(invitations::workspace_id.eq(workspace.uuid()));
            diesel::delete(of_workspace.filter(theirs)).execute(conn).await?;
        }
        Ok(())
    })
    .await
}

/// Somebody who may become a member.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub created_by: Option<UserId>,
}

/// Those that can still be accepted, the newest first; few.
pub async fn invitations(
    conn: &mut Conn,
    workspace: WorkspaceId,
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>, StoreError> {
    type Row = (Uuid, String, String, DateTime<Utc>, DateTime<Utc>, Option<Uuid>);
    let rows: Vec<Row> = invitations::table
        .filter(invitations::workspace_id.eq(workspace.uuid()))
        .filter(invitations::expires_at.gt(now))
        .order(invitations::id.desc())
        .limit(1000)
        .select((
            invitations::id,
            invitations::email,
            invitations::role,
            invitations::created_at,
            invitations::expires_at,
            invitations::created_by,
        ))
        .load(conn)
        .await?;
    let invitation = |(id, email, role, created_at, expires_at, created_by): Row| {
        let (id, created_by) = (InvitationId::from_uuid(id), created_by.map(UserId::from_uuid));
        Ok(Invitation {
            id,
            email,
            role: word("invitations.role", &role)?,
            created_at,
            expires_at,
            created_by,
        })
    };
    rows.into_iter().map(invitation).collect()
}

/// Takes an invitation back.
pub async fn delete_invitation(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: InvitationId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_living(conn, workspace).await?;
        let email: String = diesel::delete(invitations::table)
            .filter(invitations::workspace_id.eq(workspace.uuid()))
            .filter(invitations::id.eq(id.uuid()))
            .returning(invitations::email)
            .get_result(conn)
            .await?;
        audit::write(conn, workspace, by, Action::InvitationDeleted, (id, Some(&email)), &[]).await
    })
    .await
}

/// Forgets invitations that nobody has accepted in time.
pub async fn sweep_invitations(conn: &mut Conn, now: DateTime<Utc>) -> Result<usize, StoreError> {
    Ok(diesel::delete(invitations::table).filter(invitations::expires_at.lt(now)).execute(conn).await?)
}
