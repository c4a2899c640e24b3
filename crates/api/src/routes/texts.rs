//! What programs and agents read to use this server: its documentation as Markdown, an overview of it, and the schema of a file of jobs.

use actix_web::{HttpResponse, get, http::header::CACHE_CONTROL, web};

use crate::{
    problem::{Problem, ProblemBody},
    result::ApiResult,
    sought::sought,
};

/// The texts change only with the version of the server.
const CACHEABLE: &str = "public, max-age=3600";

const OVERVIEW: &str = include_str!("../../assets/llms.txt");

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../docs/", $name, ".md")))),*]
    };
}

/// The pages for users.
const PAGES: [(&str, &str); 21] = pages![
    "agents",
    "api",
    "apply",
    "cli",
    "console",
    "executions",
    "forecast",
    "glossary",
    "import",
    "jobs",
    "notifications",
    "people",
    "promise",
    "quickstart",
    "schedules",
    "sdk",
    "secrets",
    "sessions",
    "signing",
    "statistics",
    "walkthrough",
];

/// The JSON Schema of a file of jobs. The server supplies it: it is derived from the routes, of which this module is a part.
pub struct JobsSchema(pub &'static str);

/// Returns an overview of this server for agents: what it does, examples, and links to its documentation (https://llmstxt.org).
#[utoipa::path(operation_id = "overview", tag = "documentation", responses(
    (status = 200, body = String, content_type = "text/plain"),
))]
#[get("/llms.txt")]
pub async fn overview() -> HttpResponse {
    text("text/plain; charset=utf-8", OVERVIEW)
}

/// Returns a page of the documentation as Markdown. `/llms.txt` lists the pages.
#[utoipa::path(
    operation_id = "get_documentation_page", tag = "documentation", params(("page" = String, Path, example = "quickstart")),
    responses(
        (status = 200, body = String, content_type = "text/markdown"),
        (status = 404, description = "There is no such page.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[get("/docs/{page}.md")]
pub async fn page(page: web::Path<String>) -> ApiResult<HttpResponse> {
    sought("There is no such page. GET /llms.txt lists the pages.");
    let (_, markdown) = PAGES.iter().find(|(name, _)| *name == *page).ok_or_else(Problem::not_found)?;
    Ok(text("text/markdown; charset=utf-8", markdown))
}

/// Returns the JSON Schema (2020-12) of a file of jobs, which is the body of `POST /v1/jobs/apply`.
#[utoipa::path(operation_id = "jobs_schema", tag = "documentation", responses(
    (status = 200, body = Object, content_type = "application/json"),
))]
#[get("/schema/jobs.json")]
pub async fn jobs_schema(schema: web::Data<JobsSchema>) -> HttpResponse {
    text("application/json", schema.0)
}

fn text(content_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, CACHEABLE)).content_type(content_type).body(text)
}
