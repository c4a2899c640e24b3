//! The codes of problems: each is explained at the path of its `type`, without a token, and docs/api.md has the same table. `make problems` writes it.

use hyper::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write, fs, path::Path};
use trigrun_api::ProblemCode;

use crate::app::{App, Response};

async fn get(app: &App, path: &str, accept: &str) -> Response {
    app.send_as("nonsense", Method::GET, path, &[("accept", accept)], "").await
}

/// The path of a `type`.
fn path(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().strip_prefix("https://trigrun.dev").unwrap()
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_explanation() {
    let app = App::new().await;
    let problem = app.get("/v1/jobs/job_0").await.json();
    assert_eq!(problem["title"], "Not found");
    let explanation = get(&app, path(&problem), "*/*").await.expect(200);
    for field in ["type", "code", "title"] {
        assert_eq!(explanation[field], problem[field]);
    }
    assert_eq!(explanation["statuses"], json!([404]));
}

#[tokio::test]
async fn every_code_is_explained() {
    let app = App::new().await;
    let list = get(&app, "/problems", "application/json").await;
    assert_eq!(list.header("cache-control"), Some("public, max-age=3600"));
    let list = list.expect(200)["data"].as_array().unwrap().clone();
    let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(list.iter().map(|item| item["code"].as_str().unwrap()).collect::<Vec<_>>(), codes);
    let mut titles = BTreeSet::new();
    for item in &list {
        assert_eq!(&get(&app, path(item), "*/*").await.expect(200), item);
        let text = |field: &str| item[field].as_str().unwrap();
        assert!(titles.insert(text("title")), "{item}");
        assert!(["meaning", "action"].iter().all(|field| text(field).ends_with('.')), "{item}");
        let code = text("code");
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
    }
}

#[tokio::test]
async fn a_browser_gets_a_page() {
    let app = App::new().await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let index = get(&app, "/problems", accept).await;
    for code in ProblemCode::ALL {
        let path = format!("/problems/{}", code.as_str());
        assert!(index.text.contains(&format!("href=\"{path}\"")), "{path}");
        let page = get(&app, &path, accept).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        let vary = page.header("vary").map(str::to_lowercase).unwrap_or_default();
        assert!(vary.split(", ").any(|name| name == "accept"), "{vary}");
        assert!(page.text.contains(code.explanation().title) && !page.text.contains(['`']), "{}", page.text);
        // It loads nothing, from this host or another.
        assert!(["<script", "<style", "<img", "<link", "//"].iter().all(|part| !page.text.contains(part)));
    }
}

#[tokio::test]
async fn an_unknown_code_is_not_found() {
    let app = App::new().await;
    for (path, accept) in
        [("/problems/nothing", "*/*"), ("/problems/Not_Found", "text/html"), ("/problems/%2e", "*/*")]
    {
        let response = get(&app, path, accept).await;
        assert_eq!(response.problem(404), "not_found", "{path}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    let response = get(&app, "/problems/nothing", "*/*").await.json();
    assert_eq!(response["detail"], "No problem has this code. GET /problems lists all codes.");
}

const HEAD: &str = "| status | `code` | meaning | what to do |\n|---|---|---|---|\n";

fn table() -> String {
    let mut table = HEAD.to_owned();
    for code in ProblemCode::ALL {
        let explanation = code.explanation();
        let statuses: Vec<&str> = explanation.statuses.iter().map(|status| status.as_str()).collect();
        let see = explanation.see.map(|link| format!(" [More]({link})")).unwrap_or_default();
        let (statuses, code) = (statuses.join(", "), code.as_str());
        writeln!(table, "| {statuses} | `{code}` | {} | {}{see} |", explanation.meaning, explanation.action)
            .unwrap();
    }
    table
}

#[test]
fn the_table_of_the_documentation_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let page = fs::read_to_string(&path).unwrap();
    let start = page.find(HEAD).expect("the table");
    let end = page[start..].find("\n\n").map_or(page.len(), |end| start + end + 1);
    #[allow(clippy::disallowed_methods, reason = "set by `make problems`")]
    if std::env::var("TRIGRUN_WRITE").is_ok() {
        return fs::write(&path, [&page[..start], &table(), &page[end..]].concat()).unwrap();
    }
    assert!(page[start..end] == table(), "the table of docs/api.md is not current: run `make problems`");
}
