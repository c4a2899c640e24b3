//! All routes: their registration, and the methods that each path supports. One file per resource.

use actix_web::{
    HttpRequest, HttpResponse,
    dev::HttpServiceFactory,
    http::{Method, header},
    web,
};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::openapi::path::HttpMethod;
use utoipa_actix_web::{OpenApiFactory, scope, service_config::ServiceConfig};

use crate::{
    problem::{Problem, ProblemCode},
    result::ApiResult,
};

pub mod audit;
pub mod auth;
mod bulk;
pub mod channels;
pub mod docs;
pub mod executions;
pub mod failures;
pub mod forecast;
pub mod health;
pub mod hosts;
pub mod instance;
pub mod jobs;
pub mod ledger;
pub mod list;
pub mod me;
pub mod members;
pub mod notifications;
pub mod problems;
pub mod rules;
pub mod schedules;
pub mod secrets;
pub mod sessions;
pub mod stats;
mod statuses;
pub mod stream;
mod suggestion;
pub mod suspension;
pub mod tests;
pub mod texts;
pub mod time_zones;
pub mod tokens;
pub mod upcoming;
pub mod usage;
pub mod workspace;
pub mod workspace_rules;

pub const V1: &str = "/v1";
/// Of the operator API, which is served on another address.
pub const OPERATOR_V1: &str = "/operator/v1";

/// Registers every route, for the server and for the OpenAPI document alike.
pub fn register(config: &mut ServiceConfig) {
    let mut methods = Methods::default();
    config.service(scope::scope(V1).configure(|config| {
        Registration::new(config, V1, &mut methods)
            .add(jobs::create_job)
            .add(jobs::batch::create_jobs)
            .add(jobs::import::import_jobs)
            .add(jobs::apply::apply_jobs)
            .add(jobs::export::export_jobs)
            .add(jobs::convert::convert_jobs)
            .add(jobs::bulk::bulk_jobs)
            .add(jobs::list::list_jobs)
            .add(jobs::list::count_jobs)
            .add(jobs::activity::get_jobs_activity)
            .add(jobs::get_job)
            .add(jobs::patch_job)
            .add(jobs::put::put_job)
            .add(jobs::delete_job)
            .add(jobs::pause::pause_job)
            .add(jobs::pause::resume_job)
            .add(jobs::run_job_now)
            .add(jobs::ledger::get_job_ledger)
            .add(jobs::versions::list_job_versions)
            .add(jobs::versions::get_job_version)
            .add(jobs::explain::explain_job)
            .add(jobs::baseline::get_job_baseline)
            .add(schedules::preview_schedule)
            .add(time_zones::list_time_zones)
            .add(forecast::get_forecast)
            .add(forecast::spread::spread_forecast)
            .add(upcoming::list_upcoming)
            .add(stats::get_stats)
            .add(failures::get_failures)
            .add(ledger::get_ledger)
            .add(hosts::get_hosts)
            .add(usage::get_usage)
            .add(executions::list_job_executions)
            .add(executions::list_executions)
            .add(stream::stream_executions)
            .add(executions::bulk::bulk_executions)
            .add(executions::get_execution)
            .add(executions::request::get_execution_request)
            .add(executions::replay_execution)
            .add(executions::cancel_execution)
            .add(tests::create_test)
            .add(tests::get_test)
            .add(secrets::create_secret)
            .add(secrets::list_secrets)
            .add(secrets::get_secret)
            .add(secrets::put_secret)
            .add(secrets::delete_secret)
            .add(channels::create_channel)
            .add(channels::list_channels)
            .add(channels::get_channel)
            .add(channels::patch_channel)
            .add(channels::delete_channel)
            .add(channels::test_channel)
            .add(channels::snooze_channel)
            .add(workspace_rules::create_workspace_rule)
            .add(workspace_rules::list_workspace_rules)
            .add(workspace_rules::get_workspace_rule)
            .add(workspace_rules::patch_workspace_rule)
            .add(workspace_rules::delete_workspace_rule)
            .add(rules::patch_rule)
            .add(rules::create_rule)
            .add(rules::list_rules)
            .add(rules::delete_rule)
            .add(notifications::list_notifications)
            .add(notifications::get_notification)
            .add(workspace::get_signing_secret)
            .add(workspace::rotate_signing_secret)
            .add(workspace::list_workspaces)
            .add(workspace::create_workspace)
            .add(workspace::get_workspace)
            .add(workspace::patch_workspace)
            .add(workspace::delete_workspace)
            .add(audit::list_audit_log)
            .add(instance::get_instance)
            .add(auth::sign_up::sign_up)
            .add(auth::verifications::create_verification)
            .add(auth::verifications::reset_password)
            .add(auth::verifications::confirm_email)
            .add(auth::log_in)
            .add(auth::log_out)
            .add(sessions::get_session)
            .add(sessions::confirm_session)
            .add(sessions::list_sessions)
            .add(sessions::delete_session)
            .add(sessions::delete_other_sessions)
            .add(me::get_me)
            .add(me::patch_me)
            .add(me::change_password)
            .add(me::change_email)
            .add(me::delete_me)
            .add(members::list_members)
            .add(members::create_member)
            .add(members::accept_invitation)
            .add(members::list_invitations)
            .add(members::delete_invitation)
            .add(members::patch_member)
            .add(members::delete_member)
            .add(tokens::list_tokens)
            .add(tokens::create_token)
            .add(tokens::rotate_token)
            .add(tokens::delete_token);
    }));
    config
        .route("/docs/start.js", web::get().to(docs::start_script))
        .route("/docs/swagger-ui-5.35.0.js", web::get().to(docs::swagger_script))
        .route("/docs/swagger-ui-5.35.0.css", web::get().to(docs::swagger_style));
    Registration::new(config, "", &mut methods)
        .add(health::livez)
        .add(health::readyz)
        .add(health::version)
        .add(health::openapi_json)
        .add(health::openapi_3_0_json)
        .add(docs::docs)
        .add(texts::page)
        .add(texts::overview)
        .add(texts::jobs_schema)
        .add(problems::list_problem_types)
        .add(problems::get_problem_type);
    config.app_data(web::Data::new(methods));
}

/// The methods of each path, by its pattern.
#[derive(Default)]
pub struct Methods(BTreeMap<String, BTreeSet<&'static str>>);

/// Registers operations and remembers their methods.
pub struct Registration<'a, 'config> {
    config: &'a mut ServiceConfig<'config>,
    prefix: &'static str,
    methods: &'a mut Methods,
}

impl<'a, 'config> Registration<'a, 'config> {
    pub fn new(
        config: &'a mut ServiceConfig<'config>,
        prefix: &'static str,
        methods: &'a mut Methods,
    ) -> Self {
        Self { config, prefix, methods }
    }

    pub fn add<F: HttpServiceFactory + OpenApiFactory + utoipa::Path + 'static>(self, operation: F) -> Self {
        let methods = self.methods.0.entry(format!("{}{}", self.prefix, F::path())).or_default();
        methods.extend(F::methods().iter().map(method_name));
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        self.config.service(operation);
        self
    }
}

fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Trace => "TRACE",
    }
}

/// The response when no route matches: 405 for a path with other methods (RFC 9110 §15.5.6), 404 for an unknown path.
pub async fn no_route(request: HttpRequest, methods: web::Data<Methods>) -> ApiResult<HttpResponse> {
    let pattern = request.resource_map().match_pattern(request.path());
    Err(match pattern.and_then(|pattern| methods.0.get(&pattern)) {
        Some(allowed) => {
            let allowed = allowed.iter().copied().collect::<Vec<_>>().join(", ");
            let mut detail = format!("This path supports {allowed}.");
            if request.method() == Method::PUT && allowed.contains("PATCH") {
                detail.push_str(" Use PATCH to change the object.");
            }
            Problem::new(ProblemCode::MethodNotAllowed, detail).with_header(header::ALLOW, allowed)
        }
        None => {
            let mut detail = "There is nothing at this path.".to_owned();
            if let Some(path) = suggestion::suggestion(request.path(), methods.0.keys().map(String::as_str)) {
                detail.push_str(&format!(" Did you mean {path}?"));
            }
            Problem::new(ProblemCode::NotFound, detail)
        }
    })
}
