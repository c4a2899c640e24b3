//! Sign-up, by which users log in for the first time.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Deserialize;
use trigrun_core::{
    crypto,
    domain::{
        access::{TokenKind, TokenSecret},
        audit::Actor,
        id::{UserId, WorkspaceId},
        invalid::{Checked, FieldErrors, Invalid},
        session::SessionKind,
        user::{self, User},
        workspace::{self, Workspace},
    },
    store::{
        StoreError,
        users::{self, NewUser, SignUpRoute},
    },
};
use utoipa::ToSchema;

use super::{NewSessionView, Verified, check_kind, session_kind, start_session};
use crate::{
    auth::author,
    enums,
    extract::body::{JsonText, MAX_UNAUTHENTICATED_BODY_BYTES, required},
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    settings::SignUp,
    state::State,
};

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
    /// What was sent to the address, trv_…: see `POST /v1/auth/verifications`. Required without an invitation if the server sends e-mail.
    verification: Option<String>,
    /// How the session's secret is sent. cookie: for the pages of this server, in browsers.
    #[schema(value_type = Option<enums::SessionKind>, default = "token")]
    session: Option<String>,
}

/// Creates a user, with a new workspace or by an invitation, and logs in. If the server sends e-mail, a new user without an invitation first
/// shows by a verification that the address is theirs.
#[utoipa::path(
    operation_id = "sign_up", tag = "users", request_body = SignUpBody,
    responses(
        (status = 201, body = NewSessionView),
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
    let sign_up = check_sign_up(body, state.mail.is_configured(), &mut errors);
    let SignUpRequest { email, name, password, workspace_name, proof, kind } = errors.finish(sign_up)?;
    check_kind(&request, kind)?;
    state.limits.sign_up(&request)?;
    let password_hash = state.passwords.hash(password).await?;
    let now = state.clock.now();
    let user = User { id: UserId::at(now), email, name };
    let by = author(&state, &request, Actor::User { id: user.id, email: user.email.clone() });
    let workspace = Workspace { id: WorkspaceId::at(now), name: workspace_name };
    let joined = state.run({
        let (user, password_hash) = (user.clone(), password_hash.clone());
        async move |state| {
            let new = NewUser { user: &user, password_hash: &password_hash, by: &by };
            let hash = proof.secret().map(crypto::token_hash);
            let route = match (&proof, &hash) {
                (Proof::Invitation(_), Some(hash)) => SignUpRoute::Invitation { hash },
                (Proof::Verification(_), Some(hash)) => SignUpRoute::Verified { workspace: &workspace, hash },
                _ => SignUpRoute::OwnWorkspace(&workspace),
            };
            let signed_up = users::sign_up(&mut *state.conn().await?, new, route).await;
            signed_up.map_err(|error| sign_up_failed(error, &proof))
        }
    });
    let workspace = joined.await?.to_string();
    state.limits.logged_in(&request, &user.email);
    let started = start_session(&state, &request, Verified { user, password_hash, by: None }, kind).await?;
    Ok(started.respond(HttpResponse::Created(), Some(workspace)))
}

/// What a new user shows.
enum Proof {
    None,
    Invitation(TokenSecret),
    Verification(TokenSecret),
}

impl Proof {
    const fn secret(&self) -> Option<&TokenSecret> {
        match self {
            Self::None => None,
            Self::Invitation(secret) | Self::Verification(secret) => Some(secret),
        }
    }
}

pub fn check_sign_up_mode(mode: SignUp, invited: bool) -> ApiResult<()> {
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
    proof: Proof,
    kind: SessionKind,
}

fn check_sign_up(body: SignUpBody, must_verify: bool, errors: &mut FieldErrors) -> Checked<SignUpRequest> {
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
    let proof = match (body.invitation, body.verification) {
        (Some(text), None) => errors.take("/invitation", invitation_secret(&text)).map(Proof::Invitation),
        (None, Some(text)) => {
            errors.take("/verification", verification_secret(&text)).map(Proof::Verification)
        }
        (None, None) if must_verify => {
            let detail =
                "is required: request it with POST /v1/auth/verifications, and it is sent to the address";
            errors.take("/verification", Err(Invalid::new("required", detail)))
        }
        (None, None) => Ok(Proof::None),
        (Some(_), Some(_)) => {
            let detail = "cannot be combined with an invitation";
            errors.take("/verification", Err(Invalid::new("verification_invalid", detail)))
        }
    };
    let kind = session_kind(body.session, errors);
    Ok(SignUpRequest {
        email: email?,
        name: name?,
        password: password?,
        workspace_name: workspace_name?,
        proof: proof?,
        kind: kind?,
    })
}

pub fn invitation_secret(text: &str) -> Result<TokenSecret, Invalid> {
    secret_of(TokenKind::Invitation, text)
        .ok_or_else(|| Invalid::new("invitation_invalid", "must be the secret of an invitation, tri_…"))
}

pub fn verification_secret(text: &str) -> Result<TokenSecret, Invalid> {
    secret_of(TokenKind::Verification, text)
        .ok_or_else(|| Invalid::new("verification_invalid", "must be what was sent to the address, trv_…"))
}

fn secret_of(kind: TokenKind, text: &str) -> Option<TokenSecret> {
    text.parse().ok().filter(|secret: &TokenSecret| secret.kind() == kind)
}

/// One text for all reasons, so that it reveals nothing about the invitation.
pub fn invitation_unknown() -> Problem {
    let detail = "is unknown, used or expired, or is for another e-mail address";
    Problem::of_field("/invitation", Invalid::new("invitation_unknown", detail))
}

/// One text for all reasons, too.
pub fn verification_unknown() -> Problem {
    let detail = "is unknown, used or expired, or was sent to another e-mail address";
    Problem::of_field("/verification", Invalid::new("verification_unknown", detail))
}

fn sign_up_failed(error: StoreError, proof: &Proof) -> Problem {
    if error.is_conflict("users_email") {
        return Problem::new(
            ProblemCode::EmailTaken,
            "A user with this e-mail address already exists. Log in instead. To accept an invitation, send POST /v1/invitations/accept.",
        );
    }
    match error {
        StoreError::NotFound if matches!(proof, Proof::Verification(_)) => verification_unknown(),
        StoreError::NotFound => invitation_unknown(),
        other => other.into(),
    }
}
