//! Users who have logged in.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use trigrun_core::{
    crypto,
    domain::{
        access::{TokenKind, TokenSecret},
        audit::{Actor, Author},
        id::{AccountId, TokenId, WorkspaceId},
        session::{self, Seen, Session},
        user::User,
    },
    runtime::tasks,
    store::sessions,
};

use super::{
    Access, Caller, author, credentials::Credentials, find_by_token, record_auth_failure, state, unknown,
};
use crate::{
    connections,
    extract::query::{NoParameters, Query},
    problem::{Problem, ProblemCode},
    result::ApiResult,
    session_cookie::Csrf,
    state::State,
};

/// A user with a session, in whatever workspace.
pub struct SessionUser {
    pub user: User,
    pub session: Session,
    pub secret: TokenSecret,
    /// For the audit log.
    pub by: Author,
}

impl FromRequest for SessionUser {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(only_session(request.clone(), Csrf::Required))
    }
}

/// The same for the operation that returns the CSRF token.
pub struct PageSession(pub SessionUser);

impl FromRequest for PageSession {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { only_session(request, Csrf::NotRequired).await.map(Self) })
    }
}

/// A session or an API token, in whatever workspace.
pub enum AnyCredentials {
    Session(Box<SessionUser>),
    Token { workspace: WorkspaceId, id: TokenId, by: Author },
}

impl FromRequest for AnyCredentials {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(any(request.clone(), Csrf::Required))
    }
}

async fn only_session(request: HttpRequest, csrf: Csrf) -> ApiResult<SessionUser> {
    match any(request, csrf).await? {
        AnyCredentials::Session(caller) => Ok(*caller),
        AnyCredentials::Token { .. } => {
            let detail = "This operation requires a session. Log in, and send the session's token.";
            Err(Problem::new(ProblemCode::SessionRequired, detail))
        }
    }
}

async fn any(request: HttpRequest, csrf: Csrf) -> ApiResult<AnyCredentials> {
    let state = state(&request)?;
    let found = find(&state, &request, csrf).await;
    let found = found.map_err(|problem| record_auth_failure(&state, &request, problem))?;
    NoParameters::read(request.query_string())?;
    Ok(found)
}

async fn find(state: &State, request: &HttpRequest, csrf: Csrf) -> ApiResult<AnyCredentials> {
    let credentials = Credentials::read(state, request, csrf)?;
    if credentials.secret.kind() == TokenKind::Api {
        let (Access { workspace, account, .. }, token) =
            find_by_token(state, request, &credentials, None).await?;
        connections::set_account(account);
        let (id, by) = (token.id, author(state, request, Caller::Token(token).actor()));
        return Ok(AnyCredentials::Token { workspace, id, by });
    }
    let (user, session) = find_session(state, request, &credentials).await?;
    // The workspaces that a user creates are one account, which has the id of the user.
    connections::set_account(AccountId::from_uuid(user.id.uuid()));
    let by = author(state, request, Actor::User { id: user.id, email: user.email.clone() });
    Ok(AnyCredentials::Session(Box::new(SessionUser { user, session, secret: credentials.secret, by })))
}

/// The request counts against the user, before anything else is looked up.
pub(super) async fn find_session(
    state: &State,
    request: &HttpRequest,
    credentials: &Credentials,
) -> ApiResult<(User, Session)> {
    let hash = crypto::token_hash(&credentials.secret);
    let found = sessions::find_by_hash(&mut *state.conn().await?, &hash, credentials.sent_as).await?;
    let (user, session) = found.ok_or_else(unknown)?;
    state.limits.check_user(request, &user.id.to_string()).await?;
    touch(state, request, &session);
    Ok((user, session))
}

/// Records the use of a session in a separate task: the request does not wait for it.
fn touch(state: &State, request: &HttpRequest, session: &Session) {
    let now = state.clock.now();
    if session.is_seen_anew(now) {
        let (state, session, seen) = (state.clone(), session.clone(), seen(state, request, now));
        tasks::spawn("touch", async move {
            let touched = async {
                sessions::touch(&mut *state.connections.unshared().conn().await?, &session, &seen).await
            };
            if let Err(error) = touched.await {
                tracing::debug!(%error, "cannot record the last use of a session");
            }
        });
    }
}

/// What is known of the client that uses a session now.
pub fn seen(state: &State, request: &HttpRequest, now: DateTime<Utc>) -> Seen {
    let user_agent = request.headers().get(header::USER_AGENT);
    Seen {
        at: now,
        address: state.limits.client(request).map(|address| address.to_string()),
        user_agent: user_agent.and_then(|value| session::user_agent(value.as_bytes())),
    }
}

/// 403 unless the password was given to the session within the last minutes. Needed for what outlasts the session, or cannot be undone.
pub fn check_confirmed(session: &Session, now: DateTime<Utc>) -> ApiResult<()> {
    if session.is_confirmed(now) {
        return Ok(());
    }
    let detail = "This needs the password again. Send it to POST /v1/auth/confirm, then repeat the request.";
    Err(Problem::new(ProblemCode::ConfirmationRequired, detail))
}
