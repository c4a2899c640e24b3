//! The OpenAPI documents of the API and of the operator API, derived from the routes. `make openapi` writes them to docs/openapi.json and
//! docs/operator-openapi.json; a test fails when a file is outdated.
//!
//! The annotations of a handler say what is special about it. What follows from a rule for all operations or schemas is added here. The
//! server publishes the document, and reads nothing from it.

use actix_web::App;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

mod jobs_schema;
mod operations;
mod schemas;
mod version_3_0;
mod webhooks;

use crate::{
    enums, operator_api,
    problem::ProblemBody,
    routes::{self, OPERATOR_V1, V1},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "TrigRun",
        description = "Makes HTTP requests on a schedule, and records the result of each. Every response that is not a success is a problem (RFC 9457) with a stable `code`, which `GET /problems/{code}` explains. Responses may get new fields, and new values in place of the listed ones, at any time.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The server that publishes this document.")),
    modifiers(&Components),
    tags(
        (name = "jobs", description = "Saved requests with a schedule."),
        (name = "schedules", description = "Previews of schedules, and what will fire."),
        (name = "executions", description = "Runs of jobs, and their results."),
        (name = "tests", description = "Requests that are sent once, to try them."),
        (name = "secrets", description = "Values that requests contain and that the API never returns."),
        (name = "notifications", description = "Channels, rules, and the notifications that they send."),
        (name = "users", description = "Sign-up, login, and the members of a workspace."),
        (name = "tokens", description = "API tokens, for programs."),
        (name = "workspace", description = "Settings and audit log of a workspace."),
        (name = "problems", description = "The codes of problems."),
        (name = "documentation", description = "What this server publishes for those who program against it."),
        (name = "health", description = "Probes, version, and this document."),
    ),
)]
struct Document;

struct Components;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "TrigRun for operators",
        description = "What operators see of an installation of TrigRun, and do to it. Every response that is not a success is a problem (RFC 9457) with a stable `code`. Responses may get new fields, and new values in place of the listed ones, at any time.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The server that publishes this document.")),
    modifiers(&OperatorComponents),
    components(schemas(ProblemBody)),
    tags(
        (name = "workspaces", description = "The tenants: their plans and suspensions."),
        (name = "users", description = "Users and their sessions."),
        (name = "hold", description = "Stops everything that leaves the installation."),
        (name = "audit", description = "What operators have done, and why."),
        (name = "problems", description = "The codes of problems."),
        (name = "health", description = "This document."),
    ),
)]
struct OperatorDocument;

struct OperatorComponents;

impl Modify for Components {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("trg_…")
            .description(Some(
                "An API token, or the token of a session. Each operation lists the scopes that it requires.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        components.schemas.extend(enums::all());
    }
}

impl Modify for OperatorComponents {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("tro_…")
            .description(Some("The token of an operator: see `trigrun-api operator create`."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("operator", SecurityScheme::Http(bearer));
        components.schemas.extend(enums::of_operators());
    }
}

/// The document as text.
pub fn json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(&document()));
    &TEXT
}

/// The document for tools that read no OpenAPI 3.1.
pub fn json_3_0() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(&version_3_0::of(document())));
    &TEXT
}

/// The JSON Schema of a file of jobs, as text.
pub fn jobs_schema() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(&jobs_schema::of(&document())));
    &TEXT
}

/// The document of the operator API.
pub fn operator_json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(&operator_document()));
    &TEXT
}

/// The same for tools that read no OpenAPI 3.1.
pub fn operator_json_3_0() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(&version_3_0::of(operator_document())));
    &TEXT
}

fn document() -> Value {
    let mut document = document_of(Document::openapi(), routes::register);
    webhooks::add(&mut document);
    schemas::complete(&mut document);
    operations::complete(&mut document, V1);
    document
}

fn operator_document() -> Value {
    let mut document = document_of(OperatorDocument::openapi(), operator_api::register);
    schemas::complete(&mut document);
    operations::complete(&mut document, OPERATOR_V1);
    document
}

fn document_of(start: utoipa::openapi::OpenApi, register: fn(&mut ServiceConfig)) -> Value {
    let app = App::new().into_utoipa_app().openapi(start);
    let (_, document) = app.configure(register).split_for_parts();
    serde_json::to_value(document).unwrap_or_default()
}

fn text(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

/// Calls `visit` for every object in the value, the inner ones first.
fn each_object(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| each_object(value, visit));
            visit(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, visit)),
        _ => {}
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}
