//! Suite A: forbidden addresses in rows of the database, and allowed addresses.
//!
//! That the API refuses these addresses is tested in `crates/api/tests/it/security/addresses.rs`.

use serde_json::{Value, json};
use std::sync::Arc;
use trigrun_core::domain::id::JobId;
use trigrun_testkit::forbidden_hosts::{ADDRESSES, INVALID_HOSTS, NAMES};

use super::execution::{Ended, arrives};
use crate::{
    case::{Case, Suite},
    network::{OWN, PUBLIC},
    system::{System, text},
};

pub fn cases() -> Vec<Case> {
    let hosts = [ADDRESSES, INVALID_HOSTS, NAMES].into_iter().flatten();
    let stored = hosts.map(|host| {
        Case::dialling(Suite::Addresses, format!("a stored row: {host}"), move |system| {
            stored_row(system, format!("http://{host}/latest/"))
        })
    });
    let allowed = PUBLIC.iter().map(|address| {
        let host = if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        Case::dialling(Suite::Addresses, format!("allowed: {host}"), move |system| {
            let host = host.clone();
            async move { arrives(&system, &host).await }
        })
    });
    let own = OWN.iter().map(|address| {
        let host = if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        Case::dialling(Suite::Addresses, format!("the machine's own address: {host}"), move |system| {
            stored_row(system, format!("http://{host}/metrics"))
        })
    });
    stored.chain(allowed).chain(own).collect()
}

/// A job with a URL that the API does not accept: it is written into the database.
async fn stored_row(system: Arc<System>, url: String) -> anyhow::Result<()> {
    let draft = json!({ "name": "row", "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "request": { "url": "https://example.com/" },
        "retry_policy": { "max_attempts": 1 } });
    let job = text(&system.call("POST", "/v1/jobs", &draft).await?.expect(201)?["id"])?;
    let id: JobId = job.parse().map_err(|_| anyhow::anyhow!("{job} is not an id of a job"))?;
    let sql = system.sql().await?;
    sql.execute("update job_versions set url = $2 where job_id = $1", &[&id.uuid(), &url]).await?;
    let run = system.call("POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?.expect(202)?;
    Ended(system.ended(&run["id"]).await?).is_blocked()
}
