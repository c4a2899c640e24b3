//! Families A, B and C: where a request may not go, however that is written, looked up or redirected.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc, time::Duration};
use trigrun_testkit::target::{Answers, Script};

use crate::{
    case::{Case, Family},
    enclave::PUBLIC,
    system::{System, once, text, until},
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

/// What names may not lead to.
const ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.1",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::",
    "2001:0:a00:1::",
    "2606:4700::5efe:a00:1",
    "fe80::1",
    "fec0::1",
    "fd00:ec2::254",
    "fd12::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
];

const REDIRECTS: [&str; 4] =
    ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/", "//10.0.0.1/", "http://[::1]/"];

/// Of the addresses, those with which channels are tested: a workspace has few tests a minute.
const TESTED: &[&str] =
    &["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "64:ff9b::a00:1", "fd00:ec2::254"];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for host in LITERALS {
        cases.extend(literal(host));
    }
    for address in PUBLIC {
        let host = if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        cases.push(Case::dials(Family::Literals, format!("may be called: {host}"), move |system| {
            let host = host.clone();
            async move { arrives(&system, &host).await }
        }));
    }
    for address in ADDRESSES {
        cases.push(Case::dials(Family::Names, format!("a name that leads to {address}"), |system| {
            leads_to(system, vec![address])
        }));
        cases.push(Case::dials(
            Family::Names,
            format!("a name that leads to {address} and elsewhere"),
            |system| leads_to(system, vec!["93.184.216.34", address]),
        ));
    }
    for address in TESTED {
        cases.push(Case::dials(
            Family::Names,
            format!("a test of a channel that leads to {address}"),
            |system| channel_leads_to(system, address),
        ));
    }
    cases.extend(special_names());
    for status in [301, 302, 303, 307, 308, 300, 304] {
        for to in REDIRECTS {
            cases.push(Case::dials(Family::Redirects, format!("{status} to {to}"), move |system| {
                redirected(system, status, to)
            }));
        }
    }
    cases.push(Case::dials(Family::Redirects, "200 with Refresh and Location", |system| async move {
        let script = Script::status(200)
            .header("refresh", "0; url=http://10.0.0.1/")
            .header("location", "http://10.0.0.1/");
        let path = format!("/refresh/{}", system.number());
        system.outside()?.target.answer(&path, script);
        Ended(system.run(json!({ "url": format!("http://93.184.216.34{path}") })).await?).succeeded()
    }));
    cases
}

/// Names with answers of their own kind.
fn special_names() -> [Case; 11] {
    [
        Case::dials(Family::Names, "a name that leads outside", |system| async move {
            let name = named(&system, Answers::to(&addresses(&["93.184.216.34"])?)).await?;
            arrives(&system, &name).await
        }),
        Case::dials(Family::Names, "rebinding: the second answer is another", rebinding),
        Case::dials(Family::Names, "an alias of a name inside", |system| async move {
            aliased(&system, &["10.0.0.1"]).await?.blocked()
        }),
        Case::dials(Family::Names, "a chain of aliases that ends inside", |system| async move {
            chained(&system, "169.254.169.254").await?.blocked()
        }),
        Case::dials(Family::Names, "a chain of aliases that ends outside", |system| async move {
            chained(&system, "93.184.216.34").await?.succeeded()
        }),
        Case::dials(Family::Names, "aliases in a circle", |system| async move {
            let (one, two) = (unique(&system), unique(&system));
            let names = &system.outside()?.names;
            names.set_answers(&one, Answers::default().alias(&two));
            names.set_answers(&two, Answers::default().alias(&one));
            called(&system, &one).await?.not_sent()
        }),
        Case::dials(Family::Names, "a name that no server answers for", |system| async move {
            let name = named(&system, Answers::default().silent()).await?;
            called(&system, &name).await?.not_sent()
        }),
        Case::dials(Family::Names, "a slow answer that leads inside", |system| async move {
            let slow = Answers::to(&addresses(&["10.0.0.1"])?).after(Duration::from_millis(700));
            let name = named(&system, slow).await?;
            called(&system, &name).await?.blocked()
        }),
        Case::dials(Family::Names, "a name without an address", |system| async move {
            let name = named(&system, Answers::default()).await?;
            called(&system, &name).await?.not_sent()
        }),
        Case::dials(Family::Names, "a name of /etc/hosts that leads inside", |system| async move {
            called(&system, "hosts.attack.example").await?.blocked()
        }),
        Case::dials(Family::Names, "forty addresses, the last of them inside", |system| async move {
            let mut many: Vec<IpAddr> = (1..40u8).map(|last| IpAddr::from([93, 184, 216, last])).collect();
            many.push("10.0.0.1".parse()?);
            let name = named(&system, Answers::to(&many)).await?;
            called(&system, &name).await?.not_sent()
        }),
    ]
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

type Tried = futures_util::future::LocalBoxFuture<'static, anyhow::Result<()>>;

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

async fn hook(system: &System, url: &str) -> anyhow::Result<String> {
    let channel =
        json!({ "name": format!("c{}", system.number()), "type": "webhook", "config": { "url": url } });
    let made = system.ask("POST", "/v1/notification-channels", &channel).await?.expect(201)?;
    text(&made["id"])
}

/// There is room for so many channels.
async fn no_more(system: &System, path: &str) -> anyhow::Result<()> {
    system.ask("DELETE", path, &Value::Null).await?.expect(204).map(drop)
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

/// An execution that is over.
struct Ended(Value);

impl Ended {
    fn attempt(&self) -> &Value {
        &self.0["attempts"][0]
    }

    fn blocked(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "failed" && self.attempt()["status"] == "blocked", "{}", self.0);
        self.not_sent()
    }

    /// Whatever the reason: there is no other end of the connection.
    fn not_sent(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "failed" && self.attempt()["remote_address"].is_null(), "{}", self.0);
        ensure!(self.attempt()["status_code"].is_null(), "{}", self.0);
        Ok(())
    }

    fn succeeded(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "succeeded", "{}", self.0);
        Ok(())
    }
}

fn unique(system: &System) -> String {
    format!("n{}.attack.example", system.number())
}

fn addresses(list: &[&str]) -> anyhow::Result<Vec<IpAddr>> {
    Ok(list.iter().map(|address| address.parse()).collect::<Result<_, _>>()?)
}

async fn named(system: &System, answers: Answers) -> anyhow::Result<String> {
    let name = unique(system);
    system.outside()?.names.set_answers(&name, answers);
    Ok(name)
}

async fn called(system: &System, host: &str) -> anyhow::Result<Ended> {
    let request = json!({ "url": format!("http://{host}/called/{}", system.number()), "timeout_seconds": 5 });
    Ok(Ended(system.run(request).await?))
}

/// What may be called is called: the guard does not shut out everybody.
async fn arrives(system: &System, host: &str) -> anyhow::Result<()> {
    let path = format!("/arrives/{}", system.number());
    let ended = Ended(system.run(json!({ "url": format!("http://{host}{path}") })).await?);
    ended.succeeded()?;
    let hits = system.outside()?.target.hits();
    ensure!(hits.iter().filter(|hit| hit.path == path).count() == 1, "it did not arrive once");
    Ok(())
}

async fn leads_to(system: Arc<System>, list: Vec<&str>) -> anyhow::Result<()> {
    let name = named(&system, Answers::to(&addresses(&list)?)).await?;
    called(&system, &name).await?.blocked()
}

/// The fifth door: a test of a channel.
async fn channel_leads_to(system: Arc<System>, address: &str) -> anyhow::Result<()> {
    let name = named(&system, Answers::to(&addresses(&[address])?)).await?;
    let channel = hook(&system, &format!("http://{name}/")).await?;
    let path = format!("/v1/notification-channels/{channel}/test");
    // There are few tests a minute.
    let mut asked = Value::Null;
    until(Duration::from_secs(50), async || match system.ask("POST", &path, &Value::Null).await {
        Ok(reply) if reply.status == 202 => {
            asked = reply.json();
            true
        }
        _ => false,
    })
    .await?;
    let path = format!("/v1/notifications/{}", text(&asked["id"])?);
    let mut seen = Value::Null;
    until(Duration::from_secs(20), async || {
        seen = system.ask("GET", &path, &Value::Null).await.map(|reply| reply.json()).unwrap_or_default();
        seen["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())
    })
    .await?;
    ensure!(seen["attempts"][0]["error_class"] == "egress_refused", "{seen}");
    no_more(&system, &format!("/v1/notification-channels/{channel}")).await?;
    Ok(())
}

async fn rebinding(system: Arc<System>) -> anyhow::Result<()> {
    let first = Answers::to(&addresses(&["93.184.216.34"])?);
    let name = named(&system, first).await?;
    arrives(&system, &name).await?;
    // Kept connections were judged when they were dialled; a new one is judged anew.
    system.outside()?.target.close_connections().await;
    system.outside()?.names.set_answers(&name, Answers::to(&addresses(&["10.0.0.1"])?));
    called(&system, &name).await?.blocked()
}

/// An alias that comes with its addresses in one answer.
async fn aliased(system: &System, list: &[&str]) -> anyhow::Result<Ended> {
    let inner = named(system, Answers::to(&addresses(list)?)).await?;
    let name = named(system, Answers::to(&addresses(list)?).alias(&inner)).await?;
    called(system, &name).await
}

/// Aliases that have to be followed one by one.
async fn chained(system: &System, address: &str) -> anyhow::Result<Ended> {
    let mut name = named(system, Answers::to(&addresses(&[address])?)).await?;
    for _ in 0..3 {
        name = named(system, Answers::default().alias(&name)).await?;
    }
    called(system, &name).await
}

async fn redirected(system: Arc<System>, status: u16, to: &'static str) -> anyhow::Result<()> {
    let path = format!("/redirect/{}", system.number());
    let target = &system.outside()?.target;
    target.answer(&path, Script::status(status).header("location", to));
    let ended = Ended(system.run(json!({ "url": format!("http://93.184.216.34{path}") })).await?);
    let attempt = ended.attempt();
    ensure!(attempt["status"] == "http_error" && attempt["status_code"] == status, "{attempt}");
    ensure!(attempt["response_headers"].to_string().contains(to), "the Location is not recorded: {attempt}");
    Ok(())
}
