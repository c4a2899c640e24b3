//! What a workspace uses of its plan.

use actix_web::{HttpResponse, get, web};
use chrono::TimeDelta;
use serde::Serialize;
use std::num::NonZeroU32;
use trigrun_core::{domain::id::WorkspaceId, store::quotas};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, JobsRead},
    quotas::Plan,
    result::ApiResult,
    state::State,
};

/// Counting stops here.
const MAX_COUNTED: i64 = 100_000;

/// What the workspace uses, and what it may have.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageView {
    jobs: UsedView,
    tokens: UsedView,
    /// Executions whose time a client chose, requested in the last minute: run-now, replays, one_time jobs.
    executions_per_minute: UsedView,
    /// With the users who are invited.
    members: UsedView,
    channels: UsedView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Used)]
pub struct UsedView {
    /// Counting stops at 100,000.
    #[schema(example = 120)]
    used: i64,
    /// Null means no limit.
    #[schema(example = 1000)]
    limit: Option<u32>,
}

impl UsageView {
    pub async fn of(state: &State, workspace: WorkspaceId, plan: Plan) -> ApiResult<Self> {
        let since = state.clock.now() - TimeDelta::minutes(1);
        let mut conn = state.connections.for_list().await?;
        let counted = quotas::used(&mut conn, workspace, since, MAX_COUNTED).await?;
        let used = |used, limit| UsedView { used, limit };
        Ok(Self {
            jobs: used(counted.jobs, plan.jobs()),
            tokens: used(counted.tokens, plan.tokens()),
            executions_per_minute: used(counted.requested, plan.executions_per_minute().map(NonZeroU32::get)),
            members: used(counted.members, plan.members()),
            channels: used(counted.channels, plan.channels()),
        })
    }
}

/// Returns what the workspace uses, and what it may have: jobs, tokens, members, channels, executions requested in the last minute.
#[utoipa::path(
    operation_id = "get_usage", tag = "workspace",
    responses(
        (status = 200, body = UsageView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/usage")]
pub async fn get_usage(state: web::Data<State>, auth: Authorized<JobsRead>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(UsageView::of(&state, auth.workspace, auth.plan).await?))
}
