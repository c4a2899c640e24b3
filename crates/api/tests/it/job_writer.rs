//! New jobs are written many at a time. No job depends on its neighbours, and what was revoked before the commit counts.

use futures_util::future::join_all;
use hyper::{Method, header::AUTHORIZATION};
use serde_json::json;
use std::{pin::pin, time::Duration};
use tokio::io::AsyncWriteExt;
use trigrun_core::{
    crypto,
    domain::access::{Scope, TokenSecret},
};

use trigrun_testkit::due;

use crate::app::{App, Response, job};

/// Only ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Locks are waited for as long as a test needs.
async fn app() -> App {
    App::start_with(|settings| {
        settings.postgres.lock_timeout_ms = 60_000;
        settings.postgres.statement_timeout_ms = 60_000;
    })
    .await
}

async fn create(app: &App, token: &str) -> Response {
    app.send_as(token, Method::POST, "/v1/jobs", &[], &job(&json!({})).to_string()).await
}

/// Returns when so many insertions of jobs wait for a lock.
async fn waiting(app: &App, insertions: i64) {
    let count = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like 'with new as%'";
    due::until("an insertion waits", TIMEOUT, async || app.db.count(count).await >= insertions)
        .await
        .unwrap();
}

#[tokio::test]
async fn concurrent_creates_of_several_workspaces_are_all_written() {
    let app = app().await;
    let mut tokens = Vec::new();
    for name in ["a", "b", "c"] {
        tokens.push(app.token_of(app.db.workspace(name).await, Scope::ALL).await);
    }
    let tokens = &tokens;
    let app = &app;
    let responses = join_all((0..300).map(|n| async move {
        let (token, name) = (&tokens[n % 3], format!("job {n}"));
        let body = job(&json!({ "name": name, "tags": [name] })).to_string();
        let made = app.send_as(token, Method::POST, "/v1/jobs", &[], &body).await.expect(201);
        let path = format!("/v1/jobs/{}", made["id"].as_str().unwrap());
        let read = app.send_as(token, Method::GET, &path, &[], "").await.expect(200);
        assert_eq!(
            (&read["name"], &read["tags"], &read["next_run_at"]),
            (&json!(name), &json!([name]), &made["next_run_at"])
        );
    }));
    assert_eq!(responses.await.len(), 300);
    for table in ["jobs", "job_versions", "job_timers"] {
        assert_eq!(app.db.count(&format!("select count(*) from {table}")).await, 300, "{table}");
    }
}

/// A change that revokes the token of a request which has been authenticated already.
async fn revoked_meanwhile(change: &str) {
    let app = app().await;
    let doomed = app.db.workspace("doomed").await;
    let token = app.token_of(doomed, Scope::ALL).await;
    let secret: TokenSecret = token.parse().unwrap();
    let hash: String = crypto::token_hash(&secret).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut revoking = app.db.session().await;
    // The use of a new token is recorded once a minute, which would wait for the same lock.
    app.db.execute("update tokens set last_used_at = now()").await;
    let change =
        change.replace("HASH", &format!("'\\x{hash}'")).replace("WORKSPACE", &format!("'{}'", doomed.uuid()));
    let revocation = revoking.transaction().await.unwrap();
    revocation.batch_execute(&change).await.unwrap();
    let requested = pin!(create(&app, &token));
    let meanwhile = pin!(async {
        waiting(&app, 1).await;
        // Neither of the two writers waits: others are written.
        for _ in 0..5 {
            create(&app, &app.token).await.expect(201);
        }
        revocation.commit().await.unwrap();
    });
    let (refused, ()) = futures_util::future::join(requested, meanwhile).await;
    assert_eq!(refused.problem(401), "unauthorized");
    assert_eq!(app.db.count("select count(*) from jobs").await, 5);
}

#[tokio::test]
async fn a_token_that_is_deleted_meanwhile_creates_nothing() {
    revoked_meanwhile("delete from tokens where hash = HASH").await;
}

#[tokio::test]
async fn a_token_that_is_rotated_meanwhile_creates_nothing() {
    revoked_meanwhile("update tokens set hash = sha256('other') where hash = HASH").await;
}

#[tokio::test]
async fn a_workspace_that_is_deleted_meanwhile_gets_nothing() {
    let delete = "update workspaces set deleted_at = now() where id = WORKSPACE; delete from tokens where workspace_id = WORKSPACE";
    revoked_meanwhile(delete).await;
}

#[tokio::test]
async fn a_revocation_that_fails_changes_nothing() {
    let app = app().await;
    let mut revoking = app.db.session().await;
    app.db.execute("update tokens set last_used_at = now()").await;
    let revocation = revoking.transaction().await.unwrap();
    revocation.batch_execute("delete from tokens").await.unwrap();
    let requested = pin!(create(&app, &app.token));
    let meanwhile = pin!(async {
        waiting(&app, 1).await;
        revocation.rollback().await.unwrap();
    });
    let (created, ()) = futures_util::future::join(requested, meanwhile).await;
    created.expect(201);
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_a_whole_job_or_none() {
    let app = app().await;
    let mut blocking = app.db.session().await;
    app.db.execute("update tokens set last_used_at = now()").await;
    let block = blocking.transaction().await.unwrap();
    block.batch_execute("lock table job_timers in exclusive mode").await.unwrap();
    let body = job(&json!({})).to_string();
    let request = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: {}\r\n{AUTHORIZATION}: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        app.api.address(),
        app.token,
        body.len()
    );
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = tokio::net::TcpStream::connect(app.api.address()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        clients.push(client);
    }
    // Some of the jobs are in a transaction, the others in the queue.
    waiting(&app, 1).await;
    drop(clients);
    block.commit().await.unwrap();
    create(&app, &app.token).await.expect(201);
    let jobs = app.db.count("select count(*) from jobs").await;
    assert!((1..=21).contains(&jobs), "{jobs}");
    let halves = "select count(*) from jobs j full join job_versions v on v.job_id = j.id full join job_timers t on t.job_id = j.id
        where j.id is null or v.job_id is null or t.job_id is null";
    assert_eq!(app.db.count(halves).await, 0);
}

/// Postgres refuses one row, and so the whole statement: the others are written one by one.
#[tokio::test]
async fn a_job_that_postgres_refuses_fails_no_other() {
    let app = app().await;
    app.db.execute("alter table jobs add constraint no_bad_names check (name <> 'bad')").await;
    let responses = join_all((0..40).map(|n| {
        let name = if n % 8 == 0 { "bad".to_owned() } else { format!("good {n}") };
        let app = &app;
        async move { app.post("/v1/jobs", &job(&json!({ "name": name }))).await }
    }));
    for (n, response) in responses.await.into_iter().enumerate() {
        if n % 8 == 0 {
            assert_eq!(response.problem(500), "internal");
        } else {
            response.expect(201);
        }
    }
    assert_eq!(app.db.count("select count(*) from jobs").await, 35);
}
