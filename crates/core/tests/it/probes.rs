//! The responses of the probes' port.

use tokio_util::sync::CancellationToken;
use trigrun_core::runtime::probes;
use trigrun_testkit::{TestDb, raw_http};

#[tokio::test]
async fn every_response_has_its_content_type() {
    let db = TestDb::new().await;
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    let address = probes::serve("127.0.0.1:0".parse().unwrap(), db.db().clone(), shutdown).await.unwrap();
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
