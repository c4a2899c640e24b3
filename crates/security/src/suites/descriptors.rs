//! Suite T: an executor without file descriptors. What it lacks is never recorded as the fault of a target, a name server or a mail server:
//! the work waits, and is done once there are descriptors again.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;
use trigrun_testkit::{due, mail::MailServer};

use super::execution::{create_webhook, delete_channel};
use crate::{
    case::{Case, Suite},
    system::{System, Tenant, once, text},
};

/// With so many open files, an executor starts, and says that they may not suffice.
const FEW_FILES: u64 = 1024;
/// With so many, it does not.
const TOO_FEW_FILES: u64 = 256;
/// Below every file that is opened from then on.
const NO_MORE_FILES: u64 = 3;
const WAIT: Duration = Duration::from_secs(90);

static EXECUTOR: Mutex<Option<MailServer>> = Mutex::const_new(None);

pub fn cases() -> Vec<Case> {
    let run = |name: &'static str, url: &'static str| {
        Case::dialling(Suite::Descriptors, format!("none for a run: {name}"), move |system| {
            run_waits(system, url)
        })
    };
    vec![
        Case::dialling(Suite::Descriptors, "too few to start", |system| async move {
            let _one_at_a_time = EXECUTOR.lock().await;
            let name = format!("executor-{}", system.number());
            let log = system.failing_executor(&name, TOO_FEW_FILES).await?;
            ensure!(log.contains("at most 256 files may be open, and an executor needs"), "{log}");
            Ok(())
        }),
        Case::dialling(Suite::Descriptors, "few, which the start-up says", |system| async move {
            let _executor = starved(&system).await?;
            let log = system.executor_log()?;
            ensure!(log.contains("the limit of open files is below what the settings can need"), "{log}");
            Ok(())
        }),
        run("over IPv4", "http://93.184.216.34/descriptors"),
        run("over IPv6", "http://[2606:4700::1111]/descriptors"),
        run("with a name", "http://target.test/descriptors"),
        run("over TLS", "https://target.test/descriptors"),
        Case::dialling(Suite::Descriptors, "none for a webhook", |system| async move {
            let _executor = starved(&system).await?;
            let channel = create_webhook(&system, "http://93.184.216.34/descriptors/hook").await?;
            notification_waits(&system, &channel).await
        }),
        Case::dialling(Suite::Descriptors, "none for an e-mail", |system| async move {
            let executor = starved(&system).await?;
            let name = format!("c{}", system.number());
            let channel =
                json!({ "name": name, "type": "email", "config": { "to": [format!("{name}@example.com")] } });
            let created = system.call("POST", "/v1/notification-channels", &channel).await?.expect(201)?;
            notification_waits(&system, &text(&created["id"])?).await?;
            let messages = executor.as_ref().context("no mail server")?.messages();
            let received = messages.iter().filter(|message| message.to.concat().starts_with(&name)).count();
            ensure!(received == 1, "{received} messages");
            Ok(())
        }),
    ]
}

/// One case at a time, with an executor that may open few files, and that has a mail server.
async fn starved(system: &System) -> anyhow::Result<tokio::sync::MutexGuard<'static, Option<MailServer>>> {
    let mut executor = EXECUTOR.lock().await;
    if executor.is_none() {
        let server = MailServer::start().await?;
        // By its name, which takes a file to look up.
        let url = server.url().replace("127.0.0.1", "localhost");
        let settings = [
            ("TRIGRUN__SMTP__URL", url.as_str()),
            ("TRIGRUN__SMTP__FROM", "noreply@example.com"),
            ("TRIGRUN__TELEMETRY__LOG_FILTER", "info,trigrun_executor::egress=debug"),
        ];
        system.replace_executor_with_files("starved-executor", FEW_FILES, &settings).await?;
        // It has opened what it needs for itself.
        system.run(json!({ "url": "http://93.184.216.34/descriptors" })).await?;
        *executor = Some(server);
    }
    Ok(executor)
}

/// While the executor lacks files, `has_noticed` comes true of what it has logged since, and then `is_untouched` holds.
async fn without_files(
    system: &System,
    sign: &str,
    is_untouched: impl AsyncFnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let logged = || system.executor_log().map(|log| log.matches(sign).count());
    let before = logged()?;
    let noticed = async || logged().is_ok_and(|times| times > before);
    let noticed = due::until(&format!("the executor logs: {sign}"), WAIT, noticed).await;
    let untouched = is_untouched().await;
    system.limit_files(FEW_FILES)?;
    noticed?;
    untouched
}

async fn run_waits(system: Arc<System>, url: &'static str) -> anyhow::Result<()> {
    let _executor = starved(&system).await?;
    // A new workspace, which has no connection from before.
    let tenant: Tenant = system.sign_up(&format!("descriptors-{}", system.number())).await?;
    let job = once(json!({ "url": format!("{url}/{}", system.number()) }));
    system.limit_files(NO_MORE_FILES)?;
    let created = system.call_as(&tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
    let path = format!("/v1/executions/{}", text(&created["execution_id"])?);
    without_files(&system, "cannot open connections", async || {
        let seen = system.call_as(&tenant.token, "GET", &path, &Value::Null).await?.expect(200)?;
        ensure!(seen["finished_at"].is_null() && seen["attempts"] == json!([]), "{seen}");
        Ok(())
    })
    .await?;
    let ended = system.ended_as(&tenant.token, &created["execution_id"]).await?;
    let attempts = ended["attempts"].as_array().context("no attempts")?;
    ensure!(ended["status"] == "succeeded" && attempts.len() == 1, "{ended}");
    Ok(())
}

/// A test of this channel, which is deleted.
async fn notification_waits(system: &System, channel: &str) -> anyhow::Result<()> {
    let path = format!("/v1/notification-channels/{channel}");
    system.limit_files(NO_MORE_FILES)?;
    let test = system.call("POST", &format!("{path}/test"), &Value::Null).await?.expect(202)?;
    let notification = format!("/v1/notifications/{}", text(&test["id"])?);
    let get = async || system.call("GET", &notification, &Value::Null).await?.expect(200);
    without_files(system, "not sent; it is retried", async || {
        let seen = get().await?;
        ensure!(seen["finished_at"].is_null() && seen["attempts"] == json!([]), "{seen}");
        Ok(())
    })
    .await?;
    let mut seen = Value::Null;
    let delivered = async || {
        seen = get().await.unwrap_or_default();
        !seen["finished_at"].is_null()
    };
    due::until("the notification is delivered", WAIT, delivered).await?;
    ensure!(seen["status"] == "succeeded", "{seen}");
    ensure!(seen["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1), "{seen}");
    delete_channel(system, &path).await
}
