//! Requests that are wrong before anybody looks at what they want, and what every answer has.

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
async fn a_token_is_needed_and_each_way_to_get_it_wrong_is_said() {
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
        let answer = send(headers, path).await;
        assert_eq!(answer.problem(401), "unauthorized", "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.text.contains(&app.token), "a token is never repeated");
    }
    send(&[("authorization", &bearer)], "/v1/jobs").await.expect(200);
    let lower = bearer.replacen("Bearer", "bearer", 1);
    send(&[("authorization", &lower)], "/v1/jobs").await.expect(200);
}

#[tokio::test]
async fn a_token_that_expired_or_was_removed_is_dead_at_once() {
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
        let answer = app.send(method, path, &[], "").await;
        assert_eq!(answer.problem(405), "method_not_allowed", "{path}");
        let mut methods: Vec<_> = answer.header("allow").unwrap().split(", ").collect();
        methods.sort_unstable();
        assert_eq!(methods.join(", "), allowed);
    }
}

#[tokio::test]
async fn what_is_no_id_is_not_there() {
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
        let answer = app.get(&format!("/v1/jobs/{id}")).await;
        assert_eq!(answer.problem(404), "not_found", "{id}");
        assert_eq!(answer.json()["detail"], absent);
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_object() {
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
        let wrong = app.post_text("/v1/jobs", text).await.wrong();
        assert_eq!(wrong, [(String::new(), "wrong_type".to_owned())], "{text}");
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
    for wrong in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/merge-patch+json",
    ] {
        assert_eq!(send(Method::POST, "/v1/jobs", wrong).await.problem(415), "media_type", "{wrong}");
    }
    for right in ["application/json", "APPLICATION/JSON; charset=utf-8"] {
        send(Method::POST, "/v1/jobs", right).await.expect(201);
    }
    let id = app.job(&json!({})).await;
    send(Method::PATCH, &format!("/v1/jobs/{id}"), "application/merge-patch+json").await.expect(200);
}

#[tokio::test]
async fn a_body_has_at_most_a_mebibyte() {
    let app = App::new().await;
    let sized = |bytes: usize| {
        let frame = job(&json!({ "name": "" })).to_string();
        frame.replacen("\"\"", &format!("\"{}\"", "a".repeat(bytes - frame.len())), 1)
    };
    let limit = 1024 * 1024;
    assert_eq!(app.post_text("/v1/jobs", &sized(limit)).await.wrong()[0].0, "/name", "it was read");
    assert_eq!(app.post_text("/v1/jobs", &sized(limit + 1)).await.problem(413), "body_too_large");
    assert_eq!(app.post_text("/v1/jobs", &sized(5 * limit)).await.problem(413), "body_too_large");
}

#[tokio::test]
async fn every_answer_has_its_id_and_is_data_only() {
    let app = App::new().await;
    for (path, status) in [("/livez", 200), ("/v1/jobs", 200), ("/nowhere", 404), ("/v1/jobs/x", 404)] {
        let answer = app.send(Method::GET, path, &[("x-request-id", "mine-1.2_3")], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (status, Some("mine-1.2_3")));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!((answer.header("server"), answer.header("access-control-allow-origin")), (None, None));
    }
    for unusable in ["", "with space", "a\"b", &"x".repeat(129)] {
        let answer = app.send(Method::GET, "/livez", &[("x-request-id", unusable)], "").await;
        let id = answer.header("x-request-id").unwrap();
        assert!(id.starts_with("req_") && id.len() == 36, "{id}");
    }
}

#[tokio::test]
async fn a_client_that_dawdles_is_hung_up_on() {
    let app = App::new().await;
    // The head never ends: the server does not wait for it longer than five seconds.
    let answer = tokio::time::timeout(
        std::time::Duration::from_secs(8),
        app.api.raw("GET /livez HTTP/1.1\r\nhost: x\r\n"),
    );
    let answer = answer.await.expect("the connection is closed in time");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn what_it_is_and_whether_it_is_well() {
    let app = App::new().await;
    assert_eq!(app.get("/livez").await.expect(200), json!({ "status": "ok" }));
    assert_eq!(app.get("/readyz").await.expect(200), json!({ "status": "ok" }));
    let version = app.get("/version").await.expect(200);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["time_zones"]["version"].as_str().unwrap() >= "2026a", "{version}");
    assert_eq!(app.get("/metrics").await.problem(404), "not_found");
}

#[tokio::test]
async fn pages_may_call_it_when_their_origin_is_in_the_settings() {
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
    assert_eq!(refused.header("access-control-allow-origin"), Some(console), "the page may read why");
    let exposed = refused.header("access-control-expose-headers").unwrap();
    for name in ["retry-after", "ratelimit", "x-request-id", "location"] {
        assert!(exposed.contains(name), "{exposed}");
    }

    for stranger in ["https://evil.example", "null", "https://console.example.com.evil.example"] {
        assert_eq!(send(Method::OPTIONS, stranger, &asked).await.problem(405), "method_not_allowed");
        let answer = send(Method::GET, stranger, &[]).await;
        assert_eq!(answer.problem(401), "unauthorized");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{stranger}");
    }
}
