//! Workspaces: finding one, its plan, its suspension, its end.

use actix_web::{HttpResponse, delete, get, post, put, web};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    domain::{
        channel::MAX_CHANNELS,
        id::{UserId, WorkspaceId},
        invalid::{Checked, FieldErrors, Invalid, both},
        workspace::{self, OwnLimits},
    },
    store::{
        members,
        tenants::{self, Filter, Tenant},
    },
};
use utoipa::ToSchema;

use super::{
    auth::OperatorRequest,
    path::PathId,
    reason::{Because, ReasonBody, check_reason},
};
use crate::{
    extract::{
        body::{JsonText, required},
        query::{Paged, Parameters, query},
    },
    result::ApiResult,
    routes::{list::ListView, members::MemberView, suspension::SuspensionView, usage::UsageView},
    state::State,
    time::instant,
};

/// Limits of one workspace. Null: as its plan says; 0: no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceLimits)]
pub struct OwnLimitsView {
    jobs: Option<u32>,
    tokens: Option<u32>,
    executions_per_minute: Option<u32>,
    members: Option<u32>,
    channels: Option<u32>,
}

impl From<OwnLimits> for OwnLimitsView {
    fn from(own: OwnLimits) -> Self {
        let OwnLimits { jobs, tokens, executions_per_minute, members, channels } = own;
        Self { jobs, tokens, executions_per_minute, members, channels }
    }
}

/// A workspace, as operators see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
pub struct TenantView {
    #[schema(example = "ws_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    #[schema(example = "billing")]
    name: String,
    #[schema(example = "pro")]
    plan: String,
    /// What it has instead of what its plan allows.
    limits: OwnLimitsView,
    #[schema(format = DateTime)]
    created_at: String,
    /// usr_…; null if an operator created it. The workspaces that one user has created share limits.
    created_by: Option<String>,
    /// Null unless it is suspended.
    suspended: Option<SuspensionView>,
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.workspace.id.to_string(),
            name: tenant.workspace.name.clone(),
            plan: tenant.plan.name.clone(),
            limits: OwnLimitsView::from(tenant.plan.own),
            created_at: instant(tenant.created_at),
            created_by: tenant.created_by.map(|user| user.to_string()),
            suspended: tenant.suspension.as_ref().map(SuspensionView::from),
        }
    }
}

/// A workspace with its members, and what it uses of its plan.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceDetails)]
pub struct TenantDetailsView {
    workspace: TenantView,
    /// The oldest first, at most a thousand.
    members: Vec<MemberView>,
    usage: UsageView,
}

query! {
    pub struct TenantFilter {
        /// A part of the name, in upper or lower case.
        name: Option<String> = Parameters::text,
        /// Only workspaces with this plan.
        plan: Option<String> = Parameters::text,
        /// Only workspaces that this user has created.
        #[param(value_type = Option<String>)]
        created_by: Option<UserId> = Parameters::parsed,
        /// `true`: only suspended workspaces.
        #[param(required = false)]
        suspended: bool = Parameters::flag,
    }
}

/// Lists workspaces, the newest first.
#[utoipa::path(
    operation_id = "list_workspaces", tag = "workspaces",
    params(Paged::<TenantFilter>),
    responses((status = 200, body = ListView<TenantView>)),
    security(("operator" = [])),
)]
#[get("/workspaces")]
pub async fn list_workspaces(
    state: web::Data<State>,
    operator: OperatorRequest<Paged<TenantFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = operator.query;
    let TenantFilter { name, plan, created_by, suspended: only_suspended } = filter;
    let filter = Filter { name, plan, created_by, only_suspended };
    let list = tenants::list(&mut *state.connections.for_list().await?, &filter, page).await?;
    let id = |tenant: &Tenant| tenant.workspace.id.uuid();
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, id, |tenant| TenantView::from(tenant))))
}

/// Returns a workspace, its members, and what it uses of its plan.
#[utoipa::path(
    operation_id = "get_workspace", tag = "workspaces",
    params(("id" = String, Path, description = "ws_…")),
    responses((status = 200, body = TenantDetailsView)),
    security(("operator" = [])),
)]
#[get("/workspaces/{id}")]
pub async fn get_workspace(
    state: web::Data<State>,
    PathId(workspace): PathId<WorkspaceId>,
    _operator: OperatorRequest,
) -> ApiResult<HttpResponse> {
    let mut conn = state.conn().await?;
    let tenant = tenants::get(&mut conn, workspace).await?;
    let members = members::list(&mut conn, workspace).await?;
    drop(conn);
    let usage = UsageView::of(&state, workspace, state.quotas.of(&tenant.plan)).await?;
    let members = members.iter().map(MemberView::from).collect();
    Ok(HttpResponse::Ok().json(TenantDetailsView { workspace: TenantView::from(&tenant), members, usage }))
}

/// The new plan of a workspace, and why.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WorkspacePlanInput)]
pub struct PlanBody {
    /// The name of a plan: see `GET /operator/v1/plans`.
    #[schema(required, example = "pro")]
    plan: Option<String>,
    /// For the audit log of the operators: a line.
    #[schema(required, min_length = 1, max_length = 500, example = "upgraded by invoice 1042")]
    reason: Option<String>,
}

/// Assigns a plan to a workspace.
#[utoipa::path(
    operation_id = "set_workspace_plan", tag = "workspaces", request_body = PlanBody,
    params(("id" = String, Path, description = "ws_…")),
    responses((status = 200, body = TenantView)),
    security(("operator" = [])),
)]
#[put("/workspaces/{id}/plan")]
pub async fn set_workspace_plan(
    state: web::Data<State>,
    PathId(workspace): PathId<WorkspaceId>,
    operator: OperatorRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let PlanBody { plan, reason } = text.read(&mut errors).await?;
    let plan = check_plan(&state, &mut errors, plan);
    let reason = check_reason(&mut errors, reason);
    let (plan, reason) = errors.finish(both(plan, reason))?;
    let by = operator.author(reason);
    let set = async move |state: State| {
        Ok(tenants::set_plan(&mut *state.conn().await?, workspace, &plan, &by).await?)
    };
    state.run(set).await?;
    view(&state, workspace).await
}

fn check_plan(state: &State, errors: &mut FieldErrors, plan: Option<String>) -> Checked<String> {
    let plan = required(errors, "/plan", plan)?;
    let known: Vec<&str> = state.quotas.plans().map(|(name, _)| name).collect();
    let checked = match known.contains(&plan.as_str()) {
        true => Ok(plan),
        false => Err(Invalid::not_one_of(&plan, &known)),
    };
    errors.take("/plan", checked)
}

/// All limits of the workspace, and why. A limit that is left out is null.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WorkspaceLimitsInput)]
pub struct LimitsBody {
    #[schema(minimum = 0, maximum = 100_000)]
    jobs: Option<i64>,
    #[schema(minimum = 0, maximum = 100_000)]
    tokens: Option<i64>,
    /// Executions whose time a client chooses.
    #[schema(minimum = 0, maximum = 100_000, example = 600)]
    executions_per_minute: Option<i64>,
    /// With the users who are invited.
    #[schema(minimum = 0, maximum = 100_000)]
    members: Option<i64>,
    #[schema(minimum = 0, maximum = 100)]
    channels: Option<i64>,
    /// For the audit log of the operators: a line.
    #[schema(required, min_length = 1, max_length = 500, example = "a large migration, until March")]
    reason: Option<String>,
}

impl LimitsBody {
    fn check(self, errors: &mut FieldErrors) -> Checked<(OwnLimits, String)> {
        let mut limit = |pointer: &str, given: Option<i64>, max: i64| {
            given.map(|given| errors.take(pointer, workspace::own_limit(given, max))).transpose()
        };
        let most = i64::from(workspace::MAX_OWN_LIMIT);
        let (jobs, tokens) = (limit("/jobs", self.jobs, most), limit("/tokens", self.tokens, most));
        let executions_per_minute = limit("/executions_per_minute", self.executions_per_minute, most);
        let members = limit("/members", self.members, most);
        let channels = limit("/channels", self.channels, MAX_CHANNELS);
        let reason = check_reason(errors, self.reason);
        let own = OwnLimits {
            jobs: jobs?,
            tokens: tokens?,
            executions_per_minute: executions_per_minute?,
            members: members?,
            channels: channels?,
        };
        Ok((own, reason?))
    }
}

/// Gives a workspace limits of its own, which count instead of those of its plan, at once.
#[utoipa::path(
    operation_id = "set_workspace_limits", tag = "workspaces", request_body = LimitsBody,
    params(("id" = String, Path, description = "ws_…")),
    responses((status = 200, body = TenantView)),
    security(("operator" = [])),
)]
#[put("/workspaces/{id}/limits")]
pub async fn set_workspace_limits(
    state: web::Data<State>,
    PathId(workspace): PathId<WorkspaceId>,
    operator: OperatorRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: LimitsBody = text.read(&mut errors).await?;
    let checked = body.check(&mut errors);
    let (own, reason) = errors.finish(checked)?;
    let by = operator.author(reason);
    let set = async move |state: State| {
        Ok(tenants::set_limits(&mut *state.conn().await?, workspace, &own, &by).await?)
    };
    state.run(set).await?;
    view(&state, workspace).await
}

/// Suspends a workspace: its open executions are cancelled, its fires are skipped, and its members can only read and delete. They see the
/// reason. A workspace that is suspended already keeps its first reason.
#[utoipa::path(
    operation_id = "suspend_workspace", tag = "workspaces", request_body = ReasonBody,
    params(("id" = String, Path, description = "ws_…")),
    responses((status = 200, body = TenantView)),
    security(("operator" = [])),
)]
#[post("/workspaces/{id}/suspend")]
pub async fn suspend_workspace(
    state: web::Data<State>,
    PathId(workspace): PathId<WorkspaceId>,
    operator: OperatorRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let by = operator.author(ReasonBody::read(text).await?);
    let suspend =
        async move |state: State| Ok(tenants::suspend(&mut *state.conn().await?, workspace, &by).await?);
    state.run(suspend).await?;
    view(&state, workspace).await
}

/// Ends the suspension of a workspace: its jobs run again, from their next fires on. A workspace that is not suspended is unchanged.
#[utoipa::path(
    operation_id = "resume_workspace", tag = "workspaces", request_body = ReasonBody,
    params(("id" = String, Path, description = "ws_…")),
    responses((status = 200, body = TenantView)),
    security(("operator" = [])),
)]
#[post("/workspaces/{id}/resume")]
pub async fn resume_workspace(
    state: web::Data<State>,
    PathId(workspace): PathId<WorkspaceId>,
    operator: OperatorRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let by = operator.author(ReasonBody::read(text).await?);
    let resume =
        async move |state: State| Ok(tenants::resume(&mut *state.conn().await?, workspace, &by).await?);
    state.run(resume).await?;
    view(&state, workspace).await
}

async fn view(state: &State, workspace: WorkspaceId) -> ApiResult<HttpResponse> {
    let tenant = tenants::get(&mut *state.conn().await?, workspace).await?;
    Ok(HttpResponse::Ok().json(TenantView::from(&tenant)))
}

/// Deletes a workspace with everything in it, immediately and irrevocably.
#[utoipa::path(
    operation_id = "delete_workspace", tag = "workspaces",
    params(("id" = String, Path, description = "ws_…"), Because),
    responses((status = 204)),
    security(("operator" = [])),
)]
#[delete("/workspaces/{id}")]
pub async fn delete_workspace(
    state: web::Data<State>,
    PathId(workspace): PathId<WorkspaceId>,
    operator: OperatorRequest<Because>,
) -> ApiResult<HttpResponse> {
    let by = operator.because();
    let delete =
        async move |state: State| Ok(tenants::delete(&mut *state.conn().await?, workspace, &by).await?);
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}
