//! Users: finding one, the sessions, the end of the account.

use actix_web::{HttpResponse, delete, get, web};
use serde::Serialize;
use trigrun_core::{
    domain::{id::UserId, session::Session},
    store::{members, sessions, users},
};
use utoipa::ToSchema;

use super::{auth::OperatorRequest, path::PathId, reason::Because};
use crate::{
    enums,
    extract::query::{Parameters, query},
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    routes::auth::{MembershipView, UserView},
    state::State,
    time::instant,
};

#[derive(Serialize, ToSchema)]
#[schema(as = Users)]
pub struct UsersView {
    data: Vec<UserView>,
}

query! {
    pub struct UserFilter {
        /// The e-mail address of the user.
        email: String = Parameters::email,
    }
}

/// Finds the user with an e-mail address: one, or none.
#[utoipa::path(
    operation_id = "find_users", tag = "users",
    params(UserFilter),
    responses((status = 200, body = UsersView)),
    security(("operator" = [])),
)]
#[get("/users")]
pub async fn find_users(
    state: web::Data<State>,
    operator: OperatorRequest<UserFilter>,
) -> ApiResult<HttpResponse> {
    let found = users::find_by_email(&mut *state.conn().await?, &operator.query.email).await?;
    let data = found.iter().map(|(user, _)| UserView::new(user)).collect();
    Ok(HttpResponse::Ok().json(UsersView { data }))
}

/// A user with the workspaces and the sessions that the user has.
#[derive(Serialize, ToSchema)]
#[schema(as = UserDetails)]
pub struct UserDetailsView {
    user: UserView,
    workspaces: Vec<MembershipView>,
    /// At most a hundred.
    sessions: Vec<UserSessionView>,
}

/// A log-in that has not ended.
#[derive(Serialize, ToSchema)]
#[schema(as = UserSession)]
pub struct UserSessionView {
    #[schema(example = "ses_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    #[schema(value_type = enums::SessionKind)]
    kind: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// The address of the client when it was last seen.
    address: Option<String>,
    user_agent: Option<String>,
}

impl From<Session> for UserSessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            kind: session.kind.as_str(),
            created_at: instant(session.created_at),
            last_seen_at: instant(session.last_seen.at),
            address: session.last_seen.address,
            user_agent: session.last_seen.user_agent,
        }
    }
}

/// Returns a user, with the workspaces and the sessions that the user has.
#[utoipa::path(
    operation_id = "get_user", tag = "users",
    params(("id" = String, Path, description = "usr_…")),
    responses((status = 200, body = UserDetailsView)),
    security(("operator" = [])),
)]
#[get("/users/{id}")]
pub async fn get_user(
    state: web::Data<State>,
    PathId(user): PathId<UserId>,
    _operator: OperatorRequest,
) -> ApiResult<HttpResponse> {
    let mut conn = state.conn().await?;
    let user = users::get(&mut conn, user).await?;
    let workspaces = members::of_user(&mut conn, user.id).await?;
    let sessions = sessions::list(&mut conn, user.id).await?;
    Ok(HttpResponse::Ok().json(UserDetailsView {
        user: UserView::new(&user),
        workspaces: workspaces.iter().map(MembershipView::from).collect(),
        sessions: sessions.into_iter().map(UserSessionView::from).collect(),
    }))
}

/// How many sessions have ended.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub struct EndedSessionsView {
    ended: usize,
}

/// Ends all sessions of a user, who has to log in again.
#[utoipa::path(
    operation_id = "end_sessions", tag = "users",
    params(("id" = String, Path, description = "usr_…"), Because),
    responses((status = 200, body = EndedSessionsView)),
    security(("operator" = [])),
)]
#[delete("/users/{id}/sessions")]
pub async fn end_sessions(
    state: web::Data<State>,
    PathId(user): PathId<UserId>,
    operator: OperatorRequest<Because>,
) -> ApiResult<HttpResponse> {
    let by = operator.because();
    let end = async move |state: State| {
        let mut conn = state.conn().await?;
        let user = users::get(&mut conn, user).await?;
        Ok(users::end_sessions(&mut conn, &user, &by).await?)
    };
    Ok(HttpResponse::Ok().json(EndedSessionsView { ended: state.run(end).await? }))
}

/// Deletes a user, who leaves all workspaces.
#[utoipa::path(
    operation_id = "delete_user", tag = "users",
    params(("id" = String, Path, description = "usr_…"), Because),
    responses(
        (status = 204),
        (status = 409, description = "The user is the only owner of a workspace.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("operator" = [])),
)]
#[delete("/users/{id}")]
pub async fn delete_user(
    state: web::Data<State>,
    PathId(user): PathId<UserId>,
    operator: OperatorRequest<Because>,
) -> ApiResult<HttpResponse> {
    let by = operator.because();
    let delete = async move |state: State| {
        let mut conn = state.conn().await?;
        let user = users::get(&mut conn, user).await?;
        match users::delete_by_operator(&mut conn, &user, &by).await {
            Err(error) if error.is_conflict("last_owner") => {
                let detail = "The user is the only owner of a workspace. Delete the workspace, or have another member made its owner.";
                Err(Problem::new(ProblemCode::LastOwner, detail))
            }
            deleted => Ok(deleted?),
        }
    };
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}
