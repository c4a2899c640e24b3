//! The codes of problems: to what the `type` of a problem leads. A browser gets a page, a program JSON.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{ACCEPT, CACHE_CONTROL, VARY},
    web,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    sought::sought,
};

/// The texts change only with the version of the server.
const CACHEABLE: &str = "public, max-age=3600";

/// What a code of problems means, and what to do.
#[derive(Serialize, ToSchema)]
#[schema(as = ProblemType)]
pub struct ProblemTypeView {
    /// The `type` of the problems with this code.
    #[serde(rename = "type")]
    #[schema(example = "https://trigrun.dev/problems/job_is_draft")]
    kind: String,
    #[schema(example = "job_is_draft")]
    code: &'static str,
    #[schema(example = "Job is a draft")]
    title: &'static str,
    /// The HTTP statuses with which it is returned.
    #[schema(example = json!([409]))]
    statuses: Vec<u16>,
    #[schema(example = "The job is a draft, which cannot run or be paused.")]
    meaning: &'static str,
    /// What to do about it.
    #[schema(example = "Activate the job first.")]
    action: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProblemTypes)]
pub struct ProblemTypesView {
    data: Vec<ProblemTypeView>,
}

impl ProblemTypeView {
    fn new(code: ProblemCode) -> Self {
        let explanation = code.explanation();
        Self {
            kind: code.uri(),
            code: code.as_str(),
            title: explanation.title,
            statuses: explanation.statuses.iter().map(|status| status.as_u16()).collect(),
            meaning: explanation.meaning,
            action: explanation.action,
        }
    }
}

/// Lists the codes of problems, with what each means and what to do. A browser gets a page.
#[utoipa::path(operation_id = "list_problem_types", tag = "problems", responses(
    (status = 200, content((ProblemTypesView = "application/json"), (String = "text/html"))),
))]
#[get("/problems")]
pub async fn list_problem_types(request: HttpRequest) -> HttpResponse {
    respond(&request, index, || ProblemTypesView {
        data: ProblemCode::ALL.iter().copied().map(ProblemTypeView::new).collect(),
    })
}

/// Returns what a code of problems means, and what to do. A browser gets a page.
#[utoipa::path(
    operation_id = "get_problem_type", tag = "problems", params(("code" = String, Path, example = "job_is_draft")),
    responses(
        (status = 200, content((ProblemTypeView = "application/json"), (String = "text/html"))),
        (status = 404, description = "No problem has this code.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[get("/problems/{code}")]
pub async fn get_problem_type(request: HttpRequest, code: web::Path<String>) -> ApiResult<HttpResponse> {
    sought("No problem has this code. GET /problems lists all codes.");
    let code = ProblemCode::ALL.iter().copied().find(|known| known.as_str() == *code);
    let code = code.ok_or_else(Problem::not_found)?;
    Ok(respond(&request, || page(code), || ProblemTypeView::new(code)))
}

fn respond<T: Serialize>(
    request: &HttpRequest,
    html: impl FnOnce() -> String,
    json: impl FnOnce() -> T,
) -> HttpResponse {
    // Browsers name HTML, programs rarely do; what is less preferred does not matter.
    let accepts = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let wants_html =
        accepts.flat_map(|value| value.split(',')).any(|range| range.trim().starts_with("text/html"));
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, CACHEABLE)).insert_header((VARY, ACCEPT.as_str()));
    if wants_html {
        response.content_type("text/html; charset=utf-8").body(html())
    } else {
        response.json(json())
    }
}

fn index() -> String {
    let item = |code: &ProblemCode| {
        let name = code.as_str();
        format!("<li><a href=\"/problems/{name}\">{name}</a>: {}</li>\n", html(code.explanation().title))
    };
    let items: String = ProblemCode::ALL.iter().map(item).collect();
    document("Problems", &format!("<h1>Problems</h1>\n<ul>\n{items}</ul>\n"))
}

fn page(code: ProblemCode) -> String {
    let explanation = code.explanation();
    let statuses: Vec<&str> = explanation.statuses.iter().map(|status| status.as_str()).collect();
    let [title, meaning, action] = [explanation.title, explanation.meaning, explanation.action].map(html);
    let (name, statuses) = (code.as_str(), statuses.join(", "));
    let body = format!(
        "<h1>{title}</h1>\n<p><code>{name}</code>, HTTP status {statuses}</p>\n<p>{meaning}</p>\n<p>{action}</p>\n\
         <p><a href=\"/problems\">All problems</a></p>\n"
    );
    document(&title, &body)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} – TrigRun</title>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Text with Markdown's backticks as HTML.
fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts
        .map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect()
}
