//! A job that fires and succeeds, from end to end: for whoever has just installed or upgraded.

use anyhow::{Context, anyhow, bail, ensure};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        audit::Author,
        id::{TokenId, WorkspaceId},
        workspace::Workspace,
    },
    store::{self, Conn, tokens, workspaces},
};

use crate::operator::client::Client;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Makes a workspace, in it a job that calls `target` now, and waits until its execution has succeeded. The workspace is deleted in any case,
/// also when `stop` is cancelled meanwhile. `url` is where the API is, `http://host:port`.
pub async fn run(
    conn: &mut Conn,
    url: &str,
    target: &str,
    within: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let api = address(url)?;
    let by = Author::operator(store::clock::now(conn).await?);
    let workspace = Workspace { id: WorkspaceId::at(by.at), name: "smoke test".to_owned() };
    workspaces::insert(conn, &workspace, &by).await?;
    let played = stop.run_until_cancelled(async {
        let client = Client { api, token: token(conn, workspace.id, &by).await? };
        play(&client, target, within).await
    });
    let played = played.await.unwrap_or_else(|| Err(anyhow!("it was told to stop")));
    let deleted = workspaces::delete(conn, workspace.id, by.at).await;
    played.and(deleted.with_context(|| format!("the workspace {} cannot be deleted again", workspace.id)))
}

async fn token(conn: &mut Conn, workspace: WorkspaceId, by: &Author) -> anyhow::Result<String> {
    let secret = crypto::new_token(TokenKind::Api)?;
    let token = tokens::NewToken {
        id: TokenId::at(by.at),
        name: "smoke test",
        hash: &crypto::token_hash(&secret),
        scopes: Scope::ALL,
        expires_at: Some(by.at + TimeDelta::hours(1)),
        created_by: None,
    };
    tokens::insert(conn, workspace, token, by, None).await?;
    Ok(secret.reveal().to_owned())
}

/// `host:port` of an `http://` URL.
fn address(url: &str) -> anyhow::Result<String> {
    let host =
        url.strip_prefix("http://").context("--url is to begin with http://: it is asked from nearby")?;
    let host = host.trim_end_matches('/');
    ensure!(!host.is_empty() && !host.contains('/'), "--url is to end after host and port");
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { host.to_owned() } else { format!("{host}:80") })
}

async fn play(client: &Client, target: &str, within: Duration) -> anyhow::Result<()> {
    // Once, so that what is wrong is told at once.
    let job = json!({
        "name": "smoke test", "kind": "one_time", "retry_policy": { "max_attempts": 1 },
        "request": { "url": target, "timeout_seconds": 10 },
    });
    let job = client.post("/v1/jobs", &job).await.context("the job cannot be made")?;
    let path = format!("/v1/jobs/{}/executions", job["id"].as_str().context("the job has no id")?);
    println!("made a job that calls {target} now");
    let give_up = Instant::now() + within;
    loop {
        let list = client.get(&path).await?;
        match &list["data"][0] {
            ended if ended["finished_at"].is_string() => return judge(client, ended).await,
            waiting if Instant::now() > give_up => {
                let status = waiting["status"].as_str().unwrap_or("not recorded");
                bail!(
                    "after {within:?} its execution is {status}: see that schedulers and executors run, and what they log"
                )
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

async fn judge(client: &Client, ended: &Value) -> anyhow::Result<()> {
    let id = ended["id"].as_str().unwrap_or_default();
    let execution = client.get(&format!("/v1/executions/{id}")).await?;
    let attempt = &execution["attempts"][0];
    ensure!(
        execution["status"] == "succeeded",
        "it fired and {}: {}",
        execution["status"].as_str().unwrap_or_default(),
        attempt["error"].as_str().unwrap_or("no attempt was made")
    );
    println!(
        "it fired {} ms late, and {target} answered {}",
        execution["lateness_ms"],
        attempt["status_code"],
        target = attempt["remote_address"].as_str().unwrap_or("the target")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_nearby_is_named_by_its_url() {
        assert_eq!(address("http://trigrun-api").unwrap(), "trigrun-api:80");
        assert_eq!(address("http://127.0.0.1:8080/").unwrap(), "127.0.0.1:8080");
        for wrong in ["https://example.com", "trigrun-api", "http://", "http://trigrun-api/v1"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
