//! Who asks, and whether they may. The permission that a handler needs is a type in its signature.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::LocalBoxFuture;
use std::marker::PhantomData;
use trigrun_core::{
    crypto,
    domain::{
        access::{Grant, Scope, TokenKind, TokenSecret},
        audit::{Actor, Author},
        id::{TokenId, UserId, WorkspaceId},
        user::{Membership, Role, User},
    },
    runtime::tasks,
    store::{members, tokens, users},
};
use uuid::Uuid;

use crate::{
    extract::query::Parameters,
    middleware::request_id,
    problem::Problem,
    state::{ApiResult, State},
};

/// Which workspace a person means who is a member of several.
const WORKSPACE: &str = "trigrun-workspace";
/// A token's last use is noted this often at the most.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The request's token was accepted and has the scope `S`. The workspace in it is the only one that a handler knows.
pub struct Authorized<S> {
    pub workspace: WorkspaceId,
    pub caller: Caller,
    /// For the audit log.
    pub by: Author,
    scope: PhantomData<S>,
}

/// Whoever asks.
pub enum Caller {
    Token { id: TokenId, name: String, scopes: Vec<Scope>, created_by: Option<UserId> },
    Person { user: User, role: Role },
}

impl Caller {
    pub fn scopes(&self) -> &[Scope] {
        match self {
            Self::Token { scopes, .. } => scopes,
            Self::Person { role, .. } => role.scopes(),
        }
    }

    /// The person, or the one who made the token.
    pub fn person(&self) -> Option<UserId> {
        match self {
            Self::Token { created_by, .. } => *created_by,
            Self::Person { user, .. } => Some(user.id),
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Token { id, name, .. } => Actor::Token { id: *id, name: name.clone() },
            Self::Person { user, .. } => Actor::User { id: user.id, email: user.email.clone() },
        }
    }

    /// What its requests are counted by.
    fn key(&self) -> String {
        match self {
            Self::Token { id, .. } => id.to_string(),
            Self::Person { user, .. } => user.id.to_string(),
        }
    }

    /// What it may appoint: a token that administers a workspace is as good as an admin.
    pub fn role(&self) -> Role {
        match self {
            Self::Token { .. } => Role::Admin,
            Self::Person { role, .. } => *role,
        }
    }
}

/// A scope as a type.
pub trait RequiredScope {
    const SCOPE: Option<Scope>;
}

macro_rules! needs {
    ($($name:ident),*) => {$(
        pub struct $name;

        impl RequiredScope for $name {
            const SCOPE: Option<Scope> = Some(Scope::$name);
        }
    )*};
}

needs!(JobsRead, JobsWrite, JobsRun, ExecutionsRead, SecretsWrite, NotificationsWrite, WorkspaceAdmin);

/// Any token of the workspace will do.
pub struct AnyScope;

impl RequiredScope for AnyScope {
    const SCOPE: Option<Scope> = None;
}

impl<S: RequiredScope> FromRequest for Authorized<S> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (state, secret) = (state(request), secret(request));
        let (wanted, request) = (wanted_workspace(request), request.clone());
        Box::pin(async move {
            let state = state?;
            let found = match secret {
                Ok(secret) => find(&state, &secret, wanted).await,
                Err(wrong) => Err(wrong),
            };
            let (workspace, caller) = found.map_err(|problem| noted(&state, &request, problem))?;
            state.limits.pass(&request, &caller.key(), &workspace.to_string()).await?;
            if let Some(scope) = S::SCOPE.filter(|scope| !caller.scopes().contains(scope)) {
                let detail = format!("This lacks the scope {}. Use a token that has it.", scope.as_str());
                return Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", detail));
            }
            Parameters::none_unasked(&request)?;
            let by = author(&state, &request, caller.actor());
            Ok(Self { workspace, caller, by, scope: PhantomData })
        })
    }
}

/// Somebody who has logged in, whatever the workspace.
pub struct SessionUser {
    pub user: User,
    pub secret: TokenSecret,
    /// For the audit log.
    pub by: Author,
}

impl FromRequest for SessionUser {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (state, secret, request) = (state(request), secret(request), request.clone());
        Box::pin(async move {
            let state = state?;
            let secret = secret.map_err(|problem| noted(&state, &request, problem))?;
            let found = match secret.kind() {
                TokenKind::Api => match by_token(&state, &secret, None).await {
                    Ok(_) => Err(session_required()),
                    Err(unknown) => Err(unknown),
                },
                _ => person(&state, &secret).await,
            };
            let user = found.map_err(|problem| noted(&state, &request, problem))?;
            Parameters::none_unasked(&request)?;
            let by = author(&state, &request, Actor::User { id: user.id, email: user.email.clone() });
            Ok(Self { user, secret, by })
        })
    }
}

/// Who changes something by this request.
pub fn author(state: &State, request: &HttpRequest, actor: Actor) -> Author {
    let (request_id, address) = (request_id::current(), state.limits.client(request));
    Author { actor, at: state.clock.now(), request_id, address }
}

fn state(request: &HttpRequest) -> ApiResult<web::Data<State>> {
    request.app_data::<web::Data<State>>().cloned().ok_or_else(Problem::internal)
}

/// The one token of the request; what cannot be a token is refused before anything is looked up.
fn secret(request: &HttpRequest) -> ApiResult<TokenSecret> {
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::unauthorized(
            "Send one header `Authorization: Bearer trg_…` with an API token.",
        ));
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token
            .trim()
            .parse()
            .map_err(|_| Problem::unauthorized("The token is mistyped or cut off: its checksum is wrong.")),
        _ => Err(Problem::unauthorized("The header must read `Authorization: Bearer trg_…`.")),
    }
}

/// What is no id is nobody's.
fn wanted_workspace(request: &HttpRequest) -> Option<WorkspaceId> {
    let given = request.headers().get(WORKSPACE)?;
    let id = given.to_str().ok().and_then(|text| text.parse().ok());
    Some(id.unwrap_or(WorkspaceId::from_uuid(Uuid::nil())))
}

fn session_required() -> Problem {
    let detail = "This is for people: log in, and use the token of that session.";
    Problem::new(StatusCode::FORBIDDEN, "session_required", detail)
}

fn unknown() -> Problem {
    Problem::unauthorized("The token is unknown, expired or revoked.")
}

async fn find(
    state: &State,
    secret: &TokenSecret,
    wanted: Option<WorkspaceId>,
) -> ApiResult<(WorkspaceId, Caller)> {
    match secret.kind() {
        TokenKind::Api => by_token(state, secret, wanted).await,
        TokenKind::Session => by_session(state, secret, wanted).await,
        TokenKind::Invitation => Err(unknown()),
    }
}

/// A wrong guess, of which there may not be too many.
fn noted(state: &State, request: &HttpRequest, problem: Problem) -> Problem {
    if !problem.is(StatusCode::UNAUTHORIZED) {
        return problem;
    }
    state.limits.wrong(request).err().unwrap_or(problem)
}

/// A token belongs to one workspace: whoever means another one shall not get this.
async fn by_token(
    state: &State,
    secret: &TokenSecret,
    wanted: Option<WorkspaceId>,
) -> ApiResult<(WorkspaceId, Caller)> {
    let found = tokens::find_by_hash(&mut *state.conn().await?, &crypto::token_hash(secret)).await?;
    let (grant, last_used_at) = found.ok_or_else(unknown)?;
    if wanted.is_some_and(|wanted| wanted != grant.workspace) {
        return Err(Problem::not_found());
    }
    touch(state, grant.token, last_used_at);
    let Grant { token: id, name, workspace, scopes, created_by } = grant;
    Ok((workspace, Caller::Token { id, name, scopes, created_by }))
}

/// Beside the request, which does not wait for it.
fn touch(state: &State, token: TokenId, last_used_at: Option<DateTime<Utc>>) {
    let now = state.clock.now();
    if last_used_at.is_none_or(|at| now - at > TOUCH_EVERY) {
        let state = state.clone();
        tasks::spawn("touch", async move {
            let touched = async { tokens::touch(&mut *state.conn().await?, token, now).await };
            if let Err(error) = touched.await {
                tracing::debug!(%error, "the last use of a token could not be noted");
            }
        });
    }
}

async fn by_session(
    state: &State,
    secret: &TokenSecret,
    wanted: Option<WorkspaceId>,
) -> ApiResult<(WorkspaceId, Caller)> {
    let user = person(state, secret).await?;
    let memberships = members::of_user(&mut *state.conn().await?, user.id).await?;
    let Membership { workspace, role, .. } = the_one(memberships, wanted)?;
    Ok((workspace, Caller::Person { user, role }))
}

async fn person(state: &State, secret: &TokenSecret) -> ApiResult<User> {
    let found = users::find_by_session(&mut *state.conn().await?, &crypto::token_hash(secret)).await?;
    found.ok_or_else(unknown)
}

fn the_one(memberships: Vec<Membership>, wanted: Option<WorkspaceId>) -> ApiResult<Membership> {
    let many = memberships.len() > 1;
    let mut meant =
        memberships.into_iter().filter(|membership| wanted.is_none_or(|id| id == membership.workspace));
    match (meant.next(), wanted) {
        (Some(membership), Some(_)) => Ok(membership),
        (Some(membership), None) if !many => Ok(membership),
        (Some(_), None) => {
            let detail = "You are a member of several workspaces: name one in the header TrigRun-Workspace.";
            Err(Problem::new(StatusCode::BAD_REQUEST, "workspace_ambiguous", detail))
        }
        (None, Some(_)) => Err(Problem::not_found()),
        (None, None) => {
            let detail = "You are a member of no workspace. Make one with POST /v1/workspaces.";
            Err(Problem::new(StatusCode::FORBIDDEN, "no_workspace", detail))
        }
    }
}
