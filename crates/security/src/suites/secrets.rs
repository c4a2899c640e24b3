//! Suite I: secrets that are missing, belong to others or were moved; that targets echo; and that must not appear anywhere.

mod canary;
mod echoed;
mod missing;

use serde_json::{Value, json};

use crate::{
    case::Case,
    system::{System, once, text},
};

pub fn cases() -> Vec<Case> {
    [missing::cases(), echoed::cases(), canary::cases()].into_iter().flatten().collect()
}

/// Stores a value in the shared tenant's workspace under a new name, which is returned.
async fn store(system: &System, value: &str) -> anyhow::Result<String> {
    let name = format!("s{}", system.number());
    system.call("POST", "/v1/secrets", &json!({ "name": name, "value": value })).await?.expect(201)?;
    Ok(name)
}

/// A request to the target with the secret in a header.
fn with_secret(path: &str, secret: &str) -> Value {
    json!({ "url": format!("http://93.184.216.34{path}"), "headers": { "Authorization": format!("Bearer secret://{secret}") } })
}

/// A draft, which does not run by itself; its id.
async fn draft(system: &System, request: Value) -> anyhow::Result<String> {
    let mut job = once(request);
    job["state"] = json!("draft");
    text(&system.call("POST", "/v1/jobs", &job).await?.expect(201)?["id"])
}
