//! The members of a workspace, their roles, and invitations.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use trigrun_core::{
    crypto,
    domain::{
        access::TokenKind,
        audit::Actor,
        id::{InvitationId, UserId, WorkspaceId},
        invalid::{FieldErrors, both},
        rights::Rights,
        user::{self, Role},
    },
    store::{
        StoreError,
        invitations::{self, Invitation, NewInvitation},
        members::{self, Member},
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, SessionUser, WorkspaceAdmin, check_lack},
    enums,
    extract::{
        body::{JsonText, required},
        path::PathId,
        values::given,
    },
    problem::{Problem, ProblemBody, ProblemCode},
    quotas::Quota,
    result::ApiResult,
    routes::auth::{
        MembershipView, UserView,
        sign_up::{invitation_secret, invitation_unknown},
    },
    state::State,
    time::instant,
};

/// How long an invitation is valid.
const INVITATION_LIFETIME: TimeDelta = TimeDelta::days(7);

/// The user to invite, and the role.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = MemberInput)]
pub struct MemberBody {
    #[schema(required, max_length = 254, example = "grace@example.com")]
    email: Option<String>,
    #[schema(value_type = Option<enums::Role>, default = "member")]
    role: Option<String>,
}

/// The fields to change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = MemberPatch)]
pub struct RoleBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = enums::Role, required = false)]
    role: Option<Option<String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    user: UserView,
    #[schema(value_type = enums::Role)]
    role: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Members)]
pub struct MembersView {
    data: Vec<MemberView>,
}

/// An invitation to become a member, for the owner of an e-mail address.
#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationView {
    #[schema(example = "inv_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    email: String,
    #[schema(value_type = enums::Role)]
    role: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    /// The user who created the invitation, directly or with a token. The invitation is deleted when this user or the token may no longer give
    /// the role.
    created_by: Option<String>,
    /// The secret, returned only once, and not if this server sends e-mail: then it is sent to the address, which shows that the address belongs
    /// to the user who accepts. Otherwise pass it on to the invited user. An existing user sends it to POST /v1/invitations/accept, a new user to
    /// POST /v1/auth/signup.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tri_…")]
    invitation: Option<String>,
}

impl InvitationView {
    fn new(invitation: &Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            email: invitation.email.clone(),
            role: invitation.role.as_str(),
            created_at: instant(invitation.created_at),
            expires_at: instant(invitation.expires_at),
            created_by: invitation.created_by.map(|user| user.to_string()),
            invitation: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Invitations)]
pub struct InvitationsView {
    data: Vec<InvitationView>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = InvitationInput)]
pub struct InvitationBody {
    /// tri_…
    #[schema(required)]
    invitation: Option<String>,
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

/// Lists the members, oldest membership first.
#[utoipa::path(
    operation_id = "list_members", tag = "users",
    responses(
        (status = 200, body = MembersView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[get("/members")]
pub async fn list_members(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
) -> ApiResult<HttpResponse> {
    let members = members::list(&mut *state.connections.for_list().await?, auth.workspace).await?;
    Ok(HttpResponse::Ok().json(MembersView { data: members.iter().map(MemberView::from).collect() }))
}

/// Invites a user, existing or new. The user becomes a member by accepting. If this server sends e-mail, the invitation is sent to the address.
#[utoipa::path(
    operation_id = "create_member", tag = "users", request_body = MemberBody,
    responses(
        (status = 201, body = InvitationView),
        (status = 429, description = "The address has got too many e-mails; see Retry-After.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[post("/members")]
pub async fn create_member(
    state: web::Data<State>,
    request: HttpRequest,
    auth: Authorized<WorkspaceAdmin>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let MemberBody { email, role } = text.read(&mut errors).await?;
    let email =
        required(&mut errors, "/email", email).and_then(|email| errors.take("/email", user::email(&email)));
    let role = errors.take("/role", role.map_or(Ok(Role::Member), |role| Role::from_str(&role)));
    let (email, role) = errors.finish(both(email, role))?;
    auth.caller.check_gives(&Rights::of_role(role))?;
    check_makes_owner(&auth, Some(role))?;
    if state.mail.is_configured() {
        state.limits.invite(&request, &email)?;
    }
    let secret = crypto::new_token(TokenKind::Invitation).map_err(|_| Problem::internal())?;
    let hash = crypto::token_hash(&secret);
    let (now, giver) = (auth.by.at, auth.caller.giver());
    let expires_at = now + INVITATION_LIFETIME;
    let invitation = Invitation {
        id: InvitationId::at(now),
        email,
        role,
        created_at: now,
        expires_at: auth.caller.rights().latest(Some(expires_at)).unwrap_or(expires_at),
        created_by: giver.user(),
    };
    let view = InvitationView::new(&invitation);
    let by = match &auth.by.actor {
        Actor::User { email, .. } => email.clone(),
        Actor::Token { .. } | Actor::Operator => "An administrator".to_owned(),
    };
    let invite = async move |state: State| {
        let Invitation { id, ref email, role, expires_at, .. } = invitation;
        let new = NewInvitation { id, email, role, hash: &hash, expires_at, giver: &giver, by: &auth.by };
        let max = auth.plan.members();
        invitations::invite(&mut *state.conn().await?, auth.workspace, new, max).await.map_err(|error| {
            if error.is_conflict("quota") {
                return auth.plan.exceeded(Quota::Members, error);
            }
            join_failed(error, "This user is already a member. PATCH /v1/members/{id} changes the role.")
        })
    };
    state.run(invite).await?;
    if state.mail.is_configured() {
        state.mail.invite(view.email.clone(), by, secret)?;
        return Ok(HttpResponse::Created().json(view));
    }
    Ok(HttpResponse::Created().json(InvitationView { invitation: Some(secret.reveal().to_owned()), ..view }))
}

/// Accepts an invitation for the caller's own e-mail address. Requires a session.
#[utoipa::path(
    operation_id = "accept_invitation", tag = "users", request_body = InvitationBody,
    responses(
        (status = 200, body = MembershipView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
#[post("/invitations/accept")]
pub async fn accept_invitation(
    state: web::Data<State>,
    caller: SessionUser,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let InvitationBody { invitation } = text.read(&mut errors).await?;
    let secret = required(&mut errors, "/invitation", invitation)
        .and_then(|text| errors.take("/invitation", invitation_secret(&text)));
    let hash = crypto::token_hash(&errors.finish(secret)?);
    let accepted = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let joined = invitations::accept(&mut conn, &caller.user, &hash, &caller.by).await;
        let workspace = joined.map_err(|error| match error {
            StoreError::NotFound => invitation_unknown(),
            error => join_failed(error, "You are already a member of this workspace."),
        })?;
        Ok((workspace, members::of_user(&mut conn, caller.user.id).await?))
    });
    let (workspace, memberships) = accepted.await?;
    let membership = memberships.iter().find(|membership| membership.workspace == workspace);
    Ok(HttpResponse::Ok().json(MembershipView::from(membership.ok_or_else(Problem::not_found)?)))
}

/// An owner may take everything from the others, so this needs the password.
fn check_makes_owner(auth: &Authorized<WorkspaceAdmin>, role: Option<Role>) -> ApiResult<()> {
    if role == Some(Role::Owner) { auth.caller.check_confirmed(auth.by.at) } else { Ok(()) }
}

fn join_failed(error: StoreError, already: &str) -> Problem {
    if error.is_conflict("members_pkey") {
        Problem::new(ProblemCode::MemberExists, already)
    } else {
        error.into()
    }
}

/// Lists the pending invitations, newest first, without their secrets.
#[utoipa::path(
    operation_id = "list_invitations", tag = "users",
    responses(
        (status = 200, body = InvitationsView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[get("/invitations")]
pub async fn list_invitations(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
) -> ApiResult<HttpResponse> {
    let list =
        invitations::list(&mut *state.connections.for_list().await?, auth.workspace, auth.by.at).await?;
    Ok(HttpResponse::Ok().json(InvitationsView { data: list.iter().map(InvitationView::new).collect() }))
}

/// Revokes an invitation.
#[utoipa::path(
    operation_id = "delete_invitation", tag = "users", params(("id" = String, Path, description = "inv_…")),
    responses(
        (status = 204),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[delete("/invitations/{id}")]
pub async fn delete_invitation(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
    PathId(id): PathId<InvitationId>,
) -> ApiResult<HttpResponse> {
    let delete = async move |state: State| {
        let mut conn = state.conn().await?;
        Ok(invitations::delete(&mut conn, auth.workspace, id, &auth.by).await?)
    };
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Changes the role of a member.
#[utoipa::path(
    operation_id = "patch_member", tag = "users", params(("id" = String, Path, description = "usr_…")),
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
    auth: Authorized<WorkspaceAdmin>,
    PathId(user): PathId<UserId>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let RoleBody { role } = text.read(&mut errors).await?;
    let role = role.map(|role| {
        required(&mut errors, "/role", role).and_then(|role| errors.take("/role", Role::from_str(&role)))
    });
    let role = errors.finish(role.transpose())?;
    let member = find(&state, auth.workspace, user).await?;
    let view = MemberView::from(&member);
    Ok(HttpResponse::Ok().json(match role {
        // Also if it has this role, because the caller may not be allowed to give it.
        Some(role) => {
            change(&state, auth, member, Some(role)).await?;
            MemberView { role: role.as_str(), ..view }
        }
        None => view,
    }))
}

/// Removes a member from the workspace.
#[utoipa::path(
    operation_id = "delete_member", tag = "users", params(("id" = String, Path, description = "usr_…")),
    responses(
        (status = 204),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[delete("/members/{id}")]
pub async fn delete_member(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
    PathId(user): PathId<UserId>,
) -> ApiResult<HttpResponse> {
    let member = find(&state, auth.workspace, user).await?;
    change(&state, auth, member, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn find(state: &State, workspace: WorkspaceId, user: UserId) -> ApiResult<Member> {
    let members = members::list(&mut *state.connections.for_list().await?, workspace).await?;
    members.into_iter().find(|member| member.user.id == user).ok_or_else(Problem::not_found)
}

/// Changes the role of a member, or removes the member without `role`.
async fn change(
    state: &State,
    auth: Authorized<WorkspaceAdmin>,
    member: Member,
    role: Option<Role>,
) -> ApiResult<()> {
    let (workspace, user) = (auth.workspace, member.user.id);
    check_lack(auth.caller.rights().lack_to_change(member.role, role))?;
    check_makes_owner(&auth, role)?;
    let changed = state.run(async move |state| {
        let giver = auth.caller.giver();
        match members::change(&mut *state.conn().await?, workspace, user, role, &giver, &auth.by).await {
            Err(error) if error.is_conflict("last_owner") => Err(Problem::new(
                ProblemCode::LastOwner,
                "A workspace must have an owner. Make another member an owner first.",
            )),
            changed => Ok(changed?),
        }
    });
    changed.await
}
