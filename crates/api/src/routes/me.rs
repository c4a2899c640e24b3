//! The caller: the user or the token that makes a request.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    domain::{
        invalid::{Checked, FieldErrors, Invalid, both},
        user,
        verification::Purpose,
        workspace::{self, Workspace},
    },
    store::{StoreError, sessions, users, workspaces},
};
use utoipa::ToSchema;

use super::auth::{UserView, Verified, credentials_wrong, verify};
use crate::{
    auth::{AnyScope, Authorized, Caller, SessionUser, check_confirmed},
    enums,
    extract::{
        body::{JsonText, MAX_UNAUTHENTICATED_BODY_BYTES, required},
        values::given,
    },
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    state::State,
    time::instant,
};

/// The identity and the permissions of the caller.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeView {
    /// Null for an API token.
    user: Option<UserView>,
    /// Null for an API token.
    session: Option<OwnSessionView>,
    /// Null for a session.
    token: Option<OwnTokenView>,
    /// Null for a session.
    token_id: Option<String>,
    workspace: OwnWorkspaceView,
    workspace_id: String,
    /// Null for an API token.
    #[schema(value_type = Option<enums::Role>)]
    role: Option<&'static str>,
    #[schema(value_type = Vec<enums::Scope>)]
    scopes: Vec<&'static str>,
}

/// The workspace of the request.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnWorkspace)]
pub struct OwnWorkspaceView {
    #[schema(example = "ws_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
}

/// The session that makes the request.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnSession)]
pub struct OwnSessionView {
    #[schema(example = "ses_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// The API token that makes the request.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnToken)]
pub struct OwnTokenView {
    #[schema(example = "tok_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    /// Null if the token does not expire.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

impl MeView {
    fn new(caller: &Caller, Workspace { id, name }: Workspace) -> Self {
        let (mut user, mut session, mut token, mut role) = (None, None, None, None);
        match caller {
            Caller::Token(of) => {
                let (id, name, expires_at) = (of.id.to_string(), of.name.clone(), of.expires_at.map(instant));
                token = Some(OwnTokenView { id, name, expires_at });
            }
            Caller::User { user: of, role: has, session: with } => {
                let (id, expires_at) = (with.id.to_string(), instant(with.expires_at));
                (user, role) = (Some(UserView::new(of)), Some(has.as_str()));
                session = Some(OwnSessionView { id, expires_at });
            }
        }
        Self {
            user,
            session,
            token_id: token.as_ref().map(|token| token.id.clone()),
            token,
            workspace_id: id.to_string(),
            workspace: OwnWorkspaceView { id: id.to_string(), name },
            role,
            scopes: caller.scopes().iter().map(|scope| scope.as_str()).collect(),
        }
    }
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
pub async fn get_me(state: web::Data<State>, auth: Authorized<AnyScope>) -> ApiResult<HttpResponse> {
    let workspace = workspaces::get(&mut *state.conn().await?, auth.workspace).await?;
    Ok(HttpResponse::Ok().json(MeView::new(&auth.caller, workspace)))
}

/// The fields to change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = MePatch)]
pub struct MePatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 200, example = "Ada Lovelace")]
    name: Option<Option<String>>,
}

/// Changes the name of the caller. Requires a session.
#[utoipa::path(
    operation_id = "patch_me", tag = "users", request_body = MePatchBody,
    responses(
        (status = 200, body = UserView),
    ),
    security(("token" = [])),
)]
#[patch("/me")]
pub async fn patch_me(
    state: web::Data<State>,
    caller: SessionUser,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let MePatchBody { name } = text.read(&mut errors).await?;
    let name = name.map(|name| {
        required(&mut errors, "/name", name).and_then(|name| errors.take("/name", workspace::name(&name)))
    });
    let mut user = caller.user;
    if let Some(name) = errors.finish(name.transpose())? {
        users::rename(&mut *state.conn().await?, user.id, &name).await?;
        user.name = name;
    }
    Ok(HttpResponse::Ok().json(UserView::new(&user)))
}

/// The present password, and a new one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PasswordInput)]
pub struct PasswordBody {
    #[schema(required, write_only)]
    current: Option<String>,
    #[schema(required, min_length = 10, max_length = 256, write_only)]
    new: Option<String>,
}

fn check_passwords(body: PasswordBody, errors: &mut FieldErrors) -> Checked<(String, String)> {
    let current = required(errors, "/current", body.current);
    let new = required(errors, "/new", body.new)
        .and_then(|text| errors.take("/new", user::password(&text)).map(|()| text));
    both(current, new)
}

/// Changes the password of the caller, and ends all other sessions. Requires a session. A wrong password counts like a failed log-in. API
/// tokens stay valid.
#[utoipa::path(
    operation_id = "change_password", tag = "users", request_body = PasswordBody,
    responses(
        (status = 204),
        (status = 401, description = "The current password is wrong, or there is no session.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
#[post("/me/password")]
pub async fn change_password(
    state: web::Data<State>,
    request: HttpRequest,
    caller: SessionUser,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body = text.read(&mut errors).await?;
    let passwords = check_passwords(body, &mut errors);
    let (current, new) = errors.finish(passwords)?;
    let verified = verify(&state, &request, caller.user.email.clone(), current).await?;
    let new = state.passwords.hash(new).await?;
    let email = caller.user.email.clone();
    let changed = state.run(async move |state| {
        let (of, Verified { password_hash, .. }) = ((caller.user.id, caller.session.id), verified);
        let hashes = (password_hash.as_str(), new.as_str());
        match sessions::change_password(&mut *state.conn().await?, of, hashes, &caller.by).await {
            // Another request was faster, and the given password is not the current one any more.
            Err(StoreError::NotFound) => Err(credentials_wrong()),
            changed => Ok(changed?),
        }
    });
    changed.await?;
    state.mail.password_changed(email);
    Ok(HttpResponse::NoContent().finish())
}

/// Another address, and the password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = EmailChangeInput)]
pub struct EmailChangeBody {
    #[schema(required, max_length = 254, example = "ada.lovelace@example.com")]
    email: Option<String>,
    #[schema(required, write_only)]
    password: Option<String>,
}

/// What is sent to the new address.
#[derive(Serialize, ToSchema)]
#[schema(as = EmailChange)]
pub struct EmailChangeView {
    email: String,
    /// Until when it can be used.
    #[schema(format = DateTime)]
    expires_at: String,
}

fn check_email_change(
    body: EmailChangeBody,
    present: &str,
    errors: &mut FieldErrors,
) -> Checked<(String, String)> {
    let is_other = |email: String| match email == present {
        true => Err(Invalid::new("email_unchanged", "is the address that the account has already")),
        false => Ok(email),
    };
    let email = required(errors, "/email", body.email)
        .and_then(|email| errors.take("/email", user::email(&email).and_then(is_other)));
    both(email, required(errors, "/password", body.password))
}

/// Sends an e-mail to another address of the caller. POST /v1/auth/email with what it contains gives the account this address. Requires a
/// session. A wrong password counts like a failed log-in. The response does not say whether the address has an account. An address gets at
/// most five of these e-mails at once for requests from one network, then one in twelve minutes; further ones are not sent.
#[utoipa::path(
    operation_id = "change_email", tag = "users", request_body = EmailChangeBody,
    responses(
        (status = 202, body = EmailChangeView),
        (status = 401, description = "The password is wrong, or there is no session.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The server sends no e-mail.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
#[post("/me/email")]
pub async fn change_email(
    state: web::Data<State>,
    request: HttpRequest,
    caller: SessionUser,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body = text.read(&mut errors).await?;
    let change = check_email_change(body, &caller.user.email, &mut errors);
    let (email, password) = errors.finish(change)?;
    if !state.mail.is_configured() {
        let detail = "This server sends no e-mail, so it cannot verify an address. Ask its administrator.";
        return Err(Problem::new(ProblemCode::MailDisabled, detail));
    }
    verify(&state, &request, caller.user.email.clone(), password).await?;
    state.limits.sign_up(&request)?;
    let expires_at = state.clock.now() + Purpose::EmailChange.lifetime();
    if state.limits.may_mail(&request, &email) {
        state.mail.verify_change(caller.user.id, email.clone())?;
    }
    Ok(HttpResponse::Accepted().json(EmailChangeView { email, expires_at: instant(expires_at) }))
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
    check_confirmed(&caller.session, caller.by.at)?;
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
