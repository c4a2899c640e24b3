//! What the cases that dial have in common: checks of an execution that has ended, and channels.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::system::{System, text};

/// An execution that has ended.
pub struct Ended(pub Value);

impl Ended {
    pub fn attempt(&self) -> &Value {
        &self.0["attempts"][0]
    }

    pub fn is_blocked(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "failed" && self.attempt()["status"] == "blocked", "{}", self.0);
        self.is_unsent()
    }

    /// For any reason: there was no peer.
    pub fn is_unsent(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "failed" && self.attempt()["remote_address"].is_null(), "{}", self.0);
        ensure!(self.attempt()["status_code"].is_null(), "{}", self.0);
        Ok(())
    }

    pub fn has_succeeded(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "succeeded", "{}", self.0);
        Ok(())
    }
}

/// A request to an allowed host arrives: the guard does not refuse everything.
pub async fn arrives(system: &System, host: &str) -> anyhow::Result<()> {
    let path = format!("/arrives/{}", system.number());
    let ended = Ended(system.run(json!({ "url": format!("http://{host}{path}") })).await?);
    ended.has_succeeded()?;
    let hits = system.targets()?.plain.hits();
    ensure!(hits.iter().filter(|hit| hit.path == path).count() == 1, "it did not arrive once");
    Ok(())
}

/// A channel that calls this URL.
pub async fn create_webhook(system: &System, url: &str) -> anyhow::Result<String> {
    let channel =
        json!({ "name": format!("c{}", system.number()), "type": "webhook", "config": { "url": url } });
    let created = system.call("POST", "/v1/notification-channels", &channel).await?.expect(201)?;
    text(&created["id"])
}

/// The number of channels is limited.
pub async fn delete_channel(system: &System, path: &str) -> anyhow::Result<()> {
    system.call("DELETE", path, &Value::Null).await?.expect(204).map(drop)
}
