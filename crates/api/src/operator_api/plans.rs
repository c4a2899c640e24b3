//! The plans, which the settings define.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use std::num::NonZeroU32;
use utoipa::ToSchema;

use super::auth::OperatorRequest;
use crate::{quotas::Plan, result::ApiResult, state::State};

/// What a plan allows. Null means no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanView {
    #[schema(example = "pro")]
    name: String,
    jobs: Option<u32>,
    tokens: Option<u32>,
    /// Executions per minute whose time a client chooses: run-now, replays, one_time jobs.
    executions_per_minute: Option<u32>,
    /// With the users who are invited.
    members: Option<u32>,
    channels: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Plans)]
pub struct PlansView {
    data: Vec<PlanView>,
}

impl PlanView {
    fn new(name: &str, plan: Plan) -> Self {
        Self {
            name: name.to_owned(),
            jobs: plan.jobs(),
            tokens: plan.tokens(),
            executions_per_minute: plan.executions_per_minute().map(NonZeroU32::get),
            members: plan.members(),
            channels: plan.channels(),
        }
    }
}

/// Lists the plans, by name.
#[utoipa::path(
    operation_id = "list_plans", tag = "workspaces",
    responses((status = 200, body = PlansView)),
    security(("operator" = [])),
)]
#[get("/plans")]
pub async fn list_plans(state: web::Data<State>, _operator: OperatorRequest) -> ApiResult<HttpResponse> {
    let data = state.quotas.plans().map(|(name, plan)| PlanView::new(name, plan)).collect();
    Ok(HttpResponse::Ok().json(PlansView { data }))
}
