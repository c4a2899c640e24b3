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
pub mod channels;
pub mod docs;
pub mod executions;
pub mod health;
pub mod jobs;
pub mod list;
pub mod members;
pub mod notifications;
pub mod problems;
pub mod rules;
pub mod schedules;
pub mod secrets;
mod suggestion;
pub mod tokens;
pub mod workspace;

pub const V1: &str = "/v1";

/// Registers every route, for the server and for the OpenAPI document alike.
pub fn register(config: &mut ServiceConfig) {
    let mut methods = Methods::default();
    config.service(scope::scope(V1).configure(|config| {
        Registration { config, prefix: V1, methods: &mut methods }
            .add(jobs::create_job)
            .add(jobs::batch::create_jobs)
            .add(jobs::import::import_jobs)
            .add(jobs::list_jobs)
            .add(jobs::get_job)
            .add(jobs::patch_job)
            .add(jobs::delete_job)
            .add(jobs::pause_job)
            .add(jobs::resume_job)
            .add(jobs::run_job_now)
            .add(jobs::ledger::get_job_ledger)
            .add(schedules::preview_schedule)
            .add(executions::list_job_executions)
            .add(executions::list_executions)
            .add(executions::get_execution)
            .add(executions::replay_execution)
            .add(executions::cancel_execution)
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
            .add(auth::sign_up)
            .add(auth::log_in)
            .add(auth::log_out)
            .add(auth::get_me)
            .add(auth::delete_me)
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
        .route("/", web::get().to(docs::redirect_to_docs))
        .route("/docs/start.js", web::get().to(docs::start_script))
        .route("/docs/swagger-ui-5.35.0.js", web::get().to(docs::swagger_script))
        .route("/docs/swagger-ui-5.35.0.css", web::get().to(docs::swagger_style));
    Registration { config, prefix: "", methods: &mut methods }
        .add(health::livez)
        .add(health::readyz)
        .add(health::version)
        .add(health::openapi_json)
        .add(health::openapi_3_0_json)
        .add(docs::docs)
        .add(problems::list_problem_types)
        .add(problems::get_problem_type);
    config.app_data(web::Data::new(methods));
}

/// The methods of each path, by its pattern.
#[derive(Default)]
pub struct Methods(BTreeMap<String, BTreeSet<&'static str>>);

/// Registers operations and remembers their methods.
struct Registration<'a, 'config> {
    config: &'a mut ServiceConfig<'config>,
    prefix: &'static str,
    methods: &'a mut Methods,
}

impl Registration<'_, '_> {
    fn add<F: HttpServiceFactory + OpenApiFactory + utoipa::Path + 'static>(self, operation: F) -> Self {
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
