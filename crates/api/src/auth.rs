//! Authentication and authorization. The scope that a handler requires is a type in its signature, and so are its query parameters.

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
        id::{AccountId, TokenId, UserId, WorkspaceId},
        invalid::Invalid,
        rights::{Giver, Lack, Rights},
        user::{Membership, Role, User},
    },
    runtime::tasks,
    store::{members, tokens, users},
};
use uuid::Uuid;

use crate::{
    connections,
    extract::query::{NoParameters, Query},
    problem::{Problem, ProblemCode},
    request_id,
    result::ApiResult,
    state::State,
};

/// The header with which a member of several workspaces selects one.
const WORKSPACE_HEADER: &str = "trigrun-workspace";
/// How often the last use of a token is recorded, at most.
const TOUCH_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// The request's token was accepted and has the scope `S`. A handler knows no other workspace than the one in here. `Q` reads the query
/// string, after authorization: an unauthorized caller gets a 401 or 403, not a 422.
pub struct Authorized<S, Q = NoParameters> {
    pub workspace: WorkspaceId,
    pub caller: Caller,
    /// For the audit log.
    pub by: Author,
    pub query: Q,
    scope: PhantomData<S>,
}

/// The token or the user that makes a request.
pub enum Caller {
    Token(TokenCaller),
    User { user: User, role: Role },
}

pub struct TokenCaller {
    pub id: TokenId,
    name: String,
    /// The digest of its secret.
    hash: Vec<u8>,
    scopes: Vec<Scope>,
    expires_at: Option<DateTime<Utc>>,
    created_by: Option<UserId>,
}

impl Caller {
    pub fn scopes(&self) -> &[Scope] {
        match self {
            Self::Token(token) => &token.scopes,
            Self::User { role, .. } => role.scopes(),
        }
    }

    pub fn rights(&self) -> Rights {
        match self {
            Self::Token(token) => Rights::of_token(&token.scopes, token.expires_at),
            Self::User { role, .. } => Rights::of_role(*role),
        }
    }

    /// As which it gives rights to others.
    pub fn giver(&self) -> Giver {
        match self {
            Self::Token(token) => {
                Giver::Token { id: token.id, hash: token.hash.clone(), user: token.created_by }
            }
            Self::User { user, .. } => Giver::User(user.id),
        }
    }

    /// The digest of the token, unless it is a session.
    pub fn token_hash(&self) -> Option<Vec<u8>> {
        match self {
            Self::Token(token) => Some(token.hash.clone()),
            Self::User { .. } => None,
        }
    }

    pub fn check_gives(&self, wanted: &Rights) -> ApiResult<()> {
        check_lack(self.rights().lack(wanted))
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Token(token) => Actor::Token { id: token.id, name: token.name.clone() },
            Self::User { user, .. } => Actor::User { id: user.id, email: user.email.clone() },
        }
    }
}

/// A caller can give only what it has.
pub fn check_lack(lack: Option<Lack>) -> ApiResult<()> {
    let (code, detail) = match lack {
        None => return Ok(()),
        Some(Lack::Ownership) => (
            ProblemCode::OwnerRequired,
            "Only an owner with a session can do this for the role owner.".to_owned(),
        ),
        Some(Lack::Scope(scope)) => {
            let detail = "which the caller lacks. Use a token or session that has it.";
            (ProblemCode::ScopeMissing, format!("This gives the scope {}, {detail}", scope.as_str()))
        }
    };
    Err(Problem::new(code, detail))
}

/// A scope as a type.
pub trait RequiredScope {
    const SCOPE: Option<Scope>;
}

macro_rules! required_scopes {
    ($($name:ident),*) => {$(
        pub struct $name;

        impl RequiredScope for $name {
            const SCOPE: Option<Scope> = Some(Scope::$name);
        }
    )*};
}

required_scopes!(
    JobsRead,
    JobsWrite,
    JobsRun,
    ExecutionsRead,
    SecretsWrite,
    NotificationsWrite,
    WorkspaceAdmin
);

/// Any token of the workspace is sufficient.
pub struct AnyScope;

impl RequiredScope for AnyScope {
    const SCOPE: Option<Scope> = None;
}

impl<S: RequiredScope, Q: Query> FromRequest for Authorized<S, Q> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (state, secret) = (state(request), secret(request));
        let (selected, request) = (selected_workspace(request), request.clone());
        Box::pin(async move {
            let state = state?;
            let found = match secret {
                Ok(secret) => find_caller(&state, &request, &secret, selected).await,
                Err(invalid) => Err(invalid),
            };
            let (workspace, account, caller) =
                found.map_err(|problem| record_auth_failure(&state, &request, problem))?;
            connections::set_account(account);
            if let Some(scope) = S::SCOPE.filter(|scope| !caller.scopes().contains(scope)) {
                let detail =
                    format!("The token lacks the scope {}. Use a token that has it.", scope.as_str());
                return Err(Problem::new(ProblemCode::ScopeMissing, detail));
            }
            let query = Q::read(request.query_string())?;
            let by = author(&state, &request, caller.actor());
            Ok(Self { workspace, caller, by, query, scope: PhantomData })
        })
    }
}

/// A user with a session, in whatever workspace.
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
            let secret = secret.map_err(|problem| record_auth_failure(&state, &request, problem))?;
            let found = match secret.kind() {
                TokenKind::Api => match find_by_token(&state, &request, &secret, None).await {
                    Ok(_) => Err(session_required()),
                    Err(refused) => Err(refused),
                },
                _ => session_user(&state, &request, &secret).await,
            };
            let user = found.map_err(|problem| record_auth_failure(&state, &request, problem))?;
            // The workspaces that a user creates are one account, which has the id of the user.
            connections::set_account(AccountId::from_uuid(user.id.uuid()));
            NoParameters::read(request.query_string())?;
            let by = author(&state, &request, Actor::User { id: user.id, email: user.email.clone() });
            Ok(Self { user, secret, by })
        })
    }
}

/// The author of the changes that this request makes.
pub fn author(state: &State, request: &HttpRequest, actor: Actor) -> Author {
    let (request_id, address) = (request_id::current(), state.limits.client(request));
    Author { actor, at: state.clock.now(), request_id, address }
}

fn state(request: &HttpRequest) -> ApiResult<web::Data<State>> {
    request.app_data::<web::Data<State>>().cloned().ok_or_else(Problem::internal)
}

/// The one token of the request. Text with a wrong checksum is refused without a look-up.
fn secret(request: &HttpRequest) -> ApiResult<TokenSecret> {
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::unauthorized(
            "Send one header `Authorization: Bearer trg_…` with an API token.",
        ));
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            token.trim().parse().map_err(|invalid: Invalid| Problem::unauthorized(&invalid.detail))
        }
        _ => Err(Problem::unauthorized("The header must read `Authorization: Bearer trg_…`.")),
    }
}

/// Text that is not an id selects the nil id, which no workspace has.
fn selected_workspace(request: &HttpRequest) -> Option<WorkspaceId> {
    let given = request.headers().get(WORKSPACE_HEADER)?;
    let id = given.to_str().ok().and_then(|text| text.parse().ok());
    Some(id.unwrap_or(WorkspaceId::from_uuid(Uuid::nil())))
}

fn session_required() -> Problem {
    let detail = "This operation requires a session. Log in, and send the session's token.";
    Problem::new(ProblemCode::SessionRequired, detail)
}

/// The same text for a workspace that does not exist.
fn workspace_not_found() -> Problem {
    let detail = "The header TrigRun-Workspace names no workspace that this token may use.";
    Problem::new(ProblemCode::NotFound, detail)
}

pub fn unknown() -> Problem {
    Problem::unauthorized("The token is unknown, expired or revoked.")
}

async fn find_caller(
    state: &State,
    request: &HttpRequest,
    secret: &TokenSecret,
    selected: Option<WorkspaceId>,
) -> ApiResult<(WorkspaceId, AccountId, Caller)> {
    match secret.kind() {
        TokenKind::Api => find_by_token(state, request, secret, selected).await,
        TokenKind::Session => find_by_session(state, request, secret, selected).await,
        TokenKind::Invitation => Err(unknown()),
    }
}

/// Counts a failed authentication against its network; 429 when there are too many.
fn record_auth_failure(state: &State, request: &HttpRequest, problem: Problem) -> Problem {
    if !problem.is(StatusCode::UNAUTHORIZED) {
        return problem;
    }
    state.limits.record_failure(request).err().unwrap_or(problem)
}

/// A token belongs to one workspace: selecting another one is not found. The request counts, whatever comes of it.
async fn find_by_token(
    state: &State,
    request: &HttpRequest,
    secret: &TokenSecret,
    selected: Option<WorkspaceId>,
) -> ApiResult<(WorkspaceId, AccountId, Caller)> {
    let hash = crypto::token_hash(secret);
    let found = tokens::find_by_hash(&mut *state.conn().await?, &hash).await?;
    let (grant, last_used_at) = found.ok_or_else(unknown)?;
    state.limits.check(request, &grant.token.to_string(), &grant.workspace.to_string()).await?;
    if selected.is_some_and(|selected| selected != grant.workspace) {
        return Err(workspace_not_found());
    }
    touch(state, grant.token, last_used_at);
    let Grant { token: id, name, workspace, account, scopes, expires_at, created_by } = grant;
    Ok((workspace, account, Caller::Token(TokenCaller { id, name, hash, scopes, expires_at, created_by })))
}

/// Records the use of a token in a separate task: the request does not wait for it.
fn touch(state: &State, token: TokenId, last_used_at: Option<DateTime<Utc>>) {
    let now = state.clock.now();
    if last_used_at.is_none_or(|at| now - at > TOUCH_INTERVAL) {
        let state = state.clone();
        tasks::spawn("touch", async move {
            let touched =
                async { tokens::touch(&mut *state.connections.unshared().conn().await?, token, now).await };
            if let Err(error) = touched.await {
                tracing::debug!(%error, "cannot record the last use of a token");
            }
        });
    }
}

/// The request counts against the user in all workspaces together, and against the workspace.
async fn find_by_session(
    state: &State,
    request: &HttpRequest,
    secret: &TokenSecret,
    selected: Option<WorkspaceId>,
) -> ApiResult<(WorkspaceId, AccountId, Caller)> {
    let user = session_user(state, request, secret).await?;
    let memberships = members::of_user(&mut *state.conn().await?, user.id).await?;
    let Membership { workspace, account, role, .. } = select_membership(memberships, selected)?;
    state.limits.check(request, &user.id.to_string(), &workspace.to_string()).await?;
    Ok((workspace, account, Caller::User { user, role }))
}

/// The request counts against the user, before anything else is looked up.
async fn session_user(state: &State, request: &HttpRequest, secret: &TokenSecret) -> ApiResult<User> {
    let found = users::find_by_session(&mut *state.conn().await?, &crypto::token_hash(secret)).await?;
    let user = found.ok_or_else(unknown)?;
    state.limits.check_user(request, &user.id.to_string()).await?;
    Ok(user)
}

fn select_membership(memberships: Vec<Membership>, selected: Option<WorkspaceId>) -> ApiResult<Membership> {
    let has_several = memberships.len() > 1;
    let mut matching =
        memberships.into_iter().filter(|membership| selected.is_none_or(|id| id == membership.workspace));
    match (matching.next(), selected) {
        (Some(membership), Some(_)) => Ok(membership),
        (Some(membership), None) if !has_several => Ok(membership),
        (Some(_), None) => {
            let detail =
                "You are a member of several workspaces. Select one with the header TrigRun-Workspace.";
            Err(Problem::new(ProblemCode::WorkspaceAmbiguous, detail))
        }
        (None, Some(_)) => Err(workspace_not_found()),
        (None, None) => {
            let detail = "You are not a member of any workspace. Create one with POST /v1/workspaces.";
            Err(Problem::new(ProblemCode::NoWorkspace, detail))
        }
    }
}
