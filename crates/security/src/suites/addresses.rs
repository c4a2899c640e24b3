//! Suite A: forbidden addresses in rows of the database, and allowed addresses.
//!
//! That the API refuses these addresses is tested in `crates/api/tests/it/security/addresses.rs`.

use serde_json::{Value, json};
use std::sync::Arc;
use trigrun_core::domain::id::JobId;

use super::execution::{Ended, arrives};
use crate::{
    case::{Case, Suite},
    network::{OWN, PUBLIC},
    system::{System, text},
};

/// Forbidden addresses and names, in every spelling that some resolver understands. The API's tests have the same at each entry point.
const HOSTS: &[&str] = &[
    // Loopback, and how inet_aton(3) and browsers write it.
    "127.0.0.1",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "00000177.0.0.1",
    "127.0.0.1.",
    "127.0.0.0x1",
    "１２７.０.０.１",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    // Unspecified: connects to this host.
    "0.0.0.0",
    "0",
    "0x0",
    "0.1.2.3",
    // Private.
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "0xa.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "0300.0250.1.1",
    "100.64.0.1",
    "100.127.255.255",
    // Link-local, and the metadata services of clouds.
    "169.254.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    // Reserved for a special purpose.
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "198.19.255.255",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    // IPv6, and every form of it that carries an IPv4 address.
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2606:4700::5efe:127.0.0.1]",
    "[2606:4700::200:5efe:10.0.0.1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fd12::1]",
    "[ff02::1]",
    "[100::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[4000::1]",
    "[5f00::1]",
    // Names that mean something only in a private network.
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "metadata",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "x.internal",
    "printer.local",
    "db",
    "db.",
    "kubernetes.default.svc",
    "api.default.svc.cluster.local",
    "ｌｏｃａｌｈｏｓｔ",
];

pub fn cases() -> Vec<Case> {
    let stored = HOSTS.iter().map(|host| {
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
