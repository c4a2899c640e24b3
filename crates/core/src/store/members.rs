//! Members: the roles of users in workspaces.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enum,
    rights::{self, Loss, ORIGIN, Origin},
    schema::{invitations, members, users, workspaces},
    workspaces::PlanColumns,
};
use crate::domain::{
    audit::{Action, Author},
    id::{AccountId, TokenId, UserId, WorkspaceId},
    rights::{Giver, Rights, is_higher},
    user::{MAX_CREATED_WORKSPACES, Membership, Role, User},
    workspace::{Suspension, Workspace},
};

diesel::joinable!(members -> users (user_id));
diesel::joinable!(members -> workspaces (workspace_id));
diesel::allow_tables_to_appear_in_same_query!(members, users, workspaces);

/// Adds a member. The user and the token gave the role; neither did if it is the member's own or the operator's.
pub(super) async fn join(
    conn: &mut Conn,
    workspace: WorkspaceId,
    user: UserId,
    role: Role,
    (giver, token): (Option<Uuid>, Option<Uuid>),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(members::table)
        .values((
            members::workspace_id.eq(workspace.uuid()),
            members::user_id.eq(user.uuid()),
            members::role.eq(role.as_str()),
            members::created_at.eq(now),
            members::given_by.eq(giver),
            members::given_with.eq(token),
            members::given_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The memberships of a user, oldest first.
pub async fn of_user(conn: &mut Conn, user: UserId) -> Result<Vec<Membership>, StoreError> {
    type Row = (Uuid, Option<Uuid>, String, String, Option<DateTime<Utc>>, Option<String>, PlanColumns);
    let rows: Vec<Row> = members::table
        .inner_join(workspaces::table)
        .filter(members::user_id.eq(user.uuid()))
        .filter(workspaces::deleted_at.is_null())
        .order((members::created_at, members::workspace_id))
        .select((
            workspaces::id,
            workspaces::created_by,
            workspaces::name,
            members::role,
            workspaces::suspended_at,
            workspaces::suspended_reason,
            PlanColumns::as_select(),
        ))
        .load(conn)
        .await?;
    let membership = |(id, created_by, workspace_name, role, since, reason, plan): Row| {
        let role = parse_enum("members.role", &role)?;
        let suspension = Suspension::of(since, reason);
        let (workspace, account) =
            (WorkspaceId::from_uuid(id), AccountId::from_uuid(created_by.unwrap_or(id)));
        Ok(Membership { workspace, account, workspace_name, role, suspension, plan: plan.into() })
    };
    rows.into_iter().map(membership).collect()
}

/// Creates a workspace with its first owner, who is also its author. [`StoreError::Conflict`] `full` if the user has created
/// [`MAX_CREATED_WORKSPACES`] workspaces that are not deleted, also if others own them now: each has its own quotas.
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
        let suspended: i64 = workspaces::table
            .filter(workspaces::created_by.eq(owner.uuid()))
            .filter(workspaces::suspended_at.is_not_null())
            .filter(workspaces::deleted_at.is_null())
            .count()
            .get_result(conn)
            .await?;
        if suspended > 0 {
            return Err(StoreError::conflict("suspended"));
        }
        super::workspaces::insert(conn, workspace, by).await?;
        join(conn, workspace.id, owner, Role::Owner, (None, None), by.at).await
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

/// Changes a member's role, or removes the member if `role` is `None`; what the member gave and could not give any more falls. A member who
/// has the role already is unchanged.
///
/// [`StoreError::Conflict`] `last_owner` if the workspace would have no owner left; [`StoreError::NotFound`] without such a member, or if the
/// giver may not make the change.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    user: UserId,
    role: Option<Role>,
    giver: &Giver,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_rights(conn, workspace).await?;
        let member = find(conn, workspace, user).await?;
        if rights::of_giver(conn, workspace, giver).await?.lack_to_change(member.role, role).is_some() {
            return Err(StoreError::NotFound);
        }
        match role {
            Some(role) if role == member.role => Ok(()),
            Some(role) => set_role(conn, workspace, &member, role, giver, by).await,
            None => remove(conn, workspace, &member, by).await,
        }
    })
    .await
}

/// Removes a member who leaves, which needs no right.
pub(super) async fn leave(
    conn: &mut Conn,
    workspace: WorkspaceId,
    user: UserId,
    by: &Author,
) -> Result<(), StoreError> {
    super::workspaces::lock_rights(conn, workspace).await?;
    let member = find(conn, workspace, user).await?;
    remove(conn, workspace, &member, by).await
}

/// A member with what its rights depend on.
struct Found {
    user: UserId,
    email: String,
    role: Role,
    origin: Origin,
}

async fn find(conn: &mut Conn, workspace: WorkspaceId, user: UserId) -> Result<Found, StoreError> {
    let (email, role, origin): (String, String, Origin) = members::table
        .inner_join(users::table)
        .filter(members::workspace_id.eq(workspace.uuid()))
        .filter(members::user_id.eq(user.uuid()))
        .select((users::email, members::role, ORIGIN))
        .first(conn)
        .await?;
    Ok(Found { user, email, role: parse_enum("members.role", &role)?, origin })
}

async fn remove(
    conn: &mut Conn,
    workspace: WorkspaceId,
    member: &Found,
    by: &Author,
) -> Result<(), StoreError> {
    check_owner_remains(conn, workspace, member, None).await?;
    let Found { user, email, role, origin } = member;
    diesel::delete(members::table.find((workspace.uuid(), user.uuid()))).execute(conn).await?;
    // No invitation may bring the user back.
    diesel::delete(invitations::table)
        .filter(invitations::workspace_id.eq(workspace.uuid()))
        .filter(invitations::email.eq(email))
        .execute(conn)
        .await?;
    let details = [("previous_role", role.as_str())];
    audit::write(conn, workspace, by, Action::MemberRemoved, (user, Some(email)), &details).await?;
    let loss = Loss::Member { user: *user, left: Rights::none(), origin: *origin };
    rights::revoke(conn, workspace, loss, by).await
}

/// Only a higher role has a new giver: who lowers a role does not answer for it.
async fn set_role(
    conn: &mut Conn,
    workspace: WorkspaceId,
    member: &Found,
    role: Role,
    giver: &Giver,
    by: &Author,
) -> Result<(), StoreError> {
    check_owner_remains(conn, workspace, member, Some(role)).await?;
    let Found { user, email, role: previous, origin } = member;
    let row = members::table.find((workspace.uuid(), user.uuid()));
    diesel::update(row).set(members::role.eq(role.as_str())).execute(conn).await?;
    if is_higher(role, *previous) {
        let (user, token) = (giver.user().map(UserId::uuid), giver.token().map(TokenId::uuid));
        diesel::update(row)
            .set((members::given_by.eq(user), members::given_with.eq(token), members::given_at.eq(by.at)))
            .execute(conn)
            .await?;
    }
    let details = [("role", role.as_str()), ("previous_role", previous.as_str())];
    audit::write(conn, workspace, by, Action::MemberChanged, (user, Some(email)), &details).await?;
    let loss = Loss::Member { user: *user, left: Rights::of_role(role), origin: *origin };
    rights::revoke(conn, workspace, loss, by).await
}

/// [`StoreError::Conflict`] `last_owner` if this change leaves none.
async fn check_owner_remains(
    conn: &mut Conn,
    workspace: WorkspaceId,
    member: &Found,
    role: Option<Role>,
) -> Result<(), StoreError> {
    if member.role != Role::Owner || role == Some(Role::Owner) {
        return Ok(());
    }
    let owners = members::table
        .filter(members::workspace_id.eq(workspace.uuid()))
        .filter(members::role.eq(Role::Owner.as_str()));
    match owners.count().get_result::<i64>(conn).await? {
        0 | 1 => Err(StoreError::conflict("last_owner")),
        _ => Ok(()),
    }
}
