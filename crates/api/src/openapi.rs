//! The OpenAPI document, made from the routes. `make openapi` writes it to docs/openapi.json; a test notices when it is old.

use actix_web::App;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_actix_web::AppExt;

use crate::server;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "TrigRun",
        description = "Makes HTTP requests on a schedule, and shows what became of each. Every answer that is not a success is a problem (RFC 9457) with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Token),
    tags(
        (name = "jobs", description = "Saved requests with a schedule."),
        (name = "schedules", description = "What a schedule means, before a job has it."),
        (name = "executions", description = "What ran, when, and what came of it."),
        (name = "secrets", description = "Values that requests need and nobody may read."),
        (name = "notifications", description = "Who is told what, where, and what became of it."),
        (name = "people", description = "Signing up, logging in, and who belongs to a workspace."),
        (name = "tokens", description = "API tokens: what a program uses."),
        (name = "workspace", description = "What holds for all of a workspace."),
        (name = "health", description = "Is it alive, is it ready, what is it."),
    ),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("trg_…")
            .description(Some("An API token. The scopes that an operation needs stand beside it."))
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
        let (_, document) = app.configure(server::routes).split_for_parts();
        let mut document = serde_json::to_value(document).unwrap_or_default();
        derive_jobs(&mut document);
        without_null_defaults(&mut document);
        add_refusals(&mut document);
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    });
    &TEXT
}

const INPUT: &str = "#/components/schemas/JobInput";
const REQUEST: &str = "#/components/schemas/Request";

/// A job that is shown has more fields than one that is written, and a patch needs none of those: both are derived from the
/// one description of the fields, which is closed and has its required ones.
fn derive_jobs(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    let (input, request) = (schemas["JobInput"].clone(), schemas["Request"].clone());
    let without = |mut schema: Value, key: &str| {
        schema.as_object_mut().map(|schema| schema.remove(key));
        schema
    };
    if let Some(shown) = schemas.as_object_mut() {
        for (_, schema) in shown.iter_mut().filter(|(name, _)| *name != "JobInput") {
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

/// Everything may be absent while a body is read, so that all errors are told at once; the derived defaults of null say nothing
/// of what the field means then, and tools would show them in place of the examples.
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

/// Adds the refusals that follow from what an operation is; those that are its own (409, say) stand beside it.
fn add_refusals(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths.filter(|(path, _)| path.starts_with("/v1/")) {
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            for status in refusals(path, operation) {
                let known = &mut operation["responses"][status.to_string()];
                if known.is_null() {
                    *known = refusal(status);
                }
            }
        }
    }
}

fn refusals(path: &str, operation: &Value) -> Vec<u16> {
    let has = |name: &str| !operation[name].is_null();
    let mut parameters = operation["parameters"].as_array().into_iter().flatten();
    let may_be_wrong = parameters.any(|parameter| parameter["in"] == "query" || parameter["in"] == "header");
    let mut statuses = vec![429, 503];
    if has("security") {
        statuses.extend([401, 403]);
    }
    if has("requestBody") {
        statuses.extend([400, 413, 415, 422]);
    }
    if may_be_wrong {
        statuses.push(422);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    statuses
}

fn refusal(status: u16) -> Value {
    let description = match status {
        400 => "The body is not JSON, or a header cannot be read.",
        401 => "No token, or one that is not accepted.",
        403 => "The token lacks the scope, the person the role, or the plan allows no more.",
        404 => "There is nothing here that the token may see.",
        413 => "The body is too large.",
        415 => "The body is not sent as JSON.",
        422 => "Fields or parameters cannot be used as they are: `errors` has all of them.",
        429 => "Too many requests, or more executions than the plan allows: Retry-After says for how long.",
        _ => "TrigRun cannot reach its database: Retry-After says when to try again.",
    };
    let mut refusal = serde_json::json!({
        "description": description,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    if matches!(status, 429 | 503) {
        refusal["headers"] = serde_json::json!({ "Retry-After": { "schema": { "type": "string" } } });
    }
    refusal
}

/// Lets every reference to `from` lead to `to`.
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

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(json()).unwrap_or_default());

/// Whether the document has this operation, and no query parameter of it.
pub fn takes_no_parameters(pattern: &str, method: &str) -> bool {
    let operation = &DOCUMENT["paths"][pattern][method.to_ascii_lowercase()];
    let in_query = |parameter: &Value| parameter["in"] == "query";
    operation.is_object() && !operation["parameters"].as_array().into_iter().flatten().any(in_query)
}

/// The methods that a path of the document answers to, as the header `Allow` lists them.
pub fn methods(pattern: &str) -> Option<String> {
    let operations = DOCUMENT["paths"].get(pattern)?.as_object()?;
    Some(operations.keys().map(|method| method.to_uppercase()).collect::<Vec<_>>().join(", "))
}
