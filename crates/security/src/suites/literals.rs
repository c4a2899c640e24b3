//! Family A: addresses written in URLs, in every spelling, at every door.

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;

use super::ended::{Ended, arrives, hook, no_more};
use crate::{
    case::{Case, Family},
    network::PUBLIC,
    system::{System, once, text},
};

/// Hosts that nobody may write, in every spelling that some resolver understands.
const LITERALS: &[&str] = &[
    // Loopback, and the ways in which inet_aton(3) and browsers write it.
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
    // Set apart for one purpose or another.
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
    // Names that mean something only inside.
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
    let may_be_called = PUBLIC.iter().map(|address| {
        let host = if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        Case::dials(Family::Literals, format!("may be called: {host}"), move |system| {
            let host = host.clone();
            async move { arrives(&system, &host).await }
        })
    });
    LITERALS.iter().flat_map(|host| literal(host)).chain(may_be_called).collect()
}

/// A host at each door, and in a row that an earlier release had let in.
fn literal(host: &'static str) -> Vec<Case> {
    let url = format!("http://{host}/latest/");
    let door = |name: &str, attempt: fn(Arc<System>, String) -> Tried| {
        let url = url.clone();
        Case::asks(Family::Literals, format!("{name}: {host}"), move |system| attempt(system, url.clone()))
    };
    let url_of_row = url.clone();
    vec![
        door("a job", |system, url| Box::pin(job(system, url))),
        door("a patch", |system, url| Box::pin(patch(system, url))),
        door("an import", |system, url| Box::pin(import(system, url))),
        door("a channel", |system, url| Box::pin(channel(system, url))),
        door("a patched channel", |system, url| Box::pin(patched_channel(system, url))),
        Case::dials(Family::Literals, format!("a stored row: {host}"), move |system| {
            row(system, url_of_row.clone())
        }),
    ]
}

type Tried = LocalBoxFuture<'static, anyhow::Result<()>>;

fn refused_url(error: &Value) -> anyhow::Result<()> {
    let code = error["code"].as_str().unwrap_or_default();
    ensure!(
        ["url_address_refused", "url_name_refused", "url_host", "url_character"].contains(&code),
        "{error} is no refusal"
    );
    Ok(())
}

async fn job(system: Arc<System>, url: String) -> anyhow::Result<()> {
    let reply = system.ask("POST", "/v1/jobs", &once(json!({ "url": url }))).await?;
    reply.expect_problem(422, "validation_failed")?;
    ensure!(reply.json()["errors"][0]["pointer"] == "/request/url", "{}", reply.text());
    refused_url(&reply.json()["errors"][0])
}

async fn patch(system: Arc<System>, url: String) -> anyhow::Result<()> {
    let draft = json!({ "name": "draft", "kind": "one_time", "state": "draft", "request": { "url": "https://example.com/" } });
    let draft = system.ask("POST", "/v1/jobs", &draft).await?.expect(201)?;
    let path = format!("/v1/jobs/{}", text(&draft["id"])?);
    let reply = system.ask("PATCH", &path, &json!({ "request": { "url": url } })).await?;
    reply.expect_problem(422, "validation_failed")?;
    refused_url(&reply.json()["errors"][0])?;
    let now = system.ask("GET", &path, &Value::Null).await?.expect(200)?;
    ensure!(now["request"]["url"] == "https://example.com/" && now["version"] == draft["version"], "{now}");
    Ok(())
}

async fn import(system: Arc<System>, url: String) -> anyhow::Result<()> {
    let import = json!({ "crontab": format!("@daily {url}\n") });
    let imported = system.ask("POST", "/v1/jobs/import", &import).await?.expect(200)?;
    ensure!(imported["created"].as_array().is_some_and(Vec::is_empty), "{imported}");
    refused_url(&imported["errors"][0])
}

async fn channel(system: Arc<System>, url: String) -> anyhow::Result<()> {
    for kind in ["webhook", "slack", "discord"] {
        let channel =
            json!({ "name": format!("c{}", system.number()), "type": kind, "config": { "url": url } });
        let reply = system.ask("POST", "/v1/notification-channels", &channel).await?;
        reply.expect_problem(422, "validation_failed")?;
        ensure!(reply.json()["errors"][0]["pointer"] == "/config/url", "{}", reply.text());
        refused_url(&reply.json()["errors"][0])?;
    }
    Ok(())
}

async fn patched_channel(system: Arc<System>, url: String) -> anyhow::Result<()> {
    let path = format!("/v1/notification-channels/{}", hook(&system, "https://example.com/").await?);
    let reply = system.ask("PATCH", &path, &json!({ "config": { "url": url } })).await?;
    no_more(&system, &path).await?;
    reply.expect_problem(422, "validation_failed")?;
    refused_url(&reply.json()["errors"][0])
}

/// A job that nobody could create: it was written into the database.
async fn row(system: Arc<System>, url: String) -> anyhow::Result<()> {
    let draft = json!({ "name": "row", "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "request": { "url": "https://example.com/" },
        "retry_policy": { "max_attempts": 1 } });
    let job = text(&system.ask("POST", "/v1/jobs", &draft).await?.expect(201)?["id"])?;
    let uuid = job.parse::<trigrun_core::domain::id::JobId>().ok().context("an id of a job")?.uuid();
    let sql = system.sql().await?;
    sql.execute("update job_versions set url = $2 where job_id = $1", &[&uuid, &url]).await?;
    let run = system.ask("POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?.expect(202)?;
    Ended(system.ended(&run["id"]).await?).blocked()
}
