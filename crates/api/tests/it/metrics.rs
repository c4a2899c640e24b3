//! What the API counts of its requests, in the text that Prometheus reads.

use hyper::Method;
use serde_json::json;
use trigrun_api::{DEFAULTS, Settings};
use trigrun_core::{
    config,
    telemetry::{self, TelemetrySettings, metrics},
};

use crate::app::{self, App};

/// The value of a counter without labels; 0 before its first event.
fn counter(name: &str) -> u64 {
    let text = metrics::render();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a whole number"))
}

#[tokio::test]
async fn a_request_of_a_chain_that_is_too_long_is_counted() {
    let settings: Settings = config::load_from(DEFAULTS, []).unwrap();
    let quiet = TelemetrySettings { log_filter: "off".to_owned(), ..settings.telemetry };
    let _telemetry = telemetry::init("trigrun-api", &quiet).unwrap();
    let (app, job) = (App::new().await, app::job(&json!({})).to_string());
    let send = async |depth| app.send(Method::POST, "/v1/jobs", &[("trigrun-depth", depth)], &job).await;
    let before = counter("trigrun_loops_detected_total");
    send("3").await.expect(201);
    assert_eq!(send("4").await.problem(508), "loop_detected");
    // Other tests of this process may count as well.
    assert!(counter("trigrun_loops_detected_total") > before);
}
