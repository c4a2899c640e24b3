//! Requests that wait for an execution to end. No test measures time: that a request waits shows in what it returns, or in what returns first.

use futures_util::{StreamExt, future::join, stream::FuturesUnordered};
use hyper::Method;
use serde_json::json;
use std::{pin::pin, time::Duration};
use trigrun_core::domain::{
    access::Scope,
    attempt::{AttemptStatus, Disposition, Outcome},
};
use trigrun_testkit::client::Client;

use crate::{
    app::{App, job},
    executions::{attempt, failed},
};

/// As many clients of an account may wait.
const MAX_WAITING: usize = 64;

async fn run(app: &App, job: &str) -> String {
    let run = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    run["id"].as_str().unwrap().to_owned()
}

async fn succeed(app: &App, execution: &str) {
    attempt(app, execution, Outcome::of(AttemptStatus::Success), Disposition::Succeeded).await;
}

/// Does this request wait? Several others are answered while it is not.
async fn waits<T>(app: &App, request: &mut (impl Future<Output = T> + Unpin)) -> bool {
    for _ in 0..20 {
        tokio::select! {
            biased;
            _ = &mut *request => return false,
            other = app.get("/v1/executions") => drop(other.expect(200)),
        }
    }
    true
}

#[tokio::test]
async fn a_request_waits_until_the_execution_has_ended() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let execution = run(&app, &job).await;
    let path = format!("/v1/executions/{execution}?wait=25");
    let mut both = pin!(join(app.get(&path), app.get(&path)));
    assert!(waits(&app, &mut both).await);
    let (outcome, disposition) = failed();
    attempt(&app, &execution, outcome, disposition).await;
    let (ended, other) = both.await;
    let ended = ended.expect(200);
    assert_eq!(other.expect(200), ended);
    assert_eq!((&ended["status"], &ended["attempts"][0]["status_code"]), (&json!("failed"), &json!(404)));
    // One that has ended is returned at once, and so is one without a wait.
    assert_eq!(app.get(&path).await.expect(200), ended);
    let open = run(&app, &job).await;
    for query in ["", "?wait=0", "?wait=1"] {
        let response = app.get(&format!("/v1/executions/{open}{query}")).await.expect(200);
        assert_eq!(response["status"], "queued", "{query}");
    }
}

#[tokio::test]
async fn a_run_and_a_replay_wait_for_their_own_execution() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let original = run(&app, &job).await;
    succeed(&app, &original).await;
    let key = [("idempotency-key", "one")];
    for path in
        [format!("/v1/jobs/{job}/run-now?wait=25"), format!("/v1/executions/{original}/replay?wait=25")]
    {
        let mut request = pin!(app.send(Method::POST, &path, &[], ""));
        assert!(waits(&app, &mut request).await, "{path}");
        let open = app.get("/v1/executions?status=queued").await.expect(200);
        succeed(&app, open["data"][0]["id"].as_str().unwrap()).await;
        let ended = request.await.expect(202);
        assert_eq!((&ended["status"], &ended["id"]), (&json!("succeeded"), &open["data"][0]["id"]));
    }
    let path = format!("/v1/jobs/{job}/run-now?wait=0");
    let keyed = app.send(Method::POST, &path, &key, "").await.expect(202);
    let path = format!("/v1/jobs/{job}/run-now?wait=25");
    let mut repeated = pin!(app.send(Method::POST, &path, &key, ""));
    assert!(waits(&app, &mut repeated).await);
    succeed(&app, keyed["id"].as_str().unwrap()).await;
    let ended = repeated.await.expect(200);
    assert_eq!((&ended["status"], &ended["id"]), (&json!("succeeded"), &keyed["id"]));
}

#[tokio::test]
async fn an_account_has_places_and_a_client_that_goes_away_frees_its_place() {
    let app = App::new().await;
    let path = format!("/v1/executions/{}?wait=25", run(&app, &app.job(&json!({})).await).await);
    let others = app.token_of(app.db.workspace("theirs").await, Scope::ALL).await;
    let body = job(&json!({})).to_string();
    let theirs = app.send_as(&others, Method::POST, "/v1/jobs", &[], &body).await.expect(201);
    let their_job = theirs["id"].as_str().unwrap().to_owned();
    let their_path = format!("/v1/jobs/{their_job}/run-now?wait=25");
    let mut waiting: FuturesUnordered<_> = (0..=MAX_WAITING).map(|_| app.get(&path)).collect();
    let refused = waiting.next().await.unwrap();
    assert_eq!(refused.expect(200)["status"], "queued", "it does not wait");
    assert!(waits(&app, &mut waiting.next()).await, "the others do");
    let mut of_other_account = pin!(app.send_as(&others, Method::POST, &their_path, &[], ""));
    assert!(waits(&app, &mut of_other_account).await);
    drop(waiting);
    // The server notices that the connections are closed.
    loop {
        let mut again = pin!(app.get(&path));
        if waits(&app, &mut again).await {
            break;
        }
    }
}

#[tokio::test]
async fn shutdown_ends_every_wait() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let path = format!("/v1/executions/{}?wait=25", run(&app, &job).await);
    let client =
        Client::new(app.api.address()).with_token(&*app.token).with_timeout(Duration::from_secs(300));
    let mut waiting = pin!(client.get(&path));
    assert!(waits(&app, &mut waiting).await);
    let (response, ()) = tokio::join!(waiting, app.api.stop());
    let response = response.unwrap();
    assert_eq!(response.json().unwrap()["status"], "queued", "{}", response.text());
}

#[tokio::test]
async fn a_wait_is_a_whole_number_of_seconds() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let execution = run(&app, &job).await;
    for value in ["26", "-1", "1.5", "x", "", "99999999999999999999"] {
        for (method, path) in [
            (Method::GET, format!("/v1/executions/{execution}")),
            (Method::POST, format!("/v1/executions/{execution}/replay")),
            (Method::POST, format!("/v1/jobs/{job}/run-now")),
        ] {
            let response = app.send(method, &format!("{path}?wait={value}"), &[], "").await;
            assert_eq!(response.errors(), [("?wait".into(), "parameter_invalid".into())], "{path} {value}");
        }
    }
    assert_eq!(app.db.count("select count(*) from runs").await, 1, "nothing was run");
}
