//! The sessions of a user, and the password that confirms what a browser's session does.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    crypto::csrf,
    domain::{
        id::SessionId,
        invalid::FieldErrors,
        session::{CONFIRMATION_LIFETIME, Session, SessionKind},
    },
    store::{StoreError, members, sessions},
};
use utoipa::ToSchema;

use super::auth::{MembershipView, UserView, verify};
use crate::{
    auth::{PageSession, SessionUser, unknown},
    enums,
    extract::{
        body::{JsonText, MAX_UNAUTHENTICATED_BODY_BYTES, required},
        path::PathId,
    },
    problem::ProblemBody,
    result::ApiResult,
    state::State,
    time::instant,
};

/// The session of the caller, and what a page needs to use it.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrentSession)]
pub struct CurrentSessionView {
    user: UserView,
    /// Only of a cookie: send it in the header TrigRun-CSRF of every other request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2yGvYfYTzhrlv5UGzAUBTXD3rQF3Pc1cUgGzIGcXWbM")]
    csrf: Option<String>,
    /// When the session ends. Each use puts off the end of a cookie to three days later, up to 14 days after the log-in.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Until when the session of a browser may do what needs the password.
    #[schema(format = DateTime)]
    confirmed_until: String,
    /// The workspaces of the user. With several, every request about one names it in the header TrigRun-Workspace.
    workspaces: Vec<MembershipView>,
}

/// Returns the session of the caller. This is the one operation for which the cookie of a session suffices; with the `csrf` that it returns,
/// the cookie counts for all others.
#[utoipa::path(
    operation_id = "get_session", tag = "users",
    responses(
        (status = 200, body = CurrentSessionView),
    ),
    security(("token" = [])),
)]
#[get("/auth/session")]
pub async fn get_session(state: web::Data<State>, caller: PageSession) -> ApiResult<HttpResponse> {
    let PageSession(SessionUser { user, session, secret, .. }) = caller;
    let memberships = members::of_user(&mut *state.conn().await?, user.id).await?;
    Ok(HttpResponse::Ok().json(CurrentSessionView {
        user: UserView::new(&user),
        csrf: (session.kind == SessionKind::Cookie).then(|| csrf::token(&secret)),
        expires_at: instant(session.expires_at),
        confirmed_until: instant(session.confirmed_until),
        workspaces: memberships.iter().map(MembershipView::from).collect(),
    }))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ConfirmationInput)]
pub struct ConfirmationBody {
    #[schema(required, write_only)]
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Confirmation)]
pub struct ConfirmationView {
    #[schema(format = DateTime)]
    confirmed_until: String,
}

/// Confirms the session by the password of its user, for ten minutes. The session of a browser needs this for what outlasts it or cannot be
/// undone. A wrong password counts like a failed log-in.
#[utoipa::path(
    operation_id = "confirm_session", tag = "users", request_body = ConfirmationBody,
    responses(
        (status = 200, body = ConfirmationView),
        (status = 401, description = "The password is wrong, or there is no session.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
#[post("/auth/confirm")]
pub async fn confirm_session(
    state: web::Data<State>,
    request: HttpRequest,
    caller: SessionUser,
    text: JsonText<MAX_UNAUTHENTICATED_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let ConfirmationBody { password } = text.read(&mut errors).await?;
    let password = required(&mut errors, "/password", password);
    let password = errors.finish(password)?;
    verify(&state, &request, caller.user.email, password).await?;
    let until = state.clock.now() + CONFIRMATION_LIFETIME;
    match sessions::confirm(&mut *state.conn().await?, caller.session.id, until).await {
        Err(StoreError::NotFound) => Err(unknown()),
        confirmed => {
            confirmed?;
            Ok(HttpResponse::Ok().json(ConfirmationView { confirmed_until: instant(until) }))
        }
    }
}

/// A session of the user: one log-in that has not ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    #[schema(example = "ses_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    /// Whether it makes this request.
    current: bool,
    #[schema(value_type = enums::SessionKind)]
    kind: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    /// Accurate to the minute.
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// The address of the client when it was last seen.
    #[schema(example = "192.0.2.1")]
    address: Option<String>,
    /// What the client calls itself, in printable ASCII, cut off after 256 characters.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")]
    user_agent: Option<String>,
}

/// The sessions of a user, at most a hundred.
#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
pub struct SessionsView {
    data: Vec<SessionView>,
}

fn view(session: Session, current: SessionId) -> SessionView {
    SessionView {
        id: session.id.to_string(),
        current: session.id == current,
        kind: session.kind.as_str(),
        created_at: instant(session.created_at),
        expires_at: instant(session.expires_at),
        last_seen_at: instant(session.last_seen.at),
        address: session.last_seen.address,
        user_agent: session.last_seen.user_agent,
    }
}

/// Lists the sessions of the caller, the most recently used first. Requires a session.
#[utoipa::path(
    operation_id = "list_sessions", tag = "users",
    responses(
        (status = 200, body = SessionsView),
    ),
    security(("token" = [])),
)]
#[get("/sessions")]
pub async fn list_sessions(state: web::Data<State>, caller: SessionUser) -> ApiResult<HttpResponse> {
    let sessions = sessions::list(&mut *state.connections.for_list().await?, caller.user.id).await?;
    let data = sessions.into_iter().map(|session| view(session, caller.session.id)).collect();
    Ok(HttpResponse::Ok().json(SessionsView { data }))
}

/// Ends a session of the caller. Requires a session.
#[utoipa::path(
    operation_id = "delete_session", tag = "users", params(("id" = String, Path, description = "ses_…")),
    responses(
        (status = 204),
    ),
    security(("token" = [])),
)]
#[delete("/sessions/{id}")]
pub async fn delete_session(
    state: web::Data<State>,
    caller: SessionUser,
    PathId(id): PathId<SessionId>,
) -> ApiResult<HttpResponse> {
    let end = async move |state: State| {
        Ok(sessions::end(&mut *state.conn().await?, caller.user.id, id, &caller.by).await?)
    };
    state.run(end).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends all sessions of the caller but the one that makes the request. Requires a session.
#[utoipa::path(
    operation_id = "delete_other_sessions", tag = "users",
    responses(
        (status = 204),
    ),
    security(("token" = [])),
)]
#[delete("/sessions")]
pub async fn delete_other_sessions(state: web::Data<State>, caller: SessionUser) -> ApiResult<HttpResponse> {
    let end = async move |state: State| {
        let (user, kept) = (caller.user.id, caller.session.id);
        Ok(sessions::end_others(&mut *state.conn().await?, user, kept, &caller.by).await?)
    };
    state.run(end).await?;
    Ok(HttpResponse::NoContent().finish())
}
