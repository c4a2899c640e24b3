//! The HTTP protocol: tokens, paths, methods, bodies, headers, CORS, and slow clients.

use http_body_util::Full;
use hyper::{Method, body::Bytes, header::AUTHORIZATION};
use serde_json::json;
use trigrun_core::{
    crypto,
    domain::access::{Scope, TokenKind},
};

use trigrun_api::Origin;
use trigrun_testkit::TestDb;

use crate::app::{Api, App, job};

#[tokio::test]
async fn every_invalid_token_gets_a_401() {
    let app = App::new().await;
    let send = async |headers: &[(&str, &str)], path: &str| {
        let mut request = app.api.request(Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app.api.send(request.body(Full::new(Bytes::new())).unwrap()).await
    };
    let bearer = format!("Bearer {}", app.token);
    let unknown = format!("Bearer {}", crypto::new_token(TokenKind::Api).unwrap().reveal());
    let typo = format!("{}x", &bearer[..bearer.len() - 1]);
    let typo = if typo == bearer { format!("{}y", &bearer[..bearer.len() - 1]) } else { typo };
    let in_query = format!("/v1/jobs?token={}", app.token);
    let cases: [(&[(&str, &str)], &str); 11] = [
        (&[], "/v1/jobs"),
        (&[("authorization", "")], "/v1/jobs"),
        (&[("authorization", "Bearer")], "/v1/jobs"),
        (&[("authorization", "Bearer ")], "/v1/jobs"),
        (&[("authorization", "Basic dXNlcjpwYXNz")], "/v1/jobs"),
        (&[("authorization", &app.token)], "/v1/jobs"),
        (&[("authorization", &typo)], "/v1/jobs"),
        (&[("authorization", &unknown)], "/v1/jobs"),
        (&[("authorization", &bearer), ("authorization", &bearer)], "/v1/jobs"),
        (&[("x-api-key", &app.token)], "/v1/jobs"),
        (&[], &in_query),
    ];
    for (headers, path) in cases {
        let response = send(headers, path).await;
        assert_eq!(response.problem(401), "unauthorized", "{headers:?}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        assert!(!response.text.contains(&app.token), "the response does not repeat the token");
    }
    send(&[("authorization", &bearer)], "/v1/jobs").await.expect(200);
    let lower = bearer.replacen("Bearer", "bearer", 1);
    send(&[("authorization", &lower)], "/v1/jobs").await.expect(200);
}

#[tokio::test]
async fn an_expired_or_removed_token_is_invalid_immediately() {
    let app = App::new().await;
    let token = app.token_of(app.workspace, Scope::ALL).await;
    let list = async || app.send_as(&token, Method::GET, "/v1/jobs", &[], "").await;
    list().await.expect(200);
    app.db.execute("update tokens set expires_at = now() + interval '1 hour'").await;
    list().await.expect(200);
    app.db.execute("update tokens set expires_at = now() - interval '1 microsecond'").await;
    assert_eq!(list().await.problem(401), "unauthorized");
    app.db.execute("delete from tokens").await;
    assert_eq!(list().await.problem(401), "unauthorized");
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let app = App::new().await;
    for path in
        ["/v1", "/v1/", "/v1/job", "/v1/jobs/", "/v2/jobs", "/v1/jobs/x/y/z", "/%00", "/v1/jobs/%2e%2e"]
    {
        assert_eq!(app.get(path).await.problem(404), "not_found", "{path}");
    }
    assert_eq!(app.get("/").await.header("location"), Some("/docs"));
    for path in ["/livez", "/readyz"] {
        let head = app.send(Method::HEAD, path, &[], "").await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
    }
    let cases = [
        (Method::PUT, "/v1/jobs", "GET, POST"),
        (Method::DELETE, "/v1/executions", "GET"),
        (Method::POST, "/v1/jobs/job_01h455vb4pex5vsknk084sn02q", "DELETE, GET, PATCH"),
        (Method::GET, "/v1/jobs/job_01h455vb4pex5vsknk084sn02q/pause", "POST"),
        (Method::POST, "/livez", "GET"),
        (Method::POST, "/openapi.json", "GET"),
        (Method::from_bytes(b"BREW").unwrap(), "/v1/jobs", "GET, POST"),
    ];
    for (method, path, allowed) in cases {
        let response = app.send(method, path, &[], "").await;
        assert_eq!(response.problem(405), "method_not_allowed", "{path}");
        let mut methods: Vec<_> = response.header("allow").unwrap().split(", ").collect();
        methods.sort_unstable();
        assert_eq!(methods.join(", "), allowed);
    }
}

#[tokio::test]
async fn an_invalid_id_is_not_found() {
    let app = App::new().await;
    let absent = app.get("/v1/jobs/job_01h455vb4pex5vsknk084sn02q").await.json()["detail"].clone();
    for id in [
        "not-an-id",
        "%00",
        "job_",
        "exe_01h455vb4pex5vsknk084sn02q",
        "JOB_01H455VB4PEX5VSKNK084SN02Q",
        "%f0%9f",
    ] {
        let response = app.get(&format!("/v1/jobs/{id}")).await;
        assert_eq!(response.problem(404), "not_found", "{id}");
        assert_eq!(response.json()["detail"], absent);
    }
}

#[tokio::test]
async fn invalid_bodies() {
    let app = App::new().await;
    let cases = [
        "{",
        "nonsense",
        "{\"name\": }",
        "{} trailing",
        "{\"name\": \"a\",}",
        "{'name': 'a'}",
        "{\"a\": NaN}",
        "\u{feff}{}",
    ];
    for text in cases {
        assert_eq!(app.post_text("/v1/jobs", text).await.problem(400), "json_invalid", "{text}");
    }
    for text in ["[]", "\"text\"", "1", "null", "true"] {
        let errors = app.post_text("/v1/jobs", text).await.errors();
        assert_eq!(errors, [(String::new(), "wrong_type".to_owned())], "{text}");
    }
    let bytes = |body: &'static [u8]| {
        let request =
            app.api.request(Method::POST, "/v1/jobs").header(AUTHORIZATION, format!("Bearer {}", app.token));
        request.header("content-type", "application/json").body(Full::new(Bytes::from_static(body))).unwrap()
    };
    assert_eq!(app.api.send(bytes(b"{\"name\": \"\xff\"}")).await.problem(400), "json_invalid");
    assert_eq!(app.api.send(bytes(b"")).await.problem(400), "json_invalid");
}

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
    for invalid in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/merge-patch+json",
    ] {
        assert_eq!(send(Method::POST, "/v1/jobs", invalid).await.problem(415), "media_type", "{invalid}");
    }
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
async fn every_response_has_a_request_id_and_security_headers() {
    let app = App::new().await;
    for (path, status) in [("/livez", 200), ("/v1/jobs", 200), ("/nowhere", 404), ("/v1/jobs/x", 404)] {
        let response = app.send(Method::GET, path, &[("x-request-id", "mine-1.2_3")], "").await;
        assert_eq!((response.status.as_u16(), response.header("x-request-id")), (status, Some("mine-1.2_3")));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert!(response.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!((response.header("server"), response.header("access-control-allow-origin")), (None, None));
    }
    for unusable in ["", "with space", "a\"b", &"x".repeat(129)] {
        let response = app.send(Method::GET, "/livez", &[("x-request-id", unusable)], "").await;
        let id = response.header("x-request-id").unwrap();
        assert!(id.starts_with("req_") && id.len() == 36, "{id}");
    }
}

#[tokio::test]
async fn the_connection_of_a_slow_client_is_closed() {
    let app = App::new().await;
    // The head never ends. The server waits five seconds for it; without this limit, the connection would be idle for at least 75 s.
    let response = tokio::time::timeout(
        std::time::Duration::from_secs(60),
        app.api.raw("GET /livez HTTP/1.1\r\nhost: x\r\n"),
    );
    let response = response.await.expect("the connection is closed in time");
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 408"), "{response}");
}

#[tokio::test]
async fn probes_and_version() {
    let app = App::new().await;
    assert_eq!(app.get("/livez").await.expect(200), json!({ "status": "ok" }));
    assert_eq!(app.get("/readyz").await.expect(200), json!({ "status": "ok" }));
    let version = app.get("/version").await.expect(200);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["time_zones"]["version"].as_str().unwrap() >= "2026a", "{version}");
    assert_eq!(app.get("/metrics").await.problem(404), "not_found");
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
    assert_eq!(preflight.header("access-control-allow-credentials"), None, "there are no cookies");

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
