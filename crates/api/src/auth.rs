//! Authentication and authorization. The scope that a handler requires is a type in its signature, and so are its query parameters.

mod credentials;
mod session;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{Method, StatusCode},
    web,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::LocalBoxFuture;
use std::marker::PhantomData;
use trigrun_core::{
    crypto,
    domain::{
        access::{Grant, Scope, TokenKind},
        audit::{Actor, Author},
        id::{AccountId, TokenId, UserId, WorkspaceId},
        rights::{Giver, Lack, Rights},
        session::{Session, SessionKind},
        user::{Membership, Role, User},
        workspace::{Suspension, WorkspacePlan},
    },
    runtime::tasks,
    store::{members, tokens},
};
use uuid::Uuid;

use credentials::Credentials;
pub use credentials::bearer;
use session::find_session;
pub use session::{AnyCredentials, PageSession, SessionUser, check_confirmed, seen};

use crate::{
    connections,
    extract::query::{NoParameters, Query},
    problem::{Problem, ProblemCode},
    quotas::Plan,
    request_id,
    result::ApiResult,
    session_cookie::Csrf,
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
    /// Of the workspace.
    pub suspension: Option<Suspension>,
    /// What the workspace may have.
    pub plan: Plan,
    scope: PhantomData<S>,
}

/// What a caller has access to.
struct Access {
    workspace: WorkspaceId,
    account: AccountId,
    suspension: Option<Suspension>,
    plan: WorkspacePlan,
}

/// The token or the user that makes a request.
pub enum Caller {
    Token(TokenCaller),
    User { user: User, role: Role, session: Session },
}

pub struct TokenCaller {
    pub id: TokenId,
    pub name: String,
    /// The digest of its secret.
    hash: Vec<u8>,
    scopes: Vec<Scope>,
    pub expires_at: Option<DateTime<Utc>>,
    created_by: Option<UserId>,
}

impl Caller {
    pub fn scopes(&self) -> &[Scope] {
        match self {
            Self::Token(token) => &token.scopes,
            Self::User { role, .. } => role.scopes(),
        }
    }

    pub fn check_scope(&self, scope: Scope) -> ApiResult<()> {
        if self.scopes().contains(&scope) {
            return Ok(());
        }
        let detail = format!("The token lacks the scope {}. Use a token that has it.", scope.as_str());
        Err(Problem::new(ProblemCode::ScopeMissing, detail))
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

    /// 403 for a session that needs the password again, see [`check_confirmed`]. An API token has what it was given.
    pub fn check_confirmed(&self, now: DateTime<Utc>) -> ApiResult<()> {
        match self {
            Self::Token(_) => Ok(()),
            Self::User { session, .. } => check_confirmed(session, now),
        }
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
        let request = request.clone();
        Box::pin(async move {
            let state = state(&request)?;
            let found = find_caller(&state, &request).await;
            let (access, caller) = found.map_err(|problem| record_auth_failure(&state, &request, problem))?;
            let Access { workspace, account, suspension, plan } = access;
            connections::set_account(account);
            S::SCOPE.map_or(Ok(()), |scope| caller.check_scope(scope))?;
            check_not_suspended(suspension.as_ref(), S::SCOPE, request.method())?;
            let query = Q::read(request.query_string())?;
            let by = author(&state, &request, caller.actor());
            let plan = state.quotas.of(&plan);
            Ok(Self { workspace, caller, by, query, suspension, plan, scope: PhantomData })
        })
    }
}

/// What a suspended workspace has can be read and deleted.
fn check_not_suspended(
    suspension: Option<&Suspension>,
    scope: Option<Scope>,
    method: &Method,
) -> ApiResult<()> {
    let is_allowed = scope.is_some_and(Scope::only_reads)
        || matches!(*method, Method::GET | Method::HEAD | Method::DELETE);
    match suspension {
        Some(Suspension { reason, .. }) if !is_allowed => {
            let detail = format!(
                "The operator has suspended this workspace: \"{reason}\". It can be read and deleted; to change it or run its jobs, ask the operator."
            );
            Err(Problem::new(ProblemCode::WorkspaceSuspended, detail))
        }
        _ => Ok(()),
    }
}

/// The author of the changes that this request makes.
pub fn author(state: &State, request: &HttpRequest, actor: Actor) -> Author {
    let (request_id, address) = (request_id::current(), state.limits.client(request));
    Author { actor, at: state.clock.now(), request_id, address }
}

pub fn state(request: &HttpRequest) -> ApiResult<web::Data<State>> {
    request.app_data::<web::Data<State>>().cloned().ok_or_else(Problem::internal)
}

/// Text that is not an id selects the nil id, which no workspace has.
fn selected_workspace(request: &HttpRequest) -> Option<WorkspaceId> {
    let given = request.headers().get(WORKSPACE_HEADER)?;
    let id = given.to_str().ok().and_then(|text| text.parse().ok());
    Some(id.unwrap_or(WorkspaceId::from_uuid(Uuid::nil())))
}

/// The same text for a workspace that does not exist.
fn workspace_not_found() -> Problem {
    let detail = "The header TrigRun-Workspace names no workspace that this token may use.";
    Problem::new(ProblemCode::NotFound, detail)
}

pub fn unknown() -> Problem {
    Problem::unauthorized("The token is unknown, expired or revoked.")
}

async fn find_caller(state: &State, request: &HttpRequest) -> ApiResult<(Access, Caller)> {
    let credentials = Credentials::read(state, request, Csrf::Required)?;
    let selected = selected_workspace(request);
    if credentials.secret.kind() == TokenKind::Api {
        let (access, token) = find_by_token(state, request, &credentials, selected).await?;
        return Ok((access, Caller::Token(token)));
    }
    find_by_session(state, request, &credentials, selected).await
}

/// Counts a failed authentication against its network; 429 when there are too many.
pub fn record_auth_failure(state: &State, request: &HttpRequest, problem: Problem) -> Problem {
    if !problem.is(StatusCode::UNAUTHORIZED) {
        return problem;
    }
    state.limits.record_failure(request).err().unwrap_or(problem)
}

/// A token belongs to one workspace: selecting another one is not found. The request counts, whatever comes of it.
async fn find_by_token(
    state: &State,
    request: &HttpRequest,
    credentials: &Credentials,
    selected: Option<WorkspaceId>,
) -> ApiResult<(Access, TokenCaller)> {
    // API tokens are never in cookies.
    if credentials.sent_as == SessionKind::Cookie {
        return Err(unknown());
    }
    let hash = crypto::token_hash(&credentials.secret);
    let found = tokens::find_by_hash(&mut *state.conn().await?, &hash).await?;
    let (grant, last_used_at) = found.ok_or_else(unknown)?;
    state.limits.check(request, &grant.token.to_string(), &grant.workspace.to_string()).await?;
    if selected.is_some_and(|selected| selected != grant.workspace) {
        return Err(workspace_not_found());
    }
    touch(state, grant.token, last_used_at);
    let Grant { token: id, name, workspace, account, scopes, expires_at, created_by, suspension, plan } =
        grant;
    let access = Access { workspace, account, suspension, plan };
    Ok((access, TokenCaller { id, name, hash, scopes, expires_at, created_by }))
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
    credentials: &Credentials,
    selected: Option<WorkspaceId>,
) -> ApiResult<(Access, Caller)> {
    let (user, session) = find_session(state, request, credentials).await?;
    let memberships = members::of_user(&mut *state.conn().await?, user.id).await?;
    let Membership { workspace, account, role, suspension, plan, .. } =
        select_membership(memberships, selected)?;
    state.limits.check(request, &user.id.to_string(), &workspace.to_string()).await?;
    Ok((Access { workspace, account, suspension, plan }, Caller::User { user, role, session }))
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
