//! Spans are exported over TLS to a collector that the variables of OpenTelemetry name.

use std::{net::SocketAddr, process::Command};
use tokio::net::TcpStream;
use trigrun_testkit::{
    TestDb, cluster,
    process::{Role, command, configure},
    raw_http, redis,
    target::{Certificate, Protocol, Target},
};

use crate::{TIMEOUT, logged::LoggedProcess, until};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// An API that exports to this collector without delay.
fn api(db: &TestDb, collector: &Target, variables: &[(&str, &str)]) -> (Command, SocketAddr) {
    let mut api = command("api", &db.settings());
    configure(&mut api, Role::Api, &db.settings(), &redis::settings());
    let address = cluster::free_address().unwrap();
    api.env("TRIGRUN__SERVER__ADDRESS", address.to_string())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""))
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .envs(variables.iter().copied());
    (api, address)
}

async fn ask(address: SocketAddr) {
    until("the API listens", async || TcpStream::connect(address).await.is_ok()).await;
    raw_http::request(address, "GET", "/v1/jobs", &[], b"").await.unwrap();
}

#[tokio::test]
async fn spans_are_exported_over_tls_to_a_collector_whose_authority_is_trusted() {
    let db = TestDb::new().await;
    for variable in
        ["SSL_CERT_FILE", "OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"]
    {
        let collector = Target::start_tls(Certificate::Valid, Protocol::Http2).await.unwrap();
        let file = std::env::temp_dir().join(format!("trigrun-{}.pem", collector.address().port()));
        std::fs::write(&file, collector.authority_pem().unwrap()).unwrap();
        let (mut api, address) = api(&db, &collector, &[(variable, file.to_str().unwrap())]);
        let _api = LoggedProcess::start(&mut api);
        ask(address).await;
        let hits =
            collector.wait_for(1, TIMEOUT).await.unwrap_or_else(|_| panic!("{variable}: no span arrives"));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(hits[0].path, EXPORT, "{variable}");
    }
}

/// Multi-threaded, because reading the log blocks a thread while the collector serves.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_whose_authority_is_unknown_gets_no_span_and_the_log_says_why() {
    let db = TestDb::new().await;
    let collector = Target::start_tls(Certificate::Valid, Protocol::Http2).await.unwrap();
    let (mut api, address) = api(&db, &collector, &[]);
    let mut api = LoggedProcess::start(&mut api);
    ask(address).await;
    api.line_with("UnknownIssuer");
    assert!(collector.hits().is_empty());
}
