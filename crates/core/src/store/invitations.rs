//! Invitations into workspaces: nobody becomes a member who has not said so.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Conn, StoreError, audit, columns::parse_enum, members, schema::invitations, tokens, workspaces};
use crate::domain::{
    audit::{Action, Author},
    id::{InvitationId, UserId, WorkspaceId},
    user::{Role, User},
};

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
        workspaces::lock_active(conn, workspace).await?;
        if let Some(maker) = new.created_by {
            tokens::check_creator(conn, workspace, maker).await?;
        }
        if members::has(conn, workspace, new.email).await? {
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
        workspaces::lock_active(conn, workspace).await?;
        let role: String = diesel::delete(known).returning(invitations::role).get_result(conn).await?;
        let as_whom: Role = parse_enum("invitations.role", &role)?;
        members::join(conn, workspace, user.id, as_whom, by.at).await?;
        let target = (user.id, Some(user.email.as_str()));
        audit::write(conn, workspace, by, Action::MemberJoined, target, &[("role", &role)]).await?;
        Ok(workspace)
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

/// Takes an invitation back.
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

/// Forgets invitations that nobody has accepted in time.
pub async fn purge(conn: &mut Conn, now: DateTime<Utc>) -> Result<usize, StoreError> {
    Ok(diesel::delete(invitations::table).filter(invitations::expires_at.lt(now)).execute(conn).await?)
}
