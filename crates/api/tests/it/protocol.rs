//! The HTTP protocol: media types, large bodies, request ids, probes and CORS. More of it is in `security/`.

use http_body_util::Full;
use hyper::{Method, body::Bytes, header::AUTHORIZATION};
use serde_json::json;
use trigrun_api::Origin;
use trigrun_testkit::TestDb;

use crate::app::{Api, App, job};

#[tokio::test]
async fn media_types() {
    let app = App::new().await;
    let body = job(&json!({})).to_string();
    let send = async |method: Method, path: &str, media_type: &str| {
        let mut request =
            app.api.request(method, path).header(AUTHORIZATION, format!("Bearer {}", app.token));
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        app.api.send(request.body(Full::new(Bytes::from(body.clone()))).unwrap()).await
    };
    let patch = send(Method::POST, "/v1/jobs", "application/merge-patch+json").await;
    assert_eq!(patch.problem(415), "media_type");
    for right in ["application/json", "APPLICATION/JSON; charset=utf-8"] {
        send(Method::POST, "/v1/jobs", right).await.expect(201);
    }
    let id = app.job(&json!({})).await;
    send(Method::PATCH, &format!("/v1/jobs/{id}"), "application/merge-patch+json").await.expect(200);
}

#[tokio::test]
async fn a_body_has_at_most_one_mebibyte() {
    let app = App::new().await;
    let sized = |bytes: usize| {
        let frame = job(&json!({ "name": "" })).to_string();
        frame.replacen("\"\"", &format!("\"{}\"", "a".repeat(bytes - frame.len())), 1)
    };
    let limit = 1024 * 1024;
    assert_eq!(app.post_text("/v1/jobs", &sized(limit)).await.errors()[0].0, "/name", "the body was read");
    assert_eq!(app.post_text("/v1/jobs", &sized(limit + 1)).await.problem(413), "body_too_large");
    assert_eq!(app.post_text("/v1/jobs", &sized(5 * limit)).await.problem(413), "body_too_large");
}

#[tokio::test]
async fn every_response_has_a_request_id() {
    let app = App::new().await;
    for (path, status) in [("/livez", 200), ("/v1/jobs", 200), ("/nowhere", 404), ("/v1/jobs/x", 404)] {
        let response = app.send(Method::GET, path, &[("x-request-id", "mine-1.2_3")], "").await;
        assert_eq!((response.status.as_u16(), response.header("x-request-id")), (status, Some("mine-1.2_3")));
    }
    for unusable in ["", "with space", "a\"b", &"x".repeat(129)] {
        let response = app.send(Method::GET, "/livez", &[("x-request-id", unusable)], "").await;
        let id = response.header("x-request-id").unwrap();
        assert!(id.starts_with("req_") && id.len() == 36, "{id}");
    }
}

#[tokio::test]
async fn probes_and_version() {
    let app = App::new().await;
    assert_eq!(app.get("/livez").await.expect(200), json!({ "status": "ok" }));
    assert_eq!(app.get("/readyz").await.expect(200), json!({ "status": "ok" }));
    let version = app.get("/version").await.expect(200);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["time_zones"]["version"].as_str().unwrap() >= "2026a", "{version}");
    assert_eq!(app.get("/").await.header("location"), Some("/docs"));
    let for_browsers = app.send(Method::GET, "/", &[("accept", "text/html")], "").await;
    assert_eq!(for_browsers.header("location"), None, "the console");
    assert_eq!(for_browsers.header("content-type"), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn pages_of_configured_origins_can_call_the_api() {
    let db = TestDb::new().await;
    let console = "https://console.example.com";
    let origins = vec![Origin::try_from(console.to_owned()).unwrap()];
    let api = Api::start_with(db.settings(), |settings| settings.server.origins = origins).await;
    let send = async |method: Method, origin: &str, headers: &[(&str, &str)]| {
        let mut request = api.request(method, "/v1/jobs").header("origin", origin);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        api.send(request.body(Full::new(Bytes::new())).unwrap()).await
    };
    let asked = [
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,content-type,idempotency-key"),
    ];
    let preflight = send(Method::OPTIONS, console, &asked).await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), Some(console));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("idempotency-key"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None, "without credentials");

    let refused = send(Method::GET, console, &[]).await;
    assert_eq!(refused.problem(401), "unauthorized");
    assert_eq!(refused.header("access-control-allow-origin"), Some(console), "the page can read the error");
    let exposed = refused.header("access-control-expose-headers").unwrap();
    for name in ["retry-after", "ratelimit", "x-request-id", "location"] {
        assert!(exposed.contains(name), "{exposed}");
    }

    for unknown in ["https://evil.example", "null", "https://console.example.com.evil.example"] {
        assert_eq!(send(Method::OPTIONS, unknown, &asked).await.problem(405), "method_not_allowed");
        let response = send(Method::GET, unknown, &[]).await;
        assert_eq!(response.problem(401), "unauthorized");
        assert_eq!(response.header("access-control-allow-origin"), None, "{unknown}");
    }
}
