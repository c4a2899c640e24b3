//! `GET /docs`: the server itself serves the page and everything that it loads.

use crate::app::App;

/// The values of `src` and `href` in the page.
fn links(page: &str) -> Vec<&str> {
    let values = |name: &'static str| page.split(name).skip(1).filter_map(|rest| rest.split('"').next());
    values("src=\"").chain(values("href=\"")).collect()
}

#[tokio::test]
async fn the_page_refers_to_no_other_host() {
    let app = App::new().await;
    let response = app.send_as("nonsense", hyper::Method::GET, "/docs", &[], "").await;
    assert_eq!(
        (response.status.as_u16(), response.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(!response.text.contains("//"), "{}", response.text);
    assert!(!app.get("/docs/start.js").await.text.contains("://"));
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("script-src 'self'; "), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("eval"), "{policy}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn everything_that_the_page_loads_is_served() {
    let app = App::new().await;
    let page = app.get("/docs").await.text;
    let links: Vec<&str> = links(&page).into_iter().filter(|link| !link.starts_with("data:")).collect();
    assert_eq!(links.len(), 4, "{links:?}");
    for link in links {
        let response = app.send_as("nonsense", hyper::Method::GET, link, &[], "").await;
        assert_eq!(response.status.as_u16(), 200, "{link}");
        let (kind, is_immutable) = match link.rsplit('.').next() {
            Some("js") => ("text/javascript; charset=utf-8", link.contains("swagger")),
            Some("css") => ("text/css; charset=utf-8", true),
            _ => ("application/json", false),
        };
        assert_eq!(response.header("content-type"), Some(kind), "{link}");
        let cache = response.header("cache-control").unwrap();
        assert_eq!(cache.contains("immutable"), is_immutable, "{link}: {cache}");
        assert!(response.header("content-security-policy").unwrap().contains("default-src 'none'"), "{link}");
    }
}
