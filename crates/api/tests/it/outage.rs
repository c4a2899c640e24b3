//! Postgres stops and starts again. These tests have their own servers, so that no other test is affected.

use std::time::{Duration, Instant};

use serde_json::json;
use trigrun_core::{
    domain::access::{Scope, TokenKind},
    runtime::tasks,
    store::PostgresSettings,
};
use trigrun_embed::{Durability, Options, Programs, Scratch, Services, Shutdown};

use crate::app::{Api, Response};

/// The API ends every request after 10 s, with the same 503. A response before that shows that the API detected the outage: it takes 1.7 s at
/// most, and the rest is for a slow machine.
const DETECTION_TIMEOUT: Duration = Duration::from_secs(9);
/// Only ends a test that hangs.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

async fn get(api: &Api, token: &str, path: &str) -> Response {
    let request = api.request(hyper::Method::GET, path).header("authorization", format!("Bearer {token}"));
    api.send(request.body(Default::default()).unwrap()).await
}

#[tokio::test]
async fn a_stopped_postgres_is_detected_and_the_api_recovers() {
    let scratch = Scratch::create().await.unwrap();
    let options = Options::new(scratch.path(), Durability::Tests);
    let mut services = Services::start(&Programs::find().unwrap(), &options).await.unwrap();
    let postgres = PostgresSettings {
        url: services.postgres_url("postgres").into(),
        ..trigrun_testkit::db::settings("-")
    };
    let (api, token) = api_on(&postgres).await;
    get(&api, &token, "/v1/jobs").await.expect(200);

    for shutdown in [Shutdown::Fast, Shutdown::Kill] {
        services.stop_postgres(shutdown).await;
        for path in ["/v1/jobs", "/v1/executions", "/v1/jobs/job_01h455vb4pex5vsknk084sn02q"] {
            let started = Instant::now();
            let response = get(&api, &token, path).await;
            assert_eq!(response.problem(503), "unavailable", "{path}");
            assert!(response.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
            assert!(started.elapsed() < DETECTION_TIMEOUT, "{path}: {:?}", started.elapsed());
            assert!(
                !response.text.contains("postgres") && !response.text.contains("socket"),
                "{}",
                response.text
            );
        }
        assert_eq!(get(&api, &token, "/livez").await.expect(200), json!({ "status": "ok" }));
        let ready = get(&api, &token, "/readyz").await;
        assert_eq!(ready.problem(503), "not_ready");
        assert_eq!(ready.json()["detail"], "postgres is not ready.");

        services.start_postgres().await.unwrap();
        get(&api, &token, "/v1/jobs").await.expect(200);
        get(&api, &token, "/readyz").await.expect(200);
    }
    api.stop().await;
    services.stop().await;
}

#[tokio::test]
async fn a_frozen_postgres_is_detected_once_for_all_requests() {
    let scratch = Scratch::create().await.unwrap();
    let options = Options::new(scratch.path(), Durability::Tests);
    let services = Services::start(&Programs::find().unwrap(), &options).await.unwrap();
    let postgres = PostgresSettings {
        url: services.postgres_url("postgres").into(),
        ..trigrun_testkit::db::settings("-")
    };
    let (api, token) = api_on(&postgres).await;
    get(&api, &token, "/v1/jobs").await.expect(200);
    let frozen = services.freeze_postgres();
    let started = Instant::now();
    assert_eq!(get(&api, &token, "/v1/jobs").await.problem(503), "unavailable");
    assert!(started.elapsed() < DETECTION_TIMEOUT, "{:?}", started.elapsed());
    // Detection takes at least 1.2 s. If each of these requests waited for it, they would take a minute together; half of that is
    // plenty for fifty requests that do not wait.
    let started = Instant::now();
    for _ in 0..50 {
        assert_eq!(get(&api, &token, "/v1/jobs").await.problem(503), "unavailable");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(get(&api, &token, "/livez").await.expect(200), json!({ "status": "ok" }));
    drop(frozen);
    let thawed = Instant::now();
    while get(&api, &token, "/v1/jobs").await.status != 200 {
        assert!(thawed.elapsed() < RECOVERY_TIMEOUT, "it has not recovered");
    }
    api.stop().await;
    services.stop().await;
}

/// An API with its default timeouts on a database that this migrates, and a token for it.
async fn api_on(postgres: &PostgresSettings) -> (Api, String) {
    use trigrun_core::{
        crypto,
        domain::{
            audit::Author,
            id::{TokenId, WorkspaceId},
            rights::Giver,
            workspace::Workspace,
        },
        store::{self, Db, migrate, tokens, workspaces},
    };
    let migrating = postgres.clone();
    // The migrator needs a multi-thread runtime, which the test does not have.
    let migrated = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(migrate::run(&migrating)).unwrap();
    });
    tasks::spawn("migrating", async move { migrated.join().unwrap() }).await.unwrap();
    let db = Db::new(postgres).unwrap();
    let mut conn = db.conn().await.unwrap();
    let now = store::clock::now(&mut conn).await.unwrap();
    let by = Author::operator(now);
    let workspace = Workspace { id: WorkspaceId::at(now), name: "a".into() };
    workspaces::insert(&mut conn, &workspace, &by).await.unwrap();
    let secret = crypto::new_token(TokenKind::Api).unwrap();
    let hash = crypto::token_hash(&secret);
    let (id, scopes) = (TokenId::at(now), Scope::ALL);
    let token =
        tokens::NewToken { id, name: "a", hash: &hash, scopes, expires_at: None, giver: &Giver::Operator };
    tokens::insert(&mut conn, workspace.id, token, &by, None).await.unwrap();
    let timeouts = |settings: &mut trigrun_api::Settings| settings.postgres.acquire_timeout_ms = 1500;
    (Api::start_with(postgres.clone(), timeouts).await, secret.reveal().to_owned())
}
