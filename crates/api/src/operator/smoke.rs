//! The smoke test after an installation or an upgrade: a job fires and succeeds, end to end.

use anyhow::{Context, anyhow, bail, ensure};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        id::{TokenId, WorkspaceId},
        operator::OperatorAuthor,
        rights::Giver,
        workspace::Workspace,
    },
    store::{self, Conn, tenants, tokens},
};

use crate::operator::client::Client;

const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Creates a workspace with a job that calls `target` immediately, and waits until its execution has succeeded. Always deletes the workspace,
/// even when `stop` is cancelled. `url` is the URL of the API, `http://host:port` or `https://host:port`.
pub async fn run(
    conn: &mut Conn,
    url: &str,
    target: &str,
    timeout: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let api = server(url)?;
    let by = OperatorAuthor {
        operator_id: None,
        operator: "trigrun-api smoke".to_owned(),
        reason: "smoke test".to_owned(),
        at: store::clock::now(conn).await?,
        request_id: None,
        address: None,
    };
    let workspace = Workspace { id: WorkspaceId::at(by.at), name: "smoke test".to_owned() };
    tenants::insert(conn, &workspace, &by).await?;
    let outcome = stop.run_until_cancelled(async {
        let client = Client::new(&api, Some(token(conn, workspace.id, &by).await?))?;
        run_job(&client, target, timeout).await
    });
    let outcome = outcome.await.unwrap_or_else(|| Err(anyhow!("interrupted")));
    let by = OperatorAuthor { at: store::clock::now(conn).await?, ..by };
    let deleted = tenants::delete(conn, workspace.id, &by).await;
    outcome.and(deleted.with_context(|| format!("cannot delete the workspace {}", workspace.id)))
}

async fn token(conn: &mut Conn, workspace: WorkspaceId, by: &OperatorAuthor) -> anyhow::Result<String> {
    let secret = crypto::new_token(TokenKind::Api)?;
    let token = tokens::NewToken {
        id: TokenId::at(by.at),
        name: "smoke test",
        hash: &crypto::token_hash(&secret),
        scopes: Scope::ALL,
        expires_at: Some(by.at + TimeDelta::hours(1)),
        giver: &Giver::Operator,
    };
    tokens::insert_by_operator(conn, workspace, token, by).await?;
    Ok(secret.reveal().to_owned())
}

/// The scheme, host and port of a URL that has nothing else.
fn server(url: &str) -> anyhow::Result<String> {
    let is_known = |scheme: &&str| ["http", "https"].contains(scheme);
    let (scheme, host) = url
        .split_once("://")
        .filter(|(scheme, _)| is_known(scheme))
        .context("--url must start with http:// or https://")?;
    let host = host.trim_end_matches('/');
    ensure!(!host.is_empty() && !host.contains(['/', '?', '#', '@']), "--url must end after host and port");
    Ok(format!("{scheme}://{host}"))
}

async fn run_job(client: &Client, target: &str, timeout: Duration) -> anyhow::Result<()> {
    // A single attempt, so that a failure is reported immediately.
    let job = json!({
        "name": "smoke test", "kind": "one_time", "retry_policy": { "max_attempts": 1 },
        "request": { "url": target, "timeout_seconds": 10 },
    });
    let job = client.post("/v1/jobs", &job).await.context("cannot create the job")?;
    let path = format!("/v1/jobs/{}/executions", job["id"].as_str().context("the job has no id")?);
    println!("created a job that calls {target}");
    let deadline = Instant::now() + timeout;
    loop {
        let list = client.get(&path).await?;
        match &list["data"][0] {
            ended if ended["finished_at"].is_string() => return report(client, ended).await,
            waiting if Instant::now() > deadline => {
                let status = waiting["status"].as_str().unwrap_or("not recorded");
                bail!(
                    "after {timeout:?}, the execution is {status}: check that schedulers and executors run, and read their logs"
                )
            }
            _ => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

async fn report(client: &Client, ended: &Value) -> anyhow::Result<()> {
    let id = ended["id"].as_str().unwrap_or_default();
    let execution = client.get(&format!("/v1/executions/{id}")).await?;
    let attempt = &execution["attempts"][0];
    ensure!(
        execution["status"] == "succeeded",
        "the execution {}: {}",
        execution["status"].as_str().unwrap_or_default(),
        attempt["error"].as_str().unwrap_or("there was no attempt")
    );
    println!(
        "the execution succeeded: lateness {} ms, {target} returned {}",
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
    fn the_url_of_an_api_is_scheme_host_and_port() {
        assert_eq!(server("http://trigrun-api").unwrap(), "http://trigrun-api");
        assert_eq!(server("http://127.0.0.1:8080/").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(server("https://example.com").unwrap(), "https://example.com");
        let invalid = ["ftp://example.com", "trigrun-api", "http://", "https://a@b", "http://trigrun-api/v1"];
        for url in invalid {
            assert!(server(url).is_err(), "{url}");
        }
    }
}
