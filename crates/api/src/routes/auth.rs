//! Sign-up, login, logout, and the identity of the caller.

use actix_web::{HttpRequest, HttpResponse, delete, get, http::StatusCode, post, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use trigrun_core::{
    crypto,
    domain::{
        access::{TokenKind, TokenSecret},
        audit::{Actor, Author},
        id::{SessionId, UserId, WorkspaceId},
        invalid::{Checked, FieldErrors, Invalid, both},
        user::{self, Membership, User},
        workspace::{self, Workspace},
    },
    store::{
        StoreError,
        users::{self, NewSession, NewUser, SignUpRoute},
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{AnyScope, Authorized, Caller, SessionUser, author},
    enums,
    extract::body::{EmptyBody, JsonText, MAX_UNAUTHENTICATED_BODY_BYTES, required},
    problem::{Problem, ProblemBody, ProblemCode},
    rate_limits::REFUSAL_DELAY,
    result::ApiResult,
    settings::SignUp,
    state::State,
    time::instant,
};

/// How long a session lasts.
const SESSION_LIFETIME: TimeDelta = TimeDelta::days(14);

/// A new user.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SignUpInput)]
pub struct SignUpBody {
    #[schema(required, max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    #[schema(required, min_length = 10, max_length = 256, write_only)]
    password: Option<String>,
    /// By default the part of the e-mail address before the @.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The name of the new workspace. Ignored with an invitation, which leads into an existing workspace.
    #[schema(min_length = 1, max_length = 200)]
    workspace_name: Option<String>,
    /// The secret of an invitation, tri_…
    invitation: Option<String>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = LogInInput)]
pub struct LogInBody {
    #[schema(required, max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    #[schema(required, write_only)]
    password: Option<String>,
}

/// A session. Send its token in the header Authorization, like an API token.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    #[schema(example = "trs_…")]
    token: String,
    #[schema(format = DateTime)]
    expires_at: String,
    user: UserView,
    /// The workspace that the user joined by signing up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    workspace_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    id: String,
    email: String,
    name: String,
}

impl UserView {
    pub fn new(user: &User) -> Self {
        Self { id: user.id.to_string(), email: user.email.clone(), name: user.name.clone() }
    }
}

/// The identity and the permissions of the caller.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeView {
    /// Null for an API token.
    user: Option<UserView>,
    /// Null for a session.
    token_id: Option<String>,
    workspace_id: String,
    /// Null for an API token.
    #[schema(value_type = Option<enums::Role>)]
    role: Option<&'static str>,
    #[schema(value_type = Vec<enums::Scope>)]
    scopes: Vec<&'static str>,
}

/// A workspace of a user, and the user's role in it.
#[derive(Serialize, ToSchema)]
#[schema(as = Membership)]
pub struct MembershipView {
    id: String,
    name: String,
    #[schema(value_type = enums::Role)]
    role: &'static str,
}

impl From<&Membership> for MembershipView {
    fn from(membership: &Membership) -> Self {
        Self {
            id: membership.workspace.to_string(),
            name: membership.workspace_name.clone(),
            role: membership.role.as_str(),
        }
    }
}

/// Creates a user, with a new workspace or by an invitation, and logs in.
#[utoipa::path(
    operation_id = "sign_up", tag = "users", request_body = SignUpBody,
    responses(
        (status = 201, body = SessionView),
        (status = 403, description = "Sign-up is disabled, or requires an invitation.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many sign-ups at the moment; see Retry-After.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/auth/signup")]
pub async fn sign_up(
    state: web::Data<State>,
    request: HttpRequest,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: SignUpBody = text.read(&mut errors).await?;
    check_sign_up_mode(state.sign_up, body.invitation.is_some())?;
    let sign_up = check_sign_up(body, &mut errors);
    let SignUpRequest { email, name, password, workspace_name, invitation } = errors.finish(sign_up)?;
    state.limits.sign_up(&request)?;
    let hash = state.passwords.hash(password).await?;
    let now = state.clock.now();
    let user = User { id: UserId::at(now), email, name };
    let by = author(&state, &request, Actor::User { id: user.id, email: user.email.clone() });
    let workspace = Workspace { id: WorkspaceId::at(now), name: workspace_name };
    let joined = state.run({
        let user = user.clone();
        async move |state| {
            let new = NewUser { user: &user, password_hash: &hash, by: &by };
            let hash = invitation.map(|secret| crypto::token_hash(&secret));
            let route = hash
                .as_ref()
                .map_or(SignUpRoute::OwnWorkspace(&workspace), |hash| SignUpRoute::Invitation { hash });
            users::sign_up(&mut *state.conn().await?, new, route).await.map_err(sign_up_failed)
        }
    });
    let workspace = joined.await?.to_string();
    state.limits.logged_in(&request, &user.email);
    let session = session(&state, user, None).await?;
    Ok(HttpResponse::Created().json(SessionView { workspace_id: Some(workspace), ..session }))
}

fn check_sign_up_mode(mode: SignUp, invited: bool) -> ApiResult<()> {
    let refused = |code, detail: &str| Err(Problem::new(code, detail));
    match mode {
        SignUp::Closed => {
            refused(ProblemCode::SignUpClosed, "Sign-up is disabled on this server. Ask its administrator.")
        }
        SignUp::Invite if !invited => refused(
            ProblemCode::SignUpByInvitation,
            "Sign-up requires an invitation. Ask an admin of a workspace for one.",
        ),
        SignUp::Invite | SignUp::Open => Ok(()),
    }
}

struct SignUpRequest {
    email: String,
    name: String,
    password: String,
    workspace_name: String,
    invitation: Option<TokenSecret>,
}

fn check_sign_up(body: SignUpBody, errors: &mut FieldErrors) -> Checked<SignUpRequest> {
    let email =
        required(errors, "/email", body.email).and_then(|email| errors.take("/email", user::email(&email)));
    let password = required(errors, "/password", body.password)
        .and_then(|text| errors.take("/password", user::password(&text)).map(|()| text));
    // Without a valid address, the default is only a placeholder: the request fails anyway, and names derived from it add no errors.
    let default_name =
        email.as_deref().ok().and_then(|email| email.split('@').next()).unwrap_or("user").to_owned();
    let name = errors.take("/name", workspace::name(&body.name.unwrap_or_else(|| default_name.clone())));
    let workspace_name = body.workspace_name.unwrap_or_else(|| format!("{default_name}'s workspace"));
    let workspace_name = errors.take("/workspace_name", workspace::name(&workspace_name));
    let invitation = match body.invitation {
        Some(text) => errors.take("/invitation", invitation_secret(&text)).map(Some),
        None => Ok(None),
    };
    Ok(SignUpRequest {
        email: email?,
        name: name?,
        password: password?,
        workspace_name: workspace_name?,
        invitation: invitation?,
    })
}

pub fn invitation_secret(text: &str) -> Result<TokenSecret, Invalid> {
    let secret: Option<TokenSecret> = text.parse().ok();
    secret
        .filter(|secret| secret.kind() == TokenKind::Invitation)
        .ok_or_else(|| Invalid::new("invitation_invalid", "must be the secret of an invitation, tri_…"))
}

/// One text for all reasons, so that it reveals nothing about the invitation.
pub fn invitation_unknown() -> Problem {
    let detail = "is unknown, used or expired, or is for another e-mail address";
    Problem::of_field("/invitation", Invalid::new("invitation_unknown", detail))
}

fn sign_up_failed(error: StoreError) -> Problem {
    if error.is_conflict("users_email") {
        return Problem::new(
            ProblemCode::EmailTaken,
            "A user with this e-mail address already exists. Log in instead. To accept an invitation, send POST /v1/invitations/accept.",
        );
    }
    match error {
        StoreError::NotFound => invitation_unknown(),
        other => other.into(),
    }
}

/// Logs in. An unknown e-mail address and a wrong password get the same response in the same time.
#[utoipa::path(
    operation_id = "log_in", tag = "users", request_body = LogInBody,
    responses(
        (status = 200, body = SessionView),
        (status = 401, description = "The e-mail address or the password is wrong.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many log-ins at the moment; see Retry-After.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/auth/login")]
pub async fn log_in(
    state: web::Data<State>,
    request: HttpRequest,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let LogInBody { email, password } = text.read(&mut errors).await?;
    let email = required(&mut errors, "/email", email)
        .and_then(|email| errors.take("/email", user::email_length(&email)).map(|()| email));
    let given = required(&mut errors, "/password", password);
    let (email, given) = errors.finish(both(email, given))?;
    let email = email.to_lowercase();
    let refused_at = Instant::now() + REFUSAL_DELAY;
    match verify(&state, &request, email, given).await {
        Err(refused) if refused.is(StatusCode::TOO_MANY_REQUESTS) => {
            tokio::time::sleep_until(refused_at).await;
            Err(refused)
        }
        verified => {
            let (user, by) = verified?;
            Ok(HttpResponse::Ok().json(session(&state, user, Some(&by)).await?))
        }
    }
}

/// The user with this address and password.
async fn verify(
    state: &State,
    request: &HttpRequest,
    email: String,
    given: String,
) -> ApiResult<(User, Author)> {
    let permitted = || state.limits.may_log_in(request, &email);
    // Checked before the request takes a place in the queue, and again when it is its turn.
    let pace = permitted()?;
    // No user has an invalid address. The password is hashed anyway, so that the response takes as long.
    let found = match user::email(&email) {
        Ok(email) => users::find_by_email(&mut *state.conn().await?, &email).await?,
        Err(_) => None,
    };
    let (user, hash) = found.unzip();
    let is_right = state.passwords.verify(given, hash, || permitted().map(drop)).await?;
    let by = |user: &User| author(state, request, Actor::User { id: user.id, email: user.email.clone() });
    match user {
        Some(user) if is_right => {
            state.limits.logged_in(request, &email);
            let by = by(&user);
            Ok((user, by))
        }
        user => {
            let counted = state.limits.log_in_failed(request, &email, pace);
            if let Some(user) = user {
                state.failed_log_ins.record(by(&user));
            }
            counted?;
            let detail = "The e-mail address or the password is wrong.";
            Err(Problem::new(ProblemCode::CredentialsWrong, detail))
        }
    }
}

async fn session(state: &State, user: User, by: Option<&Author>) -> ApiResult<SessionView> {
    let secret = crypto::new_token(TokenKind::Session).map_err(|_| Problem::internal())?;
    let now = state.clock.now();
    let (hash, expires_at): (Vec<u8>, DateTime<Utc>) = (crypto::token_hash(&secret), now + SESSION_LIFETIME);
    let new = NewSession { id: SessionId::at(now), user: user.id, hash: &hash, now, expires_at, by };
    users::log_in(&mut *state.conn().await?, new).await?;
    Ok(SessionView {
        token: secret.reveal().to_owned(),
        expires_at: instant(expires_at),
        user: UserView::new(&user),
        workspace_id: None,
    })
}

/// Logs out. The token of the session becomes invalid.
#[utoipa::path(
    operation_id = "log_out", tag = "users",
    responses(
        (status = 204),
    ),
    security(("token" = [])),
)]
#[post("/auth/logout")]
pub async fn log_out(state: web::Data<State>, caller: SessionUser, _: EmptyBody) -> ApiResult<HttpResponse> {
    users::log_out(&mut *state.conn().await?, &crypto::token_hash(&caller.secret)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes the caller's account, with all sessions, memberships, tokens and invitations. Requires a session. The last owner of a workspace must
/// first delete the workspace, or make another member an owner.
#[utoipa::path(
    operation_id = "delete_me", tag = "users",
    responses(
        (status = 204),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
#[delete("/me")]
pub async fn delete_me(state: web::Data<State>, caller: SessionUser) -> ApiResult<HttpResponse> {
    let delete = async move |state: State| {
        let deleted = users::delete(&mut *state.conn().await?, caller.user.id, &caller.by).await;
        deleted.map_err(|error| match error.is_conflict("last_owner") {
            true => Problem::new(
                ProblemCode::LastOwner,
                "You are the only owner of a workspace. Delete it, or make another member an owner first.",
            ),
            false => error.into(),
        })?;
        // With the membership, the audit log has no more place for it.
        tracing::info!(user = %caller.user.id, request_id = caller.by.request_id, "user deleted");
        Ok(())
    };
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns the identity of the caller, the workspace, and the scopes of the token.
#[utoipa::path(
    operation_id = "get_me", tag = "users",
    responses(
        (status = 200, body = MeView),
    ),
    security(("token" = [])),
)]
#[get("/me")]
pub async fn get_me(auth: Authorized<AnyScope>) -> HttpResponse {
    let scopes = auth.caller.scopes().iter().map(|scope| scope.as_str()).collect();
    let (user, token_id, role) = match &auth.caller {
        Caller::Token(token) => (None, Some(token.id.to_string()), None),
        Caller::User { user, role } => (Some(UserView::new(user)), None, Some(role.as_str())),
    };
    HttpResponse::Ok().json(MeView { user, token_id, workspace_id: auth.workspace.to_string(), role, scopes })
}
