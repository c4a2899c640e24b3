//! Invitations into workspaces: a user becomes a member only by accepting one.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_types::Timestamptz};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enum,
    members,
    quotas::{self, Counted},
    rights,
    schema::invitations,
    workspaces,
};
use crate::domain::{
    audit::{Action, Author},
    id::{InvitationId, TokenId, UserId, WorkspaceId},
    rights::{Giver, Rights},
    user::{Role, User},
};

pub struct NewInvitation<'a> {
    pub id: InvitationId,
    pub email: &'a str,
    pub role: Role,
    pub hash: &'a [u8],
    pub expires_at: DateTime<Utc>,
    /// Who invites. The invitation is deleted when the giver may no longer give the role.
    pub giver: &'a Giver,
    pub by: &'a Author,
}

/// Invites the owner of an e-mail address, who need not be a user yet. A later invitation replaces an earlier one.
///
/// [`StoreError::Conflict`] `members_pkey` if the address belongs to a member, `quota` if there would be more than `max` members and invited
/// users; [`StoreError::NotFound`] if the giver may not give the role, until
/// then.
pub async fn invite(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: NewInvitation<'_>,
    max: Option<u32>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_rights(conn, workspace).await?;
        let wanted = Rights::of_role(new.role);
        rights::check(conn, workspace, new.giver, &wanted, Some(new.expires_at)).await?;
        if members::has(conn, workspace, new.email).await? {
            return Err(StoreError::conflict("members_pkey"));
        }
        // A later invitation counts like the one that it replaces.
        let replaced = invitations::table
            .filter(invitations::workspace_id.eq(workspace.uuid()))
            .filter(invitations::email.eq(new.email))
            .filter(invitations::expires_at.gt(diesel::dsl::now));
        let max = match diesel::select(diesel::dsl::exists(replaced)).get_result(conn).await? {
            true => None,
            false => max,
        };
        let role = new.role.as_str();
        let values = (
            invitations::id.eq(new.id.uuid()),
            invitations::role.eq(role),
            invitations::hash.eq(new.hash),
            invitations::created_at.eq(new.by.at),
            invitations::expires_at.eq(new.expires_at),
            invitations::created_by.eq(new.giver.user().map(UserId::uuid)),
            invitations::created_with.eq(new.giver.token().map(TokenId::uuid)),
        );
        diesel::insert_into(invitations::table)
            .values((
                invitations::workspace_id.eq(workspace.uuid()),
                invitations::email.eq(new.email),
                values,
            ))
            .on_conflict((invitations::workspace_id, invitations::email))
            .do_update()
            .set(values)
            .execute(conn)
            .await?;
        let target = (new.id, Some(new.email));
        audit::write(conn, workspace, new.by, Action::MemberInvited, target, &[("role", role)]).await?;
        quotas::check(conn, workspace, Counted::Members, max).await
    })
    .await
}

/// [`StoreError::NotFound`] unless there is such an invitation for this address.
pub(super) async fn check(
    conn: &mut Conn,
    email: &str,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let open = invitations::table
        .filter(invitations::hash.eq(hash))
        .filter(invitations::email.eq(email))
        .filter(invitations::expires_at.gt(now));
    open.select(invitations::id).first::<Uuid>(conn).await?;
    Ok(())
}

/// Accepts, and deletes, the invitation with this digest that was made for the address of `user`.
///
/// [`StoreError::NotFound`] if there is none or it has expired; [`StoreError::Conflict`] `members_pkey` if the user is a member already.
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
        workspaces::lock_rights(conn, workspace).await?;
        let given = (invitations::role, invitations::created_by, invitations::created_with);
        let (role, giver, token): (String, Option<Uuid>, Option<Uuid>) =
            diesel::delete(known.filter(is_valid())).returning(given).get_result(conn).await?;
        let new_role: Role = parse_enum("invitations.role", &role)?;
        members::join(conn, workspace, user.id, new_role, (giver, token), by.at).await?;
        let target = (user.id, Some(user.email.as_str()));
        audit::write(conn, workspace, by, Action::MemberJoined, target, &[("role", &role)]).await?;
        Ok(workspace)
    })
    .await
}

/// By the clock of the quota, which no longer counts what has expired.
fn is_valid() -> diesel::dsl::Gt<invitations::expires_at, diesel::expression::SqlLiteral<Timestamptz>> {
    invitations::expires_at.gt(diesel::dsl::sql("clock_timestamp()"))
}

/// An open invitation.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub created_by: Option<UserId>,
}

/// Those that can still be accepted, newest first; few.
pub async fn list(
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
            role: parse_enum("invitations.role", &role)?,
            created_at,
            expires_at,
            created_by,
        })
    };
    rows.into_iter().map(invitation).collect()
}

/// Withdraws an invitation.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: InvitationId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
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

/// Deletes expired invitations.
pub async fn purge(conn: &mut Conn, now: DateTime<Utc>) -> Result<usize, StoreError> {
    Ok(diesel::delete(invitations::table).filter(invitations::expires_at.lt(now)).execute(conn).await?)
}
