//! Suite A: forbidden addresses and names in URLs, in every spelling, at each entry point that takes a URL.
//!
//! The cases that dial an address are in `crates/security`.

use anyhow::ensure;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{
    case::{Attempt, Case, Suite},
    system::{System, once, text},
};

/// Forbidden addresses, in every spelling that some resolver understands.
const ADDRESSES: &[&str] = &[
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
    "127.0.0.0x1",
    "１２７.０.０.１",
    "127。0。0。1",
    "①②⑦.0.0.1",
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
];

/// Hosts that are refused for how they are written: with a dot at the end, or with escapes.
const INVALID_HOSTS: &[&str] =
    &["127.0.0.1.", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "localhost.", "METADATA.google.internal.", "db."];

/// Names that mean something only in a private network.
const NAMES: &[&str] = &[
    "localhost",
    "LOCALHOST",
    "a.localhost",
    "metadata",
    "metadata.google.internal",
    "x.internal",
    "printer.local",
    "db",
    "kubernetes.default.svc",
    "api.default.svc.cluster.local",
    "ｌｏｃａｌｈｏｓｔ",
];

pub fn suite() -> Suite {
    let addresses = ADDRESSES.iter().flat_map(|host| at_each_entry_point(host, "url_address_refused"));
    let names = NAMES.iter().flat_map(|host| at_each_entry_point(host, "url_name_refused"));
    let invalid = INVALID_HOSTS.iter().flat_map(|host| at_each_entry_point(host, "url_host"));
    Suite { letter: 'A', cases: addresses.chain(names).chain(invalid).collect() }
}

fn at_each_entry_point(host: &'static str, code: &'static str) -> Vec<Case> {
    let url = format!("http://{host}/latest/");
    let case = |name: &str, attempt: fn(Arc<System>, String, &'static str) -> Attempt| {
        let url = url.clone();
        Case::new(format!("{name}: {host}"), move |system| attempt(system, url.clone(), code))
    };
    vec![
        case("a job", |system, url, code| Box::pin(create_job(system, url, code))),
        case("a patch", |system, url, code| Box::pin(patch_job(system, url, code))),
        case("an import", |system, url, code| Box::pin(import_job(system, url, code))),
        case("a batch", |system, url, code| Box::pin(create_in_a_batch(system, url, code))),
        case("a channel", |system, url, code| Box::pin(create_channel(system, url, code))),
        case("a patched channel", |system, url, code| Box::pin(patch_channel(system, url, code))),
    ]
}

async fn create_job(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let response = system.call("POST", "/v1/jobs", &once(json!({ "url": url }))).await?;
    response.expect_invalid("/request/url", code)
}

async fn patch_job(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let draft = json!({ "name": "draft", "kind": "one_time", "state": "draft", "request": { "url": "https://example.com/" } });
    let draft = system.call("POST", "/v1/jobs", &draft).await?.expect(201)?;
    let path = format!("/v1/jobs/{}", text(&draft["id"])?);
    let response = system.call("PATCH", &path, &json!({ "request": { "url": url } })).await?;
    response.expect_invalid("/request/url", code)?;
    let after = system.call("GET", &path, &Value::Null).await?.expect(200)?;
    ensure!(
        after["request"]["url"] == "https://example.com/" && after["version"] == draft["version"],
        "{after}"
    );
    Ok(())
}

async fn create_in_a_batch(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let job = json!({ "name": "a", "kind": "one_time", "request": { "url": url } });
    let batch = json!({ "items": [job] });
    system.call("POST", "/v1/jobs/batch", &batch).await?.expect_invalid("/items/0/request/url", code)
}

async fn import_job(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let import = json!({ "crontab": format!("@daily {url}\n") });
    system.call("POST", "/v1/jobs/import", &import).await?.expect_invalid("/crontab/1", code)
}

async fn create_channel(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    for kind in ["webhook", "slack", "discord"] {
        let channel =
            json!({ "name": format!("c{}", system.number()), "type": kind, "config": { "url": url } });
        let response = system.call("POST", "/v1/notification-channels", &channel).await?;
        response.expect_invalid("/config/url", code)?;
    }
    Ok(())
}

async fn patch_channel(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let name = format!("c{}", system.number());
    let channel = json!({ "name": name, "type": "webhook", "config": { "url": "https://example.com/" } });
    let created = system.call("POST", "/v1/notification-channels", &channel).await?.expect(201)?;
    let path = format!("/v1/notification-channels/{}", text(&created["id"])?);
    let response = system.call("PATCH", &path, &json!({ "config": { "url": url } })).await?;
    // The number of channels is limited.
    system.call("DELETE", &path, &Value::Null).await?.expect(204)?;
    response.expect_invalid("/config/url", code)
}
