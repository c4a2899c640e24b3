//! The responses of the console, in front of an application with an API and a 404 of its own.

use std::io::Read;

use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    http::{Method, StatusCode, header::HeaderMap},
    test, web,
};
use trigrun_console::{BasePath, Console};

const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Response {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header is ASCII"))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }
}

async fn send(base: &str, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Response {
    let console = Console::new(base.parse::<BasePath>().expect("a base path"));
    let app = App::new()
        .service(web::scope("/v1").route("/jobs", web::get().to(|| async { "jobs" })))
        .route("/docs", web::get().to(|| async { "docs" }))
        .configure(|config| console.configure(config))
        .default_service(web::to(|| async { HttpResponse::NotFound().body("no route") }));
    let app = test::init_service(app).await;
    let request =
        headers.iter().fold(test::TestRequest::with_uri(path).method(method), |request, (name, value)| {
            request.insert_header((*name, *value))
        });
    read(app.call(request.to_request()).await.expect("the application responds")).await
}

async fn read<B: MessageBody>(response: ServiceResponse<B>) -> Response {
    let (status, headers) = (response.status(), response.headers().clone());
    Response { status, headers, body: test::read_body(response).await.to_vec() }
}

async fn get(base: &str, path: &str, headers: &[(&'static str, &str)]) -> Response {
    send(base, Method::GET, path, headers).await
}

fn is_built(page: &Response) -> bool {
    page.text().contains("id=\"root\"")
}

/// The address of the page's script, relative to the base path.
fn script(page: &Response) -> Option<String> {
    let at = page.text().find("assets/")?;
    let rest = &page.text()[at..];
    Some(rest[..rest.find('"')?].to_owned())
}

#[actix_web::test]
async fn navigations_get_the_page() {
    for path in ["/", "/login", "/w/ws_1/jobs/job_1/runs", "/w/ws_1/hosts/example.com"] {
        let page = get("/", path, &[HTML]).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("cache-control"), "no-cache");
        assert!(page.text().contains("<title>TrigRun</title>"));
    }
}

#[actix_web::test]
async fn what_is_not_a_navigation_is_the_servers() {
    for (path, headers) in [
        ("/v1/nothing", vec![HTML]),
        ("/v1", vec![HTML]),
        ("/nothing", vec![]),
        ("/nothing", vec![("Accept", "*/*")]),
        ("/nothing", vec![("Accept", "application/json")]),
        ("/assets/nothing.js", vec![("Accept", "*/*")]),
    ] {
        assert_eq!(get("/", path, &headers).await.text(), "no route", "{path} {headers:?}");
    }
    assert_eq!(send("/", Method::POST, "/login", &[HTML]).await.text(), "no route");
    assert_eq!(get("/", "/v1/jobs", &[HTML]).await.text(), "jobs");
    assert_eq!(get("/", "/docs", &[HTML]).await.text(), "docs");
}

#[actix_web::test]
async fn every_response_has_the_policy() {
    let page = get("/", "/", &[HTML]).await;
    let mut responses = vec![get("/", "/", &[HTML, ("If-None-Match", page.header("etag"))]).await];
    if let Some(path) = script(&page) {
        responses.push(get("/", &format!("/{path}"), &[]).await);
    }
    responses.push(page);
    for response in responses {
        let policy = response.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self';",
            "frame-ancestors 'none'",
            "trusted-types-for 'script'",
        ] {
            assert!(policy.contains(directive), "{directive}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(response.header("referrer-policy"), "no-referrer");
        assert_eq!(response.header("cross-origin-opener-policy"), "same-origin");
    }
}

#[actix_web::test]
async fn the_page_is_revalidated() {
    let page = get("/", "/", &[HTML]).await;
    let etag = page.header("etag").to_owned();
    for sent in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let response = get("/", "/login", &[HTML, ("If-None-Match", &sent)]).await;
        assert_eq!(response.status, StatusCode::NOT_MODIFIED, "{sent}");
        assert!(response.body.is_empty());
        assert_eq!(response.header("etag"), etag);
    }
    assert_eq!(get("/", "/", &[HTML, ("If-None-Match", "\"other\"")]).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn the_page_knows_its_base_path() {
    let page = get("/console", "/console/w/ws_1", &[HTML]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(get("/console", "/console", &[HTML]).await.text(), page.text());
    assert_eq!(get("/console", "/", &[HTML]).await.text(), "no route");
    assert_eq!(get("/console", "/consoles", &[HTML]).await.text(), "no route");
    if is_built(&page) {
        assert!(page.text().contains("<base href=\"/console/\""));
        assert_ne!(page.header("etag"), get("/", "/", &[HTML]).await.header("etag"));
    }
}

#[actix_web::test]
async fn assets_never_change_and_are_compressed() {
    let page = get("/console", "/console/", &[HTML]).await;
    if !is_built(&page) {
        assert!(page.text().contains("make console"), "the page says how to build the console");
        return;
    }
    let path = format!("/console/{}", script(&page).expect("the page has a script"));
    let plain = get("/console", &path, &[]).await;
    assert_eq!(plain.status, StatusCode::OK);
    assert_eq!(plain.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(plain.header("vary"), "accept-encoding");
    assert_eq!(plain.header("content-encoding"), "");
    let small = get("/console", &path, &[("Accept-Encoding", "gzip, deflate, br;q=0.5")]).await;
    assert_eq!(small.header("content-encoding"), "br");
    assert!(small.body.len() * 2 < plain.body.len());
    assert_ne!(small.header("etag"), plain.header("etag"));
    let mut content = Vec::new();
    brotli_decompressor::Decompressor::new(&small.body[..], 4096)
        .read_to_end(&mut content)
        .expect("it is brotli");
    assert!(content == plain.body);
    for refused in ["gzip", "identity", "br;q=0"] {
        assert_eq!(
            get("/console", &path, &[("Accept-Encoding", refused)]).await.header("content-encoding"),
            ""
        );
    }
}
