//! Lists and responses are bounded in bytes, not only in items.

use hyper::Method;
use serde_json::json;

use crate::app::{App, job};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn jobs_in_lists_have_no_body() {
    let app = App::new().await;
    let request =
        json!({ "url": "https://example.com/", "method": "POST", "body": { "a": "x".repeat(250_000) } });
    for _ in 0..8 {
        app.job(&json!({ "request": request })).await;
    }
    let list = app.get("/v1/jobs").await;
    assert!(list.text.len() < 16 * 1024, "{} bytes", list.text.len());
    let listed = list.expect(200)["data"][0].clone();
    assert!(listed["request"].get("body").is_none(), "absent, not null: {listed}");
    // A client that sends it back changes nothing.
    let (path, fields) = (format!("/v1/jobs/{}", listed["id"].as_str().unwrap()), &listed["request"]);
    app.patch(&path, &json!({ "request": fields })).await.expect(200);
    let whole = app.get(&path).await.expect(200);
    assert_eq!(whole["request"]["body"], request["body"]);
    assert_eq!(app.job(&json!({})).await.len(), listed["id"].as_str().unwrap().len());
    let newest = app.get("/v1/jobs?limit=1").await.expect(200)["data"][0]["id"].clone();
    let without = app.get(&format!("/v1/jobs/{}", newest.as_str().unwrap())).await.expect(200);
    assert_eq!(without["request"]["body"], json!(null), "a job without a body says so");
}

#[tokio::test]
async fn a_page_ends_at_a_mebibyte() {
    let app = App::new().await;
    let headers = json!({ "X-Large": "x".repeat(16_000) });
    let body = job(&json!({ "request": { "url": "https://example.com/", "headers": headers } }));
    const JOBS: usize = 90;
    for _ in 0..JOBS {
        app.post("/v1/jobs", &body).await.expect(201);
    }
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = app.get(&format!("/v1/jobs?limit=250{cursor}")).await;
        assert!(page.text.len() < MIB + 16 * 1024, "{} bytes", page.text.len());
        let page = page.expect(200);
        ids.extend(page["data"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((ids.len(), pages), (JOBS, 2));
    ids.dedup();
    assert_eq!(ids.len(), JOBS, "each once, in order");
}

#[tokio::test]
async fn a_body_is_limited_before_it_is_read() {
    let app = App::new().await;
    let sign_in = ["login", "signup", "verifications", "password"];
    let sign_in = sign_in.map(|name| (format!("/v1/auth/{name}"), 16 * 1024));
    for (path, max) in [("/v1/jobs".to_owned(), MIB)].into_iter().chain(sign_in) {
        let path = path.as_str();
        let body = format!("{{\"name\":\"{}\"}}", "x".repeat(max));
        let refused = app.send(Method::POST, path, &[], &body).await;
        assert_eq!(refused.problem(413), "body_too_large", "{path}");
        assert!(refused.text.contains(&max.to_string()), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_long_address_is_refused_before_it_is_looked_up() {
    let app = App::new().await;
    let long = format!("{}@example.com", "a".repeat(243));
    for path in ["/v1/auth/login", "/v1/auth/signup", "/v1/auth/verifications", "/v1/members"] {
        let body = json!({ "email": long, "password": "correct horse battery" });
        let body = match path {
            "/v1/members" => json!({ "email": long }),
            "/v1/auth/verifications" => json!({ "email": long, "purpose": "password_reset" }),
            _ => body,
        };
        let errors = app.post(path, &body).await.errors();
        assert_eq!(errors, [("/email".to_owned(), "email_invalid".to_owned())], "{path}");
    }
}
