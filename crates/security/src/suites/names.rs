//! Suite B: names, checked when they are dialled, whatever the name server responds.

use anyhow::ensure;
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc, time::Duration};
use trigrun_testkit::{due, target::Answers};

use super::execution::{Ended, arrives, create_webhook, delete_channel};
use crate::{
    case::{Case, Suite},
    system::{System, text},
};

/// Forbidden addresses.
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

/// The addresses with which channels are tested: the tests of a workspace are limited.
const TESTED: &[&str] =
    &["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "64:ff9b::a00:1", "fd00:ec2::254"];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for address in ADDRESSES {
        cases.push(Case::dialling(Suite::Names, format!("a name that leads to {address}"), |system| {
            leads_to(system, vec![address])
        }));
        cases.push(Case::dialling(
            Suite::Names,
            format!("a name that leads to {address} and elsewhere"),
            |system| leads_to(system, vec!["93.184.216.34", address]),
        ));
    }
    for address in TESTED {
        cases.push(Case::dialling(
            Suite::Names,
            format!("a test of a channel that leads to {address}"),
            |system| channel_leads_to(system, address),
        ));
    }
    cases.extend(special_names());
    cases
}

/// Names with other responses of the name server.
fn special_names() -> [Case; 11] {
    [
        Case::dialling(Suite::Names, "a name that leads to a public address", |system| async move {
            let name = named(&system, Answers::to(&addresses(&["93.184.216.34"])?)).await?;
            arrives(&system, &name).await
        }),
        Case::dialling(Suite::Names, "rebinding: the second response is another", rebinding),
        Case::dialling(Suite::Names, "an alias of a private name", |system| async move {
            aliased(&system, &["10.0.0.1"]).await?.is_blocked()
        }),
        Case::dialling(Suite::Names, "a chain of aliases to a private address", |system| async move {
            chained(&system, "169.254.169.254").await?.is_blocked()
        }),
        Case::dialling(Suite::Names, "a chain of aliases to a public address", |system| async move {
            chained(&system, "93.184.216.34").await?.has_succeeded()
        }),
        Case::dialling(Suite::Names, "a cycle of aliases", |system| async move {
            let (one, two) = (unique(&system), unique(&system));
            let names = &system.targets()?.names;
            names.set_answers(&one, Answers::default().alias(&two));
            names.set_answers(&two, Answers::default().alias(&one));
            called(&system, &one).await?.is_unsent()
        }),
        Case::dialling(Suite::Names, "a name without a response", |system| async move {
            let name = named(&system, Answers::default().dropped()).await?;
            called(&system, &name).await?.is_unsent()
        }),
        Case::dialling(Suite::Names, "a slow response with a private address", |system| async move {
            let slow = Answers::to(&addresses(&["10.0.0.1"])?).after(Duration::from_millis(700));
            let name = named(&system, slow).await?;
            called(&system, &name).await?.is_blocked()
        }),
        Case::dialling(Suite::Names, "a name without an address", |system| async move {
            let name = named(&system, Answers::default()).await?;
            called(&system, &name).await?.is_unsent()
        }),
        Case::dialling(Suite::Names, "a name of /etc/hosts with a private address", |system| async move {
            called(&system, "hosts.attack.example").await?.is_blocked()
        }),
        Case::dialling(Suite::Names, "forty addresses, the last of them private", |system| async move {
            let mut many: Vec<IpAddr> = (1..40u8).map(|last| IpAddr::from([93, 184, 216, last])).collect();
            many.push("10.0.0.1".parse()?);
            let name = named(&system, Answers::to(&many)).await?;
            called(&system, &name).await?.is_unsent()
        }),
    ]
}

fn unique(system: &System) -> String {
    format!("n{}.attack.example", system.number())
}

fn addresses(list: &[&str]) -> anyhow::Result<Vec<IpAddr>> {
    Ok(list.iter().map(|address| address.parse()).collect::<Result<_, _>>()?)
}

async fn named(system: &System, answers: Answers) -> anyhow::Result<String> {
    let name = unique(system);
    system.targets()?.names.set_answers(&name, answers);
    Ok(name)
}

async fn called(system: &System, host: &str) -> anyhow::Result<Ended> {
    let request = json!({ "url": format!("http://{host}/called/{}", system.number()), "timeout_seconds": 5 });
    Ok(Ended(system.run(request).await?))
}

async fn leads_to(system: Arc<System>, list: Vec<&str>) -> anyhow::Result<()> {
    let name = named(&system, Answers::to(&addresses(&list)?)).await?;
    called(&system, &name).await?.is_blocked()
}

/// The fifth entry point: a test of a channel.
async fn channel_leads_to(system: Arc<System>, address: &str) -> anyhow::Result<()> {
    let name = named(&system, Answers::to(&addresses(&[address])?)).await?;
    let channel = create_webhook(&system, &format!("http://{name}/")).await?;
    let path = format!("/v1/notification-channels/{channel}/test");
    // The tests of a minute are limited.
    let mut queued = Value::Null;
    due::until("the test is accepted", Duration::from_secs(50), async || {
        match system.call("POST", &path, &Value::Null).await {
            Ok(response) if response.status == 202 => {
                queued = response.json();
                true
            }
            _ => false,
        }
    })
    .await?;
    let path = format!("/v1/notifications/{}", text(&queued["id"])?);
    let mut seen = Value::Null;
    due::until("the test is attempted", Duration::from_secs(20), async || {
        seen =
            system.call("GET", &path, &Value::Null).await.map(|response| response.json()).unwrap_or_default();
        seen["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())
    })
    .await?;
    ensure!(seen["attempts"][0]["error_class"] == "egress_refused", "{seen}");
    delete_channel(&system, &format!("/v1/notification-channels/{channel}")).await?;
    Ok(())
}

async fn rebinding(system: Arc<System>) -> anyhow::Result<()> {
    let first = Answers::to(&addresses(&["93.184.216.34"])?);
    let name = named(&system, first).await?;
    arrives(&system, &name).await?;
    // A kept connection was checked when it was dialled; a new one is checked again.
    system.targets()?.plain.close_connections().await;
    system.targets()?.names.set_answers(&name, Answers::to(&addresses(&["10.0.0.1"])?));
    called(&system, &name).await?.is_blocked()
}

/// An alias that comes with its addresses in one response.
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
