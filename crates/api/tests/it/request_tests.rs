//! Tests of requests, up to the executor: `executor/tests/it/request_tests.rs` has how they are sent.

use futures_util::future::join;
use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::{
    domain::{
        access::Scope,
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome},
    },
    store::request_tests::{claim, queued, record},
};

use crate::app::App;

fn request(url: &str) -> Value {
    json!({ "request": { "url": url, "method": "POST", "headers": { "X-Key": "secret://key" }, "body": "{{job_id}}" } })
}

#[tokio::test]
async fn a_test_shows_its_request_and_waits_for_an_executor() {
    let app = App::new().await;
    app.job(&json!({ "key": "nightly" })).await;
    let job = app.get("/v1/jobs/nightly").await.expect(200)["id"].clone();
    let body = json!({ "job_id": "nightly", "request": request("https://example.com/")["request"] });
    let created = app.post("/v1/tests", &body).await;
    let test = created.expect(202);
    let path = format!("/v1/tests/{}", test["id"].as_str().unwrap());
    assert_eq!(created.header("location"), Some(&*path));
    assert_eq!(
        (&test["status"], &test["attempt"], &test["error"]),
        (&json!("queued"), &Value::Null, &Value::Null)
    );
    let sent = &test["request"];
    assert_eq!((&sent["method"], &sent["body"]), (&json!("POST"), &job));
    let header = |name: &str| {
        let headers = sent["headers"].as_array().unwrap();
        headers.iter().find(|header| header["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!((header("X-Key"), header("TrigRun-Job-Id")), (json!("secret://key"), job));
    assert_eq!(app.get(&path).await.expect(200), test);
    // Without a job, the request names the test.
    let alone = app.post("/v1/tests", &request("https://example.com/")).await.expect(202);
    let id = alone["id"].as_str().unwrap().replace("tst_", "job_");
    assert_eq!(alone["request"]["body"], id);
    // It is no job, and no execution.
    assert_eq!(app.get("/v1/jobs").await.expect(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(app.get("/v1/executions").await.expect(200)["data"], json!([]));
    assert_eq!(app.get(&format!("/v1/jobs/{id}")).await.problem(404), "not_found");
}

/// Claims the only queued test, and records that it succeeded.
pub async fn succeed(app: &App) {
    let mut conn = app.db.conn().await;
    let test = queued(&mut conn, 9).await.unwrap()[0];
    let claimed = claim(&mut conn, &[test.id()]).await.unwrap().pop().unwrap();
    assert!(claim(&mut conn, &[test.id()]).await.unwrap().is_empty());
    assert!(queued(&mut conn, 9).await.unwrap().is_empty());
    assert_eq!(app.get(&format!("/v1/tests/{}", test.id())).await.expect(200)["status"], "running");
    let (outcome, now) = (Outcome::of(AttemptStatus::Success), app.db.now().await);
    let attempt =
        EndedAttempt { outcome, disposition: Disposition::Succeeded, started_at: now, ended_at: now };
    assert!(record(&mut conn, claimed.id, claimed.claimed_at, &attempt).await.unwrap());
    assert!(!record(&mut conn, claimed.id, claimed.claimed_at, &attempt).await.unwrap(), "twice");
}

#[tokio::test]
async fn a_client_waits_until_the_test_has_ended() {
    let app = App::new().await;
    let created = app.post("/v1/tests", &request("https://example.com/")).await.expect(202);
    let path = format!("/v1/tests/{}?wait=25", created["id"].as_str().unwrap());
    let (ended, ()) = join(app.get(&path), succeed(&app)).await;
    let ended = ended.expect(200);
    assert_eq!((&ended["status"], &ended["attempt"]["status"]), (&json!("succeeded"), &json!("success")));
}

#[tokio::test]
async fn a_test_needs_two_scopes_and_a_valid_request() {
    let app = App::new().await;
    for scopes in [&[Scope::JobsWrite][..], &[Scope::JobsRun]] {
        let token = app.token_of(app.workspace, scopes).await;
        let body = request("https://example.com/").to_string();
        let refused = app.send_as(&token, Method::POST, "/v1/tests", &[], &body).await;
        assert_eq!(refused.problem(403), "scope_missing");
    }
    for (body, pointers) in [
        (json!({}), vec!["/request"]),
        (
            json!({ "request": { "url": "http://127.0.0.1/", "timeout_seconds": 900 }, "job_id": "?" }),
            vec!["/job_id", "/request/timeout_seconds", "/request/url"],
        ),
        (json!({ "request": { "url": "https://example.com/" }, "schedule": {} }), vec!["/schedule"]),
    ] {
        let response = app.post("/v1/tests", &body).await;
        assert_eq!(response.problem(422), "validation_failed");
        let errors = response.errors();
        let found: Vec<&str> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(found, pointers, "{errors:?}");
    }
    let unknown = json!({ "request": { "url": "https://example.com/" }, "job_id": "never-was" });
    assert_eq!(app.post("/v1/tests", &unknown).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_workspace_has_ten_tests_a_minute() {
    let app = App::new().await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(app.post("/v1/tests", &request("https://example.com/")).await.status.as_u16());
    }
    // One place is free again after six seconds.
    assert_eq!(statuses[..10], [202; 10], "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
}
