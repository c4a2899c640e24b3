//! Members: the roles of users in workspaces.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enum,
    schema::{invitations, members, users, workspaces},
    tokens,
};
use crate::domain::{
    audit::{Action, Author},
    id::{AccountId, InvitationId, UserId, WorkspaceId},
    user::{MAX_CREATED_WORKSPACES, Membership, Role, User},
    workspace::Workspace,
};

diesel::joinable!(members -> users (user_id));
diesel::joinable!(members -> workspaces (workspace_id));
diesel::allow_tables_to_appear_in_same_query!(members, users, workspaces);

/// Adds a member.
pub(super) async fn join(
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

/// The memberships of a user, oldest first.
pub async fn of_user(conn: &mut Conn, user: UserId) -> Result<Vec<Membership>, StoreError> {
    let rows: Vec<(Uuid, Option<Uuid>, String, String)> = members::table
        .inner_join(workspaces::table)
        .filter(members::user_id.eq(user.uuid()))
        .filter(workspaces::deleted_at.is_null())
        .order((members::created_at, members::workspace_id))
        .select((workspaces::id, workspaces::created_by, workspaces::name, members::role))
        .load(conn)
        .await?;
    let membership = |(id, created_by, workspace_name, role): (Uuid, Option<Uuid>, String, String)| {
        let role = parse_enum("members.role", &role)?;
        let (workspace, account) =
            (WorkspaceId::from_uuid(id), AccountId::from_uuid(created_by.unwrap_or(id)));
        Ok(Membership { workspace, account, workspace_name, role })
    };
    rows.into_iter().map(membership).collect()
}

/// Creates a workspace with its first owner, who is also its author. [`StoreError::Conflict`] `full` if the user has created
/// [`MAX_CREATED_WORKSPACES`] workspaces that are not deleted, whoever owns them now: each has its own quotas.
pub async fn create_with_owner(
    conn: &mut Conn,
    workspace: &Workspace,
    owner: UserId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // Serialises concurrent counts: takes the row lock of the user.
        users::table.find(owner.uuid()).select(users::id).for_no_key_update().first::<Uuid>(conn).await?;
        let created: i64 = workspaces::table
            .filter(workspaces::created_by.eq(owner.uuid()))
            .filter(workspaces::deleted_at.is_null())
            .count()
            .get_result(conn)
            .await?;
        if created >= MAX_CREATED_WORKSPACES {
            return Err(StoreError::conflict("full"));
        }
        super::workspaces::insert(conn, workspace, by).await?;
        join(conn, workspace.id, owner, Role::Owner, by.at).await
    })
    .await
}

/// A member of a workspace.
#[derive(Clone, Debug)]
pub struct Member {
    pub user: User,
    pub role: Role,
    pub created_at: DateTime<Utc>,
}

/// Oldest first; few.
pub async fn list(conn: &mut Conn, workspace: WorkspaceId) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<(Uuid, String, String, String, DateTime<Utc>)> = members::table
        .inner_join(users::table)
        .filter(members::workspace_id.eq(workspace.uuid()))
        .order((members::created_at, members::user_id))
        .limit(1000)
        .select((users::id, users::email, users::name, members::role, members::created_at))
        .load(conn)
        .await?;
    let member = |(id, email, name, role, created_at): (Uuid, String, String, String, DateTime<Utc>)| {
        let role = parse_enum("members.role", &role)?;
        Ok(Member { user: User { id: UserId::from_uuid(id), email, name }, role, created_at })
    };
    rows.into_iter().map(member).collect()
}

/// Does the address belong to a member?
pub(super) async fn has(conn: &mut Conn, workspace: WorkspaceId, email: &str) -> Result<bool, StoreError> {
    let them = members::table
        .inner_join(users::table)
        .filter(members::workspace_id.eq(workspace.uuid()))
        .filter(users::email.eq(email));
    Ok(diesel::select(diesel::dsl::exists(them)).get_result(conn).await?)
}

/// Changes a member's role, or removes the member if `role` is `None`. A user who may no longer create tokens loses those that they created.
/// [`StoreError::Conflict`] `last_owner` if the workspace would have no owner left.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    user: UserId,
    role: Option<Role>,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_active(conn, workspace).await?;
        // Locks all owners: two of them cannot leave at the same time.
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
            // Their tokens and invitations must not do what the user may no longer do, and no invitation may bring the user back.
            tokens::delete_created_by(conn, workspace, user, by).await?;
            delete_invitations_of(conn, workspace, user, &email, by).await?;
        }
        Ok(())
    })
    .await
}

/// Withdraws the invitations that this user made for the workspace, and those to the user's address.
async fn delete_invitations_of(
    conn: &mut Conn,
    workspace: WorkspaceId,
    user: UserId,
    email: &str,
    by: &Author,
) -> Result<(), StoreError> {
    let theirs = invitations::created_by.eq(user.uuid()).or(invitations::email.eq(email).nullable());
    let deleted: Vec<(Uuid, String)> = diesel::delete(invitations::table)
        .filter(invitations::workspace_id.eq(workspace.uuid()))
        .filter(theirs)
        .returning((invitations::id, invitations::email))
        .get_results(conn)
        .await?;
    for (id, email) in deleted {
        let target = (InvitationId::from_uuid(id), Some(email.as_str()));
        audit::write(conn, workspace, by, Action::InvitationDeleted, target, &[]).await?;
    }
    Ok(())
}
