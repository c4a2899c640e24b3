//! The responses of the probes' port.

use tokio_util::sync::CancellationToken;
use trigrun_core::{
    runtime::{hold::HoldWatch, probes},
    store::holds,
};
use trigrun_testkit::{TestDb, jobs::by_operator, raw_http};

#[tokio::test]
async fn every_response_has_its_content_type() {
    let db = TestDb::new().await;
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    let hold = HoldWatch::read(db.db()).await.unwrap();
    let address =
        probes::serve("127.0.0.1:0".parse().unwrap(), db.db().clone(), hold, shutdown).await.unwrap();
    for (path, status, content_type) in [
        ("/livez", 200, "text/plain; charset=utf-8"),
        ("/readyz", 200, "text/plain; charset=utf-8"),
        ("/metrics", 200, "text/plain; version=0.0.4"),
        ("/other", 404, "text/plain; charset=utf-8"),
    ] {
        let response = raw_http::request(address, "GET", path, &[], b"").await.unwrap();
        assert_eq!(
            (response.status, response.header("content-type")),
            (status, Some(content_type)),
            "{path}"
        );
    }
}

/// It is ready: a process that is held must be neither restarted nor taken out of service.
#[tokio::test]
async fn readiness_says_that_the_installation_is_held() {
    let db = TestDb::new().await;
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    assert!(holds::begin(&mut *db.conn().await, &by_operator("an incident")).await.unwrap());
    let since = holds::active(&mut *db.conn().await).await.unwrap().unwrap().since;
    let hold = HoldWatch::read(db.db()).await.unwrap();
    let address =
        probes::serve("127.0.0.1:0".parse().unwrap(), db.db().clone(), hold, shutdown).await.unwrap();
    let response = raw_http::request(address, "GET", "/readyz", &[], b"").await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.text(), format!("ok\nheld since {since}: an incident\n"));
}
