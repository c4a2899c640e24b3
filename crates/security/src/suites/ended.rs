//! What the cases that dial have in common: what came of an execution, and who is to be called.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::system::{System, text};

/// An execution that is over.
pub struct Ended(pub Value);

impl Ended {
    pub fn attempt(&self) -> &Value {
        &self.0["attempts"][0]
    }

    pub fn blocked(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "failed" && self.attempt()["status"] == "blocked", "{}", self.0);
        self.not_sent()
    }

    /// Whatever the reason: there is no other end of the connection.
    pub fn not_sent(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "failed" && self.attempt()["remote_address"].is_null(), "{}", self.0);
        ensure!(self.attempt()["status_code"].is_null(), "{}", self.0);
        Ok(())
    }

    pub fn succeeded(&self) -> anyhow::Result<()> {
        ensure!(self.0["status"] == "succeeded", "{}", self.0);
        Ok(())
    }
}

/// What may be called is called: the guard does not shut out everybody.
pub async fn arrives(system: &System, host: &str) -> anyhow::Result<()> {
    let path = format!("/arrives/{}", system.number());
    let ended = Ended(system.run(json!({ "url": format!("http://{host}{path}") })).await?);
    ended.succeeded()?;
    let hits = system.outside()?.target.hits();
    ensure!(hits.iter().filter(|hit| hit.path == path).count() == 1, "it did not arrive once");
    Ok(())
}

/// A channel that calls this URL.
pub async fn hook(system: &System, url: &str) -> anyhow::Result<String> {
    let channel =
        json!({ "name": format!("c{}", system.number()), "type": "webhook", "config": { "url": url } });
    let made = system.ask("POST", "/v1/notification-channels", &channel).await?.expect(201)?;
    text(&made["id"])
}

/// There is room for so many channels.
pub async fn no_more(system: &System, path: &str) -> anyhow::Result<()> {
    system.ask("DELETE", path, &Value::Null).await?.expect(204).map(drop)
}
