//! Suite S: accounts whose requests hang share a shard, and a small executor, with another one. Its runs end while all of those still hang:
//! the verdict is a matter of order, not of time (docs/fairness.md).

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Mutex};
use trigrun_core::domain::{id::WorkspaceId, workspace::shard};
use trigrun_testkit::{due, target::Script};

use crate::{
    case::{Case, Suite},
    system::{System, Tenant, text},
};

/// Permits of the executor.
const MAX_IN_FLIGHT: usize = 64;
/// Runs that one account asks for: more than it gets permits.
const HANGING: usize = 80;
/// For each account that hangs, so many runs are in flight at least, before the other account runs.
const MIN_IN_FLIGHT: usize = 8;
/// Runs of the other account, one after another.
const RUNS: usize = 3;
/// Tests of channels that a workspace may make in a minute: more than an executor delivers for one at the same time.
const TESTS: usize = 10;
const FILL_TIMEOUT: Duration = Duration::from_secs(60);
/// Never responds, and never accepts TLS.
const DEAF_PORT: u16 = 4800;

static EXECUTOR: Mutex<bool> = Mutex::const_new(false);

pub fn cases() -> Vec<Case> {
    let hanging = |name: &'static str, accounts: usize, url: fn(u64) -> String| {
        Case::dialling(Suite::Shares, name, move |system| beside(system, accounts, url))
    };
    vec![
        hanging("a target that never responds", 1, |n| format!("http://93.184.216.34/deaf/{n}")),
        hanging("three accounts whose targets never respond", 3, |n| {
            format!("http://93.184.216.34/deaf/{n}")
        }),
        hanging("a target whose body drips", 1, |n| format!("http://93.184.216.34/drip/{n}")),
        hanging("a server that never ends the TLS handshake", 1, |_| {
            format!("https://93.184.216.34:{DEAF_PORT}/")
        }),
        // Everything else is routed into nowhere.
        hanging("an address without a machine", 1, |_| "http://8.8.8.8/".to_owned()),
        Case::dialling(Suite::Shares, "channels that never respond", channels),
    ]
}

/// Runs of another account of the shard end while so many accounts hang.
async fn beside(system: Arc<System>, accounts: usize, url: fn(u64) -> String) -> anyhow::Result<()> {
    let _one_at_a_time = small_executor(&system).await?;
    // The kernel completes connections that are not accepted.
    let _deaf = TcpListener::bind(("93.184.216.34", DEAF_PORT)).await?;
    let mut tenants = of_one_shard(&system, accounts + 1).await?;
    let other = tenants.pop().context("no tenant")?;
    let mut hanging = Vec::new();
    for tenant in &tenants {
        let url = url(system.number());
        prepare(&system, &url)?;
        hanging.extend(hang(&system, tenant, &url).await?.into_iter().map(|id| (tenant.token.clone(), id)));
    }
    let plenty = async || running(&system, &hanging).await.is_ok_and(|n| n >= accounts * MIN_IN_FLIGHT);
    due::until("the share of each account is in use", FILL_TIMEOUT, plenty).await?;
    for _ in 0..RUNS {
        let path = format!("/beside/{}", system.number());
        let run = run_now(&system, &other, &format!("http://93.184.216.34{path}"), 60).await?;
        let ended = system.ended_as(&other.token, &run).await?;
        ensure!(ended["status"] == "succeeded" && ended["attempt_count"] == 1, "{ended}");
    }
    for (token, id) in &hanging {
        let seen = execution(&system, token, id).await?;
        ensure!(seen["finished_at"].is_null(), "one that hangs has ended before: {seen}");
    }
    delete(&system, tenants).await
}

/// A notification arrives while channels of another account of the shard hang.
async fn channels(system: Arc<System>) -> anyhow::Result<()> {
    let _one_at_a_time = small_executor(&system).await?;
    let mut tenants = of_one_shard(&system, 2).await?;
    let (other, deaf) = (tenants.pop().context("no tenant")?, tenants.pop().context("no tenant")?);
    let targets = system.targets()?;
    let path = format!("/channels/{}", system.number());
    targets.plain.respond(&path, Script::Never);
    let deaf_channel = channel(&system, &deaf, &format!("http://93.184.216.34{path}")).await?;
    let mut waiting = Vec::new();
    for _ in 0..TESTS {
        waiting.push(notify(&system, &deaf, &deaf_channel).await?);
    }
    let arrived = || targets.plain.hits().iter().filter(|hit| hit.path == path).count();
    due::until("deliveries hang", FILL_TIMEOUT, async || arrived() >= MIN_IN_FLIGHT).await?;
    let channel = channel(&system, &other, "http://93.184.216.34/channels/other").await?;
    let notification = notify(&system, &other, &channel).await?;
    let status = async |tenant: &Tenant, id: &Value| {
        let path = format!("/v1/notifications/{}", text(id)?);
        let seen = system.call_as(&tenant.token, "GET", &path, &Value::Null).await?.expect(200)?;
        anyhow::Ok(seen["status"].clone())
    };
    let delivered = async || status(&other, &notification).await.is_ok_and(|status| status == "succeeded");
    due::until("the other notification is delivered", FILL_TIMEOUT, delivered).await?;
    for id in &waiting {
        let status = status(&deaf, id).await?;
        ensure!(status != "succeeded" && status != "failed", "one that hangs has ended before: {status}");
    }
    delete(&system, vec![deaf]).await
}

/// One case at a time, with an executor that has few permits.
async fn small_executor(system: &System) -> anyhow::Result<tokio::sync::MutexGuard<'static, bool>> {
    let mut is_small = EXECUTOR.lock().await;
    if !*is_small {
        let permits = MAX_IN_FLIGHT.to_string();
        let settings = [("TRIGRUN__EXECUTOR__MAX_IN_FLIGHT", permits.as_str())];
        system.replace_executor("small-executor", &settings).await?;
        *is_small = true;
    }
    Ok(is_small)
}

/// New accounts whose workspaces are in one shard.
async fn of_one_shard(system: &System, count: usize) -> anyhow::Result<Vec<Tenant>> {
    let mut shards: HashMap<i16, Vec<Tenant>> = HashMap::new();
    loop {
        let tenant = system.sign_up(&format!("shard-{}", system.number())).await?;
        let id: WorkspaceId = tenant.workspace.parse().ok().context("not the id of a workspace")?;
        let together = shards.entry(shard(id)).or_default();
        together.push(tenant);
        if together.len() == count {
            return Ok(std::mem::take(together));
        }
    }
}

/// Lets the target hang for this URL.
fn prepare(system: &System, url: &str) -> anyhow::Result<()> {
    let targets = system.targets()?;
    if let Some(path) = url.strip_prefix("http://93.184.216.34") {
        let drips = path.starts_with("/drip");
        let script = if drips { Script::DripBody(Duration::from_millis(100)) } else { Script::Never };
        targets.plain.respond(path, script);
    }
    Ok(())
}

/// Asks for runs that hang; returns their ids.
async fn hang(system: &System, tenant: &Tenant, url: &str) -> anyhow::Result<Vec<Value>> {
    let runs = (0..HANGING).map(|_| run_now(system, tenant, url, 300));
    stream::iter(runs).buffered(8).try_collect().await
}

async fn run_now(system: &System, tenant: &Tenant, url: &str, timeout: u16) -> anyhow::Result<Value> {
    let job = json!({ "name": "hangs", "kind": "one_time", "retry_policy": { "max_attempts": 1 },
        "request": { "url": url, "timeout_seconds": timeout } });
    let created = system.call_as(&tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
    Ok(created["execution_id"].clone())
}

async fn execution(system: &System, token: &str, id: &Value) -> anyhow::Result<Value> {
    let path = format!("/v1/executions/{}", text(id)?);
    system.call_as(token, "GET", &path, &Value::Null).await?.expect(200)
}

/// How many of them an executor has leased.
async fn running(system: &System, hanging: &[(String, Value)]) -> anyhow::Result<usize> {
    let mut running = 0;
    for (token, id) in hanging {
        running += usize::from(execution(system, token, id).await?["status"] == "running");
    }
    Ok(running)
}

async fn channel(system: &System, tenant: &Tenant, url: &str) -> anyhow::Result<String> {
    let config =
        json!({ "name": format!("c{}", system.number()), "type": "webhook", "config": { "url": url } });
    let created = system.call_as(&tenant.token, "POST", "/v1/notification-channels", &config).await?;
    text(&created.expect(201)?["id"])
}

/// A test of a channel; the id of the notification.
async fn notify(system: &System, tenant: &Tenant, channel: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/notification-channels/{channel}/test");
    let created = system.call_as(&tenant.token, "POST", &path, &Value::Null).await?.expect(202)?;
    Ok(created["id"].clone())
}

/// What hangs ends with its workspace.
async fn delete(system: &System, tenants: Vec<Tenant>) -> anyhow::Result<()> {
    for tenant in tenants {
        system.call_as(&tenant.session, "DELETE", "/v1/workspace", &Value::Null).await?.expect(204)?;
    }
    Ok(())
}
