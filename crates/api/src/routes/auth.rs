//! Login and logout.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode, post, web};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use tokio::time::Instant;
use trigrun_core::{
    crypto::{self, csrf},
    domain::{
        access::{TokenKind, TokenSecret},
        audit::{Actor, Author},
        invalid::{Checked, FieldErrors, both},
        session::{Session, SessionKind},
        user::{self, Membership, User},
    },
    store::{
        StoreError,
        sessions::{self, LogIn},
        tokens, users,
    },
};
use utoipa::ToSchema;

pub mod sign_up;
pub mod verifications;

use crate::{
    auth::{AnyCredentials, author, seen, unknown},
    enums,
    extract::body::{EmptyBody, JsonText, MAX_UNAUTHENTICATED_BODY_BYTES, required},
    problem::{Problem, ProblemBody, ProblemCode},
    rate_limits::REFUSAL_DELAY,
    result::ApiResult,
    routes::suspension::SuspensionView,
    session_cookie::{SessionCookie, check_page},
    state::State,
    time::instant,
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = LogInInput)]
pub struct LogInBody {
    #[schema(required, max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    #[schema(required, write_only)]
    password: Option<String>,
    /// How the session's secret is sent. cookie: for the pages of this server, in browsers.
    #[schema(value_type = Option<enums::SessionKind>, default = "token")]
    session: Option<String>,
}

/// A new session.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSession)]
pub struct NewSessionView {
    /// Without `"session": "cookie"`. Send it in the header Authorization, like an API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "trs_…")]
    token: Option<String>,
    /// With `"session": "cookie"`. Send it in the header TrigRun-CSRF of every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2yGvYfYTzhrlv5UGzAUBTXD3rQF3Pc1cUgGzIGcXWbM")]
    csrf: Option<String>,
    /// When the session ends. Each use puts off the end of a cookie to three days later, up to 14 days after the log-in.
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

/// A workspace of a user, and the user's role in it.
#[derive(Serialize, ToSchema)]
#[schema(as = Membership)]
pub struct MembershipView {
    id: String,
    name: String,
    #[schema(value_type = enums::Role)]
    role: &'static str,
    suspended: Option<SuspensionView>,
}

impl From<&Membership> for MembershipView {
    fn from(membership: &Membership) -> Self {
        Self {
            id: membership.workspace.to_string(),
            name: membership.workspace_name.clone(),
            role: membership.role.as_str(),
            suspended: membership.suspension.as_ref().map(SuspensionView::from),
        }
    }
}

/// Logs in. An unknown e-mail address and a wrong password get the same response in the same time.
#[utoipa::path(
    operation_id = "log_in", tag = "users", request_body = LogInBody,
    responses(
        (status = 200, body = NewSessionView),
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
    let LogInBody { email, password, session } = text.read(&mut errors).await?;
    let email = required(&mut errors, "/email", email)
        .and_then(|email| errors.take("/email", user::email_length(&email)).map(|()| email));
    let given = required(&mut errors, "/password", password);
    let kind = session_kind(session, &mut errors);
    let ((email, given), kind) = errors.finish(both(both(email, given), kind))?;
    check_kind(&request, kind)?;
    let verified = verify(&state, &request, email.to_lowercase(), given).await?;
    Ok(start_session(&state, &request, verified, kind).await?.respond(HttpResponse::Ok(), None))
}

fn session_kind(given: Option<String>, errors: &mut FieldErrors) -> Checked<SessionKind> {
    errors.take("/session", given.map_or(Ok(SessionKind::Token), |text| SessionKind::from_str(&text)))
}

/// Only pages of this server get a cookie: another one could log a browser in as a user of its choice.
fn check_kind(request: &HttpRequest, kind: SessionKind) -> ApiResult<()> {
    if kind == SessionKind::Cookie { check_page(request) } else { Ok(()) }
}

/// A user whose password was given.
pub struct Verified {
    pub user: User,
    pub password_hash: String,
    /// For the audit log; `None` for a sign-up, which it has already.
    pub by: Option<Author>,
}

/// The user with this address and password. Refusals above a limit are late.
pub async fn verify(
    state: &State,
    request: &HttpRequest,
    email: String,
    given: String,
) -> ApiResult<Verified> {
    let refused_at = Instant::now() + REFUSAL_DELAY;
    let verified = verify_at_once(state, request, email, given).await;
    if verified.as_ref().is_err_and(|refused| refused.is(StatusCode::TOO_MANY_REQUESTS)) {
        tokio::time::sleep_until(refused_at).await;
    }
    verified
}

async fn verify_at_once(
    state: &State,
    request: &HttpRequest,
    email: String,
    given: String,
) -> ApiResult<Verified> {
    let permitted = || state.limits.may_log_in(request, &email);
    // Checked before the request takes a place in the queue, and again when it is its turn.
    let pace = permitted()?;
    // No user has an invalid address. The password is hashed anyway, so that the response takes as long.
    let found = match user::email(&email) {
        Ok(email) => users::find_by_email(&mut *state.conn().await?, &email).await?,
        Err(_) => None,
    };
    let (user, hash) = found.unzip();
    let is_right = state.passwords.verify(given, hash.clone(), || permitted().map(drop)).await?;
    let by = |user: &User| author(state, request, Actor::User { id: user.id, email: user.email.clone() });
    match (user, hash) {
        (Some(user), Some(password_hash)) if is_right => {
            state.limits.logged_in(request, &email);
            let by = Some(by(&user));
            Ok(Verified { user, password_hash, by })
        }
        (user, _) => {
            let counted = state.limits.log_in_failed(request, &email, pace);
            if let Some(user) = user {
                state.failed_log_ins.record(by(&user));
            }
            counted?;
            Err(credentials_wrong())
        }
    }
}

pub fn credentials_wrong() -> Problem {
    Problem::new(ProblemCode::CredentialsWrong, "The e-mail address or the password is wrong.")
}

/// A session that was just created, and what the response has of it.
struct Started {
    user: User,
    session: Session,
    secret: TokenSecret,
    cookie: SessionCookie,
}

/// Always with a new secret: a cookie that the client has already is not looked at.
async fn start_session(
    state: &State,
    request: &HttpRequest,
    verified: Verified,
    kind: SessionKind,
) -> ApiResult<Started> {
    let Verified { user, password_hash, by } = verified;
    let secret = crypto::new_token(TokenKind::Session).map_err(|_| Problem::internal())?;
    let session = Session::new(kind, seen(state, request, state.clock.now()));
    let started = state.run({
        let (user, session, hash) = (user.id, session.clone(), crypto::token_hash(&secret));
        async move |state| {
            let new = LogIn { user, password_hash: &password_hash, hash: &hash, by: by.as_ref() };
            match sessions::log_in(&mut *state.conn().await?, new, &session).await {
                Err(StoreError::NotFound) => Err(credentials_wrong()),
                started => Ok(started?),
            }
        }
    });
    started.await?;
    Ok(Started { user, session, secret, cookie: state.session_cookie })
}

impl Started {
    fn respond(self, mut response: HttpResponseBuilder, workspace_id: Option<String>) -> HttpResponse {
        let Self { user, session, secret, cookie } = self;
        let is_cookie = session.kind == SessionKind::Cookie;
        if is_cookie {
            response.insert_header(cookie.set(&secret));
        }
        response.json(NewSessionView {
            token: (!is_cookie).then(|| secret.reveal().to_owned()),
            csrf: is_cookie.then(|| csrf::token(&secret)),
            expires_at: instant(session.expires_at),
            user: UserView::new(&user),
            workspace_id,
        })
    }
}

/// Logs out: the session ends, or the API token that makes the request is revoked, with what was created with it.
#[utoipa::path(
    operation_id = "log_out", tag = "users",
    responses(
        (status = 204),
    ),
    security(("token" = [])),
)]
#[post("/auth/logout")]
pub async fn log_out(
    state: web::Data<State>,
    caller: AnyCredentials,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    let cookie = match &caller {
        AnyCredentials::Session(caller) if caller.session.kind == SessionKind::Cookie => {
            Some(state.session_cookie.clear())
        }
        _ => None,
    };
    let ended = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let ended = match caller {
            AnyCredentials::Session(caller) => {
                sessions::end(&mut conn, caller.user.id, caller.session.id, &caller.by).await
            }
            AnyCredentials::Token { workspace, id, by } => {
                tokens::delete(&mut conn, workspace, id, &by).await
            }
        };
        match ended {
            // Another request was faster.
            Err(StoreError::NotFound) => Err(unknown()),
            ended => Ok(ended?),
        }
    });
    ended.await?;
    let mut response = HttpResponse::NoContent();
    if let Some(cookie) = cookie {
        response.insert_header(cookie);
    }
    Ok(response.finish())
}
