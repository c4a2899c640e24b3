//! Members: who belongs to a workspace, and as what.

use actix_web::{HttpResponse, delete, get, http::StatusCode, patch, post, web};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use trigrun_core::{
    crypto,
    domain::{
        access::TokenKind,
        audit::Author,
        id::{InvitationId, UserId, WorkspaceId},
        invalid::FieldErrors,
        person::{self, Role},
    },
    store::users::{self, Brought, Member, NewInvitation},
};
use utoipa::ToSchema;

use crate::{
    auth::{Allowed, Caller, WorkspaceAdmin},
    extract::{
        body::{JsonText, read, required},
        path::PathId,
    },
    problem::{Problem, ProblemBody},
    routes::auth::UserView,
    state::{Answer, State},
    time::instant,
};

/// How long an invitation can be used.
const INVITATION: TimeDelta = TimeDelta::days(7);

/// Whom to bring in, as what.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = MemberInput)]
pub struct MemberBody {
    #[schema(required, example = "grace@example.com")]
    email: Option<String>,
    /// owner, admin or member.
    #[schema(default = "member")]
    role: Option<String>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RoleInput)]
pub struct RoleBody {
    /// owner, admin or member.
    #[schema(required)]
    role: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    user: UserView,
    role: &'static str,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Members)]
pub struct MembersView {
    data: Vec<MemberView>,
}

/// What became of it: whoever is known is a member now; whoever is not signs up with the invitation.
#[derive(Serialize, ToSchema)]
#[schema(as = NewMember)]
pub struct NewMemberView {
    /// added or invited.
    status: &'static str,
    user_id: Option<String>,
    /// For POST /v1/auth/signup with this address. Shown once; give it to them.
    invitation: Option<String>,
    invitation_expires_at: Option<String>,
}

impl From<&Member> for MemberView {
    fn from(member: &Member) -> Self {
        Self {
            user: UserView::new(&member.user),
            role: member.role.as_str(),
            created_at: instant(member.created_at),
        }
    }
}

/// Lists the members, those of longest standing first.
#[utoipa::path(
    operation_id = "list_members", tag = "people",
    responses(
        (status = 200, body = MembersView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[get("/members")]
pub async fn list_members(state: web::Data<State>, allowed: Allowed<WorkspaceAdmin>) -> Answer<HttpResponse> {
    let members = users::members(&mut *state.conn().await?, allowed.workspace).await?;
    Ok(HttpResponse::Ok().json(MembersView { data: members.iter().map(MemberView::from).collect() }))
}

/// Brings somebody in: at once when they have signed up, else by an invitation.
#[utoipa::path(
    operation_id = "create_member", tag = "people", request_body = MemberBody,
    responses(
        (status = 201, body = NewMemberView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[post("/members")]
pub async fn create_member(
    state: web::Data<State>,
    allowed: Allowed<WorkspaceAdmin>,
    text: JsonText,
) -> Answer<HttpResponse> {
    let mut errors = FieldErrors::default();
    let MemberBody { email, role } = read(text.object()?, &mut errors);
    let email =
        required(&mut errors, "/email", email).and_then(|email| errors.take("/email", person::email(&email)));
    let role = errors.take("/role", role.map_or(Ok(Role::Member), |role| Role::from_str(&role)));
    Problem::validation(errors)?;
    let (email, role) = email.zip(role).ok_or_else(Problem::internal)?;
    may_appoint(&allowed.caller, role)?;
    let view = bring_in(&state, allowed.workspace, allowed.by, email, role).await?;
    Ok(HttpResponse::Created().json(view))
}

async fn bring_in(
    state: &State,
    workspace: WorkspaceId,
    by: Author,
    email: String,
    role: Role,
) -> Answer<NewMemberView> {
    let secret = crypto::new_token(TokenKind::Invitation).map_err(|_| Problem::internal())?;
    let (hash, now) = (crypto::token_hash(&secret), by.at);
    let brought = state.run(async move |state| {
        let expires_at = now + INVITATION;
        let new = NewInvitation {
            id: InvitationId::at(now),
            email: &email,
            role,
            hash: &hash,
            expires_at,
            by: &by,
        };
        match users::bring_in(&mut *state.conn().await?, workspace, new).await {
            Err(error) if error.is_conflict("members_pkey") => {
                Err(Problem::conflict("member_exists", "They are a member already. PATCH changes the role."))
            }
            brought => Ok(brought?),
        }
    });
    Ok(match brought.await? {
        Brought::In(user) => NewMemberView {
            status: "added",
            user_id: Some(user.to_string()),
            invitation: None,
            invitation_expires_at: None,
        },
        Brought::Invited => NewMemberView {
            status: "invited",
            user_id: None,
            invitation: Some(secret.reveal().to_owned()),
            invitation_expires_at: Some(instant(now + INVITATION)),
        },
    })
}

/// Gives a member another role.
#[utoipa::path(
    operation_id = "patch_member", tag = "people", params(("id" = String, Path, description = "usr_…")),
    request_body = RoleBody,
    responses(
        (status = 200, body = MemberView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[patch("/members/{id}")]
pub async fn patch_member(
    state: web::Data<State>,
    allowed: Allowed<WorkspaceAdmin>,
    PathId(user): PathId<UserId>,
    text: JsonText,
) -> Answer<HttpResponse> {
    let mut errors = FieldErrors::default();
    let RoleBody { role } = read(text.object()?, &mut errors);
    let role =
        required(&mut errors, "/role", role).and_then(|role| errors.take("/role", Role::from_str(&role)));
    Problem::validation(errors)?;
    let role = role.ok_or_else(Problem::internal)?;
    let member = change(&state, allowed, user, Some(role)).await?;
    Ok(HttpResponse::Ok().json(MemberView { role: role.as_str(), ..MemberView::from(&member) }))
}

/// Removes a member from the workspace.
#[utoipa::path(
    operation_id = "delete_member", tag = "people", params(("id" = String, Path, description = "usr_…")),
    responses(
        (status = 204),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[delete("/members/{id}")]
pub async fn delete_member(
    state: web::Data<State>,
    allowed: Allowed<WorkspaceAdmin>,
    PathId(user): PathId<UserId>,
) -> Answer<HttpResponse> {
    change(&state, allowed, user, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The member as it was before.
async fn change(
    state: &State,
    allowed: Allowed<WorkspaceAdmin>,
    user: UserId,
    role: Option<Role>,
) -> Answer<Member> {
    let workspace = allowed.workspace;
    let members = users::members(&mut *state.conn().await?, workspace).await?;
    let member = members.into_iter().find(|member| member.user.id == user).ok_or_else(Problem::not_found)?;
    may_appoint(&allowed.caller, member.role)?;
    may_appoint(&allowed.caller, role.unwrap_or(Role::Member))?;
    let changed = state.run(async move |state| {
        match users::change_member(&mut *state.conn().await?, workspace, user, role, &allowed.by).await {
            Err(error) if error.is_conflict("last_owner") => Err(Problem::conflict(
                "last_owner",
                "A workspace keeps an owner: make somebody else one first.",
            )),
            changed => Ok(changed?),
        }
    });
    changed.await?;
    Ok(member)
}

fn may_appoint(caller: &Caller, role: Role) -> Answer<()> {
    if caller.role().may_appoint(role) {
        return Ok(());
    }
    let detail = format!("Only an owner who has logged in can do this to an {}.", role.as_str());
    Err(Problem::new(StatusCode::FORBIDDEN, "owner_required", detail))
}
