//! Requests without valid credentials leave the API's memory as it was, however many and however different they are.

use hyper::Method;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use trigrun_core::{crypto, domain::access::TokenKind};
use trigrun_testkit::{
    TestDb,
    client::{Client, Request},
    cluster::Cluster,
    process::Role,
    redis,
};

const CONNECTIONS: usize = 20;
/// Enough to see a thing that is kept per request: of 16 KiB each, they would be 80 MiB.
const REQUESTS_PER_CONNECTION: usize = 250;
/// To fill pools and caches first.
const WARM_UP: usize = 50;
const MAX_GROWTH_MB: u64 = 32;

#[tokio::test]
async fn unauthenticated_requests_leave_no_memory_behind() {
    let db = TestDb::new().await;
    let logs = std::env::temp_dir().join(format!("trigrun-unauthenticated-{}", uuid::Uuid::new_v4()));
    let mut cluster = Cluster::new(db.settings(), redis::settings(), &logs).unwrap();
    let settings =
        [("TRIGRUN__SERVER__SIGN_UP", "open"), ("TRIGRUN__LIMITS__FAILURES_PER_MINUTE", "1000000")];
    cluster.start("api", Role::Api, settings).unwrap();
    cluster.ready().await.unwrap();
    let client = Client::new(cluster.address("api").unwrap());
    attack(&client, WARM_UP).await;
    let before = cluster.usage("api").unwrap().resident_mb;
    attack(&client, REQUESTS_PER_CONNECTION).await;
    let after = cluster.usage("api").unwrap().resident_mb;
    assert!(after <= before + MAX_GROWTH_MB, "{before} MB before, {after} MB after");
    cluster.stop().await.unwrap();
    std::fs::remove_dir_all(logs).unwrap();
}

async fn attack(client: &Client, requests: usize) {
    let answered = &AtomicUsize::new(0);
    let each = (0..CONNECTIONS).map(|connection| async move {
        for n in 0..requests {
            // The API may close the connection before it has read a body that is too large.
            if let Ok(response) = client.send(hostile(connection * 1_000_000 + n)).await {
                assert!(response.status.is_client_error() || response.status == 503, "{response:?}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    futures_util::future::join_all(each).await;
    let answered = answered.load(Ordering::Relaxed);
    assert!(answered > CONNECTIONS * requests / 2, "{answered}");
}

/// A different one for each number.
fn hostile(n: usize) -> Request {
    let filler = format!("{n:08}").repeat(1900);
    let post = |path: &str| Request::new(Method::POST, path);
    let token = crypto::new_token(TokenKind::Api).unwrap();
    match n % 8 {
        0 => {
            post("/v1/auth/login").json(&json!({ "email": format!("{filler}@example.com"), "password": "x" }))
        }
        1 => post("/v1/auth/login").json(&json!({ "email": format!("{n}@example.com"), "password": "x" })),
        2 => post("/v1/auth/signup").json(&json!({ "email": filler, "password": "correct horse battery" })),
        3 => Request::new(Method::GET, "/v1/jobs")
            .header("authorization", format!("Bearer {}", token.reveal())),
        4 => Request::new(Method::GET, format!("/v1/{n}"))
            .header("x-request-id", format!("{n}"))
            .header("traceparent", filler),
        5 => post("/v1/jobs")
            .header("idempotency-key", filler.clone())
            .header("authorization", format!("Bearer {filler}"))
            .json_text(filler.repeat(60)),
        6 => Request::new(Method::GET, "/v1/me")
            .header("x-forwarded-for", filler)
            .header("trigrun-workspace", format!("{n}")),
        _ => post("/v1/auth/login").json_text(format!("{{\"{filler}\":{}", "[".repeat(1000))),
    }
}
