//! Suite P, as far as it measures a process: requests that are too large or too slow, and where the metrics are.
//!
//! Framing, heads, responses and guessing are tested in `crates/api/tests/it/security/connections.rs`.

mod oversized;
mod slow;

use anyhow::ensure;
use trigrun_testkit::raw_http::request;

use crate::case::{Case, Suite};

pub fn cases() -> Vec<Case> {
    let metrics =
        Case::new(Suite::Connections, "metrics are served on their own port", |system| async move {
            let response = request(system.probes, "GET", "/metrics", &[], b"").await?;
            ensure!(response.status == 200 && response.text().contains("trigrun"), "{}", response.head);
            Ok(())
        });
    [oversized::cases(), slow::cases(), vec![metrics]].into_iter().flatten().collect()
}
