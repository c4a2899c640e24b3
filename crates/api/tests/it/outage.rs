//! Postgres goes away and comes back. Its own servers: no other test may notice.

use std::time::{Duration, Instant};

use serde_json::json;
use trigrun_core::{
    domain::access::{Scope, TokenKind},
    runtime::tasks,
    store::PostgresSettings,
};
use trigrun_embed::{Durability, Options, Programs, Scratch, Services, Shutdown};

use crate::app::{Answer, Api};

const WITHIN: Duration = Duration::from_secs(2);

async fn get(api: &Api, token: &str, path: &str) -> Answer {
    let request = api.request(hyper::Method::GET, path).header("authorization", format!("Bearer {token}"));
    api.send(request.body(Default::default()).unwrap()).await
}

#[tokio::test]
async fn without_postgres_it_says_so_at_once_and_recovers_by_itself() {
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
            let asked = Instant::now();
            let answer = get(&api, &token, path).await;
            assert_eq!(answer.problem(503), "unavailable", "{path}");
            assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
            assert!(asked.elapsed() < WITHIN, "{path}: {:?}", asked.elapsed());
            assert!(!answer.text.contains("postgres") && !answer.text.contains("socket"), "{}", answer.text);
        }
        assert_eq!(get(&api, &token, "/livez").await.expect(200), json!({ "status": "ok" }));
        let asked = Instant::now();
        let ready = get(&api, &token, "/readyz").await;
        assert_eq!(
            (ready.problem(503), asked.elapsed() < WITHIN + WITHIN / 4),
            ("not_ready".to_owned(), true)
        );
        assert_eq!(ready.json()["detail"], "postgres is not ready.");

        services.start_postgres().await.unwrap();
        let back = Instant::now();
        get(&api, &token, "/v1/jobs").await.expect(200);
        get(&api, &token, "/readyz").await.expect(200);
        assert!(back.elapsed() < WITHIN);
    }
    api.stop().await;
    services.stop().await;
}

#[tokio::test]
async fn a_postgres_that_stands_still_keeps_nobody_waiting() {
    let scratch = Scratch::create().await.unwrap();
    let options = Options::new(scratch.path(), Durability::Tests);
    let services = Services::start(&Programs::find().unwrap(), &options).await.unwrap();
    let postgres = PostgresSettings {
        url: services.postgres_url("postgres").into(),
        ..trigrun_testkit::db::settings("-")
    };
    let (api, token) = api_on(&postgres).await;
    get(&api, &token, "/v1/jobs").await.expect(200);
    let still = services.freeze_postgres();
    // The first is asked before anybody has noticed, the second after.
    for within in [WITHIN, Duration::from_millis(500)] {
        let asked = Instant::now();
        assert_eq!(get(&api, &token, "/v1/jobs").await.problem(503), "unavailable");
        assert!(asked.elapsed() < within, "{:?}", asked.elapsed());
        assert_eq!(get(&api, &token, "/livez").await.expect(200), json!({ "status": "ok" }));
    }
    drop(still);
    let back = Instant::now();
    while get(&api, &token, "/v1/jobs").await.status != 200 {
        assert!(back.elapsed() < 2 * WITHIN, "it has not recovered");
    }
    api.stop().await;
    services.stop().await;
}

/// An API on a database that is migrated here, and a token for it.
async fn api_on(postgres: &PostgresSettings) -> (Api, String) {
    use trigrun_core::{
        crypto,
        domain::{
            audit::Author,
            id::{TokenId, WorkspaceId},
            workspace::Workspace,
        },
        store::{self, Db, migrate, tokens, workspaces},
    };
    let migrating = postgres.clone();
    // The migrator needs the multi-thread runtime, which a test need not have.
    let migrated = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(migrate::run(&migrating)).unwrap();
    });
    tasks::spawn("joining", async move { migrated.join().unwrap() }).await.unwrap();
    let db = Db::new(postgres).unwrap();
    let mut conn = db.conn().await.unwrap();
    let now = store::clock::now(&mut conn).await.unwrap();
    let by = Author::operator(now);
    let workspace = Workspace { id: WorkspaceId::at(now), name: "a".into() };
    workspaces::insert(&mut conn, &workspace, &by).await.unwrap();
    let secret = crypto::new_token(TokenKind::Api).unwrap();
    let hash = crypto::token_hash(&secret);
    let (id, scopes) = (TokenId::at(now), Scope::ALL);
    let token = tokens::NewToken { id, name: "a", hash: &hash, scopes, expires_at: None, created_by: None };
    tokens::insert(&mut conn, workspace.id, token, &by, None).await.unwrap();
    (Api::start(postgres.clone()).await, secret.reveal().to_owned())
}
