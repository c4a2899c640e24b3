//! The OpenAPI document, derived from the routes. `make openapi` writes it to docs/openapi.json; a test fails when the file is outdated.
//!
//! The server publishes it, and reads nothing from it.

use actix_web::App;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_actix_web::AppExt;

use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "TrigRun",
        description = "Makes HTTP requests on a schedule, and records the result of each. Every response that is not a success is a problem (RFC 9457) with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Token),
    tags(
        (name = "jobs", description = "Saved requests with a schedule."),
        (name = "schedules", description = "Previews of schedules."),
        (name = "executions", description = "Runs of jobs, and their results."),
        (name = "secrets", description = "Values that requests contain and that the API never returns."),
        (name = "notifications", description = "Channels, rules, and the notifications that they send."),
        (name = "users", description = "Sign-up, login, and the members of a workspace."),
        (name = "tokens", description = "API tokens, for programs."),
        (name = "workspace", description = "Settings and audit log of a workspace."),
        (name = "health", description = "Probes, version, and this document."),
    ),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("trg_…")
            .description(Some(
                "An API token, or the token of a session. Each operation lists the scopes that it requires.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The document as text.
pub fn json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let app = App::new().into_utoipa_app().openapi(Document::openapi());
        let (_, document) = app.configure(routes::register).split_for_parts();
        let mut document = serde_json::to_value(document).unwrap_or_default();
        derive_jobs(&mut document);
        without_null_defaults(&mut document);
        add_error_responses(&mut document);
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    });
    &TEXT
}

const INPUT: &str = "#/components/schemas/JobInput";
const REQUEST: &str = "#/components/schemas/Request";

/// A response has more fields of a job than the input, and a patch requires none of them. Both schemas are derived from the input's, which
/// allows no other fields and has required ones.
fn derive_jobs(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    let (input, request) = (schemas["JobInput"].clone(), schemas["Request"].clone());
    let without = |mut schema: Value, key: &str| {
        schema.as_object_mut().map(|schema| schema.remove(key));
        schema
    };
    if let Some(all) = schemas.as_object_mut() {
        for (_, schema) in all.iter_mut().filter(|(name, _)| *name != "JobInput") {
            redirect(schema, INPUT, "#/components/schemas/JobFields");
        }
    }
    schemas["JobFields"] = without(input.clone(), "additionalProperties");
    schemas["RequestPatch"] = without(request, "required");
    schemas["JobPatch"] = without(input, "required");
    redirect(&mut schemas["JobPatch"], REQUEST, "#/components/schemas/RequestPatch");
    redirect(
        &mut document["paths"]["/v1/jobs/{id}"]["patch"]["requestBody"],
        INPUT,
        "#/components/schemas/JobPatch",
    );
}

/// While a body is read, every field is optional, so that all errors can be reported together. The derived default of null does not say what
/// an absent field means, and tools would show it in place of the examples.
fn without_null_defaults(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| name != "default" || !value.is_null());
            fields.values_mut().for_each(without_null_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null_defaults),
        _ => {}
    }
}

/// Adds the error responses that follow from the kind of operation. Those specific to one operation (409, for example) are in its annotation.
fn add_error_responses(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths.filter(|(path, _)| path.starts_with("/v1/")) {
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            for status in error_statuses(path, operation) {
                let known = &mut operation["responses"][status.to_string()];
                if known.is_null() {
                    *known = error_response(status);
                }
            }
        }
    }
}

fn error_statuses(path: &str, operation: &Value) -> Vec<u16> {
    let has = |name: &str| !operation[name].is_null();
    let mut parameters = operation["parameters"].as_array().into_iter().flatten();
    let can_be_invalid =
        parameters.any(|parameter| parameter["in"] == "query" || parameter["in"] == "header");
    let mut statuses = vec![429, 503];
    if has("security") {
        statuses.extend([401, 403]);
    }
    if has("requestBody") {
        statuses.extend([400, 413, 415, 422]);
    }
    if can_be_invalid {
        statuses.push(422);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    statuses
}

fn error_response(status: u16) -> Value {
    let description = match status {
        400 => "The body is not JSON, or a header is invalid.",
        401 => "The token is missing, invalid, expired or revoked.",
        403 => "The token lacks the scope, the user lacks the role, or a quota of the plan is exhausted.",
        404 => "Not found in the workspace of the token.",
        413 => "The body is too large.",
        415 => "The body is not declared as JSON.",
        422 => "Fields, parameters or headers are invalid. `errors` lists all of them.",
        429 => {
            "Too many requests, or more executions than the plan allows. Try again after the time in Retry-After."
        }
        _ => "TrigRun cannot reach its database. Try again after the time in Retry-After.",
    };
    let mut response = serde_json::json!({
        "description": description,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    if matches!(status, 429 | 503) {
        response["headers"] = serde_json::json!({ "Retry-After": { "schema": { "type": "string" } } });
    }
    response
}

/// Replaces every reference to `from` by one to `to`.
fn redirect(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str() {
                    Some(reference) if name == "$ref" && reference == from => *field = to.into(),
                    _ => redirect(field, from, to),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, from, to)),
        _ => {}
    }
}
