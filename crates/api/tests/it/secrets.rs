//! Secrets: responses never contain values. The signing secret: admins can read it.

use hyper::Method;
use serde_json::{Value, json};

use crate::app::App;

const CANARY: &str = "canary-4f1d9";

fn with_header(value: &str) -> Value {
    json!({ "request": { "url": "https://example.com/", "headers": { "Authorization": value } } })
}

#[tokio::test]
async fn responses_and_tables_never_contain_a_value() {
    let app = App::new().await;
    let response = app.post("/v1/secrets", &json!({ "name": "stripe-key", "value": CANARY })).await;
    let created = response.expect(201);
    assert_eq!(response.header("location"), Some("/v1/secrets/stripe-key"));
    assert_eq!((&created["name"], &created["version"]), (&json!("stripe-key"), &json!(1)));
    let again = app.post("/v1/secrets", &json!({ "name": "stripe-key", "value": CANARY })).await;
    assert_eq!(again.problem(409), "secret_exists");
    let put =
        app.send(Method::PUT, "/v1/secrets/stripe-key", &[], &json!({ "value": CANARY }).to_string()).await;
    assert_eq!(put.expect(200)["version"], 2);
    let other =
        app.send(Method::PUT, "/v1/secrets/other", &[], &json!({ "value": CANARY }).to_string()).await;
    other.expect(201);
    let job = app.job(&with_header("Bearer secret://stripe-key")).await;
    let mut responses = vec![response, again, put, other];
    for path in ["/v1/secrets", "/v1/secrets/stripe-key", "/v1/jobs", &format!("/v1/jobs/{job}")] {
        responses.push(app.get(path).await);
    }
    assert!(responses.iter().all(|response| !response.text.contains(CANARY)));
    let dump = "select string_agg(t::text, '') from (select s::text as t from secrets s union all select k::text from workspace_keys k
                union all select v::text from job_versions v) all_rows";
    let dump = app.db.lines(dump).await.join("");
    assert!(dump.contains("stripe-key") && !dump.contains(CANARY) && !dump.contains(&hex(CANARY)), "{dump}");
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn put_creates_a_secret_or_changes_its_value() {
    let app = App::new().await;
    let put = async |name: &str, body: &Value| {
        app.send(Method::PUT, &format!("/v1/secrets/{name}"), &[], &body.to_string()).await
    };
    let created = put("key", &json!({ "value": "short" })).await;
    assert_eq!(created.header("location"), Some("/v1/secrets/key"));
    let created = created.expect(201);
    assert_eq!((&created["name"], &created["version"]), (&json!("key"), &json!(1)));
    assert!(created["warnings"][0].as_str().unwrap().contains("fewer than 8 characters"), "{created}");
    let changed = put("key", &json!({ "value": "long enough" })).await;
    assert_eq!(changed.header("location"), None);
    let changed = changed.expect(200);
    assert_eq!((&changed["id"], &changed["version"]), (&created["id"], &json!(2)));
    for (name, body, errors) in [
        ("Key", json!({ "value": "x" }), vec![("{name}", "secret_name_invalid")]),
        ("-", json!({}), vec![("/value", "required"), ("{name}", "secret_name_invalid")]),
        ("new", json!({ "value": "" }), vec![("/value", "length")]),
        ("new", json!({ "name": "new", "value": "x" }), vec![("/name", "unknown_field")]),
    ] {
        let found = put(name, &body).await.errors();
        let found: Vec<_> = found.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
        assert_eq!(found, errors, "{name}: {body}");
    }
    let actions = "select action from audit_entries where action like 'secret.%' order by created_at, id";
    let actions = app.db.lines(actions).await;
    assert_eq!(actions, ["secret.created", "secret.changed"]);
}

#[tokio::test]
async fn of_concurrent_puts_one_creates_the_secret() {
    let app = App::new().await;
    let puts = (0..8).map(|n| {
        let body = json!({ "value": format!("value {n}") }).to_string();
        let app = &app;
        async move { app.send(Method::PUT, "/v1/secrets/key", &[], &body).await }
    });
    let responses = futures_util::future::join_all(puts).await;
    let created = responses.iter().filter(|response| response.status == 201).count();
    let mut versions: Vec<i64> =
        responses.iter().map(|put| put.json()["version"].as_i64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!((created, versions), (1, (1..=8).collect()));
}

#[tokio::test]
async fn jobs_using_a_secret_and_missing_secrets_are_reported() {
    let app = App::new().await;
    let response =
        app.post("/v1/jobs", &crate::app::job(&with_header("Bearer secret://later"))).await.expect(201);
    assert!(response["warnings"][0].as_str().unwrap().contains("later"), "{response}");
    let job = response["id"].as_str().unwrap();
    let created = app.post("/v1/secrets", &json!({ "name": "later", "value": "x" })).await.expect(201);
    assert!(created["warnings"][0].as_str().unwrap().contains("fewer than 8 characters"), "{created}");
    let body = json!({ "value": "long enough" }).to_string();
    let changed = app.send(Method::PUT, "/v1/secrets/later", &[], &body).await.expect(200);
    assert_eq!(changed.get("warnings"), None);
    let patched = app.patch(&format!("/v1/jobs/{job}"), &json!({ "name": "renamed" })).await.expect(200);
    assert_eq!(patched.get("warnings"), None);
    let secret = app.get("/v1/secrets/later").await.expect(200);
    assert_eq!(secret["used_by"], json!([{ "job_id": job, "name": "renamed" }]));
    let refused = app.delete("/v1/secrets/later").await;
    assert_eq!(refused.problem(409), "secret_in_use");
    assert!(refused.json()["detail"].as_str().unwrap().contains(job));
    assert_eq!(app.delete("/v1/secrets/later?force=maybe").await.errors()[0].0, "?force");
    app.delete("/v1/secrets/later?force=true").await.expect(204);
    assert_eq!(app.get("/v1/secrets/later").await.problem(404), "not_found");
    assert_eq!(app.delete("/v1/secrets/later").await.problem(404), "not_found");
    // A job that no longer references it does not use it.
    app.post("/v1/secrets", &json!({ "name": "later", "value": "x" })).await.expect(201);
    app.patch(&format!("/v1/jobs/{job}"), &json!({ "request": { "headers": null } })).await.expect(200);
    app.delete("/v1/secrets/later").await.expect(204);
}

#[tokio::test]
async fn invalid_secrets() {
    let app = App::new().await;
    let cases = [
        (json!({}), vec![("/name", "required"), ("/value", "required")]),
        (json!({ "name": "A", "value": "" }), vec![("/name", "secret_name_invalid"), ("/value", "length")]),
        (json!({ "name": "a", "value": "x".repeat(8193) }), vec![("/value", "length")]),
        (json!({ "name": "a", "value": 5 }), vec![("/value", "wrong_type")]),
    ];
    for (body, expected) in cases {
        let errors = app.post("/v1/secrets", &body).await.errors();
        let errors: Vec<_> = errors.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
        assert_eq!(errors, expected, "{body}");
    }
    for reference in ["secret://", "Bearer secret://UPPER", "secret://-a"] {
        let errors = app.post("/v1/jobs", &crate::app::job(&with_header(reference))).await.errors();
        assert_eq!(
            errors,
            [("/request/headers/Authorization".to_owned(), "secret_reference_invalid".to_owned())]
        );
    }
}

#[tokio::test]
async fn lists_have_pages_and_names_belong_to_a_workspace() {
    let app = App::new().await;
    for name in ["a", "b", "c"] {
        app.post("/v1/secrets", &json!({ "name": name, "value": name })).await.expect(201);
    }
    let first = app.get("/v1/secrets?limit=2").await.expect(200);
    assert_eq!((&first["data"][0]["name"], &first["has_more"]), (&json!("c"), &json!(true)));
    let rest = app
        .get(&format!("/v1/secrets?limit=2&cursor={}", first["next_cursor"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!((&rest["data"][0]["name"], rest["data"].as_array().unwrap().len()), (&json!("a"), 1));
    let theirs =
        app.token_of(app.db.workspace("theirs").await, trigrun_core::domain::access::Scope::ALL).await;
    let body = json!({ "name": "a", "value": "theirs" }).to_string();
    app.send_as(&theirs, Method::POST, "/v1/secrets", &[], &body).await.expect(201);
}

#[tokio::test]
async fn the_signing_secret_is_created_once_and_rotated() {
    let app = App::new().await;
    let path = "/v1/workspace/signing-secret";
    let (one, other) = tokio::join!(app.get(path), app.get(path));
    let first = one.expect(200);
    assert_eq!(first, other.expect(200), "created once, even by concurrent requests");
    assert!(first["secret"].as_str().unwrap().starts_with("whsec_") && first["previous"].is_null());
    let rotated = app.send(Method::POST, &format!("{path}/rotate"), &[], "").await.expect(200);
    assert_ne!(rotated["secret"], first["secret"]);
    assert_eq!(rotated["previous"]["secret"], first["secret"]);
    assert_eq!(app.get(path).await.expect(200), rotated);
    let again = app.send(Method::POST, &format!("{path}/rotate"), &[], "").await;
    assert_eq!(again.problem(409), "rotation_pending", "the previous secret stays valid for a day");
    let forced = app.send(Method::POST, &format!("{path}/rotate?force=true"), &[], "").await.expect(200);
    assert_eq!(forced["previous"]["secret"], rotated["secret"]);
    app.db.execute("update signing_secrets set previous_until = now() - interval '1 second'").await;
    assert!(app.get(path).await.expect(200)["previous"].is_null(), "a day later");
}

#[tokio::test]
async fn variables_in_urls_are_stored_unchanged() {
    let app = App::new().await;
    let url = "https://example.com/{{job_id}}?at={{timestamp}}";
    let job = app.job(&json!({ "request": { "url": url } })).await;
    assert_eq!(app.get(&format!("/v1/jobs/{job}")).await.expect(200)["request"]["url"], url);
    let invalid = json!({ "request": { "url": "https://{{uuid}}.example.com/" } });
    assert_eq!(app.post("/v1/jobs", &crate::app::job(&invalid)).await.errors()[0].0, "/request/url");
}
