//! A workspace that is worth looking at: a hundred jobs of all kinds against a built-in target, some of which fail, with a day of history.
//!
//! The jobs are created through the API and run like any other. Only their history is made up: it is written into the database as if they
//! had run.

mod history;
mod jobs;
mod target;

use anyhow::Context;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;
use trigrun_api::operator::client::Client;

const EMAIL: &str = "demo@example.com";
const PASSWORD: &str = "correct horse battery";

/// Serves the target until `stop`, and creates the workspace unless it exists. Returns how to log in.
pub async fn start(address: SocketAddr, database: &str, stop: CancellationToken) -> anyhow::Result<String> {
    let api = format!("http://{address}");
    let target = target::serve(address, stop).await?;
    let log_in = format!("log in as {EMAIL} with the password: {PASSWORD}");
    let user = json!({ "email": EMAIL, "password": PASSWORD, "name": "Demo", "workspace_name": "Demo" });
    let without_token = Client::new(&api, None)?;
    if without_token.post("/v1/auth/login", &json!({ "email": EMAIL, "password": PASSWORD })).await.is_ok() {
        return Ok(log_in);
    }
    let created = without_token.post("/v1/auth/signup", &user).await.context("the user cannot be created")?;
    let client = Client::new(&api, Some(text(&created["token"])?.to_owned()))?;
    client.post("/v1/secrets", &json!({ "name": "api-key", "value": "a key of the demonstration" })).await?;
    let batch = client.post("/v1/jobs/batch", &json!({ "items": jobs::all(target) })).await?;
    let ids: Vec<&Value> =
        batch["created"].as_array().context("no jobs were created")?.iter().map(|job| &job["id"]).collect();
    let pause = json!({ "note": "The partner moves to a new address." });
    for id in ids.iter().take(jobs::PAUSED) {
        client.post(&format!("/v1/jobs/{}/pause", text(id)?), &pause).await?;
    }
    let channel = json!({ "name": "on call", "type": "webhook", "config": { "url": format!("http://hooks.localhost:{target}/204/20") } });
    let channel = client.post("/v1/notification-channels", &channel).await?;
    let rule = json!({ "channel_id": channel["id"], "event": "on_failure", "after_failures": 3 });
    client.post("/v1/notification-rules", &rule).await?;
    history::write(database, "Demo").await?;
    Ok(log_in)
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().with_context(|| format!("{value} is not a string"))
}
