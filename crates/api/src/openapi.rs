//! The OpenAPI document, made from the routes. `make openapi` writes it to docs/openapi.json; a test notices when it is old.

use actix_web::App;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        RefOr, Schema,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
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
        let (_, mut document) = app.configure(server::routes).split_for_parts();
        let schemas = document.components.iter_mut().flat_map(|components| components.schemas.values_mut());
        schemas.for_each(without_null_defaults);
        document.to_pretty_json().unwrap_or_default() + "\n"
    });
    &TEXT
}

/// Everything may be absent while a body is read, so that all errors are told at once; the derived defaults of null say nothing
/// of what the field means then, and tools would show them in place of the examples.
fn without_null_defaults(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    let default = match schema {
        Schema::Object(object) => {
            object.properties.values_mut().for_each(without_null_defaults);
            &mut object.default
        }
        Schema::Array(array) => &mut array.default,
        Schema::OneOf(one_of) => &mut one_of.default,
        Schema::AllOf(all_of) => {
            all_of.items.iter_mut().for_each(without_null_defaults);
            &mut all_of.default
        }
        _ => return,
    };
    default.take_if(|default| default.is_null());
}

/// The methods that a path of the document answers to, as the header `Allow` lists them.
pub fn methods(pattern: &str) -> Option<String> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(json()).unwrap_or_default());
    let operations = DOCUMENT["paths"].get(pattern)?.as_object()?;
    Some(operations.keys().map(|method| method.to_uppercase()).collect::<Vec<_>>().join(", "))
}
