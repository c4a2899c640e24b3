//! The connections to Postgres: one workspace cannot hold those that the others need.

use futures_util::future::{Either, join_all, select};
use hyper::Method;
use serde_json::json;
use std::pin::pin;
use trigrun_core::domain::access::Scope;

use crate::app::{App, Response, job};

/// More than a pool has connections.
const MANY: usize = 40;

/// A request waits so long for a connection. It is longer than a statement of a list may take.
const ACQUIRE_TIMEOUT_MS: u64 = 2000;

async fn app() -> (App, String) {
    let app = App::start_with(|settings| settings.postgres.acquire_timeout_ms = ACQUIRE_TIMEOUT_MS).await;
    let other = app.db.workspace("theirs").await;
    let token = app.token_of(other, Scope::ALL).await;
    (app, token)
}

/// Sends many requests at a time, again and again, while `others` runs; returns their responses so far.
async fn while_flooded(
    request: impl AsyncFn() -> Response,
    others: impl Future<Output = ()>,
) -> Vec<Response> {
    let mut responses = Vec::new();
    let mut others = pin!(others);
    loop {
        let flood = pin!(join_all((0..MANY).map(|_| request())));
        match select(flood, others).await {
            Either::Left((answered, running)) => {
                responses.extend(answered);
                others = running;
            }
            Either::Right(((), flood)) => {
                responses.extend(flood.await);
                return responses;
            }
        }
    }
}

/// Everything that another workspace does.
async fn works(app: &App, token: &str) {
    for _ in 0..5 {
        let send = async |method, path: &str, body: &str| app.send_as(token, method, path, &[], body).await;
        let created = send(Method::POST, "/v1/jobs", &job(&json!({})).to_string()).await.expect(201);
        let id = created["id"].as_str().unwrap();
        send(Method::POST, &format!("/v1/jobs/{id}/run-now"), "").await.expect(202);
        send(Method::GET, "/v1/executions", "").await.expect(200);
        send(Method::GET, "/v1/jobs", "").await.expect(200);
        app.get("/readyz").await.expect(200);
    }
}

#[tokio::test]
async fn slow_lists_of_a_workspace_are_cancelled_and_delay_no_other() {
    let (app, token) = app().await;
    let locked = app.db.session().await;
    locked.batch_execute("begin; lock table channels in access exclusive mode").await.unwrap();
    let responses =
        while_flooded(async || app.get("/v1/notification-channels").await, works(&app, &token)).await;
    drop(locked);
    let codes: Vec<String> = responses
        .iter()
        .map(|response| response.problem(if response.status == 429 { 429 } else { 503 }))
        .collect();
    assert!(codes.contains(&"query_timeout".to_owned()), "{codes:?}");
    let known = ["query_timeout", "too_many_concurrent_requests"];
    assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{codes:?}");
    assert!(responses.iter().all(|response| response.header("retry-after").is_some()));
    app.get("/v1/notification-channels").await.expect(200);
}

#[tokio::test]
async fn slow_requests_of_a_workspace_delay_no_other() {
    let (app, token) = app().await;
    let id = app.workspace.uuid();
    let locked = app.db.session().await;
    let statement = format!("begin; select from workspaces where id = '{id}' for update");
    locked.batch_execute(&statement).await.unwrap();
    let body = job(&json!({}));
    let others = async {
        works(&app, &token).await;
        // The locked workspace continues.
        locked.batch_execute("rollback").await.unwrap();
    };
    let responses = while_flooded(async || app.post("/v1/jobs", &body).await, others).await;
    assert!(responses.iter().any(|response| response.status == 201));
    let refused: Vec<&Response> = responses.iter().filter(|response| response.status == 429).collect();
    assert!(refused.iter().all(|response| response.problem(429) == "too_many_concurrent_requests"));
}
