//! The operator API: what operators see and do, on an address of its own and with tokens of its own. It serves no tenant.
//!
//! It is used by few, so its requests have no rate limit; wrong tokens do.

mod audit;
mod auth;
mod hold;
mod path;
mod plans;
mod reason;
mod users;
mod workspaces;

use actix_web::web;
use utoipa_actix_web::{scope, service_config::ServiceConfig};

use crate::routes::{Methods, OPERATOR_V1, Registration, health, problems};

/// Registers every route, for the server and for the OpenAPI document alike.
pub fn register(config: &mut ServiceConfig) {
    let mut methods = Methods::default();
    config.service(scope::scope(OPERATOR_V1).configure(|config| {
        Registration::new(config, OPERATOR_V1, &mut methods)
            .add(workspaces::list_workspaces)
            .add(workspaces::get_workspace)
            .add(workspaces::set_workspace_plan)
            .add(workspaces::set_workspace_limits)
            .add(workspaces::suspend_workspace)
            .add(workspaces::resume_workspace)
            .add(workspaces::delete_workspace)
            .add(users::find_users)
            .add(users::get_user)
            .add(users::end_sessions)
            .add(users::delete_user)
            .add(plans::list_plans)
            .add(hold::get_hold)
            .add(hold::begin_hold)
            .add(hold::release_hold)
            .add(audit::list_operator_audit_log);
    }));
    Registration::new(config, "", &mut methods)
        .add(health::openapi_json)
        .add(health::openapi_3_0_json)
        .add(problems::list_problem_types)
        .add(problems::get_problem_type);
    config.app_data(web::Data::new(methods));
}
