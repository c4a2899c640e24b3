//! How the operator's commands call the API and the probes: as users do, over http or https.

use anyhow::{Context, anyhow};
use serde_json::Value;
use std::time::Duration;
use trigrun_client::{Answer, Call, Error, Settings};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Client(trigrun_client::Client);

impl Client {
    /// `server` is `http://host:port` or `https://host:port`. Trusts the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR.
    pub fn new(server: &str, token: Option<String>) -> anyhow::Result<Self> {
        let settings = Settings {
            url: server.parse()?,
            token,
            workspace: None,
            timeout: REQUEST_TIMEOUT,
            // What an operator checks must work at once.
            retry: false,
            user_agent: concat!("trigrun-api/", env!("CARGO_PKG_VERSION")).to_owned(),
            observer: Box::new(|_| ()),
        };
        Ok(Self(trigrun_client::Client::new(settings)?))
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        json(self.0.call(Call::get(path)).await).with_context(|| format!("GET {path}"))
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        json(self.0.call(Call::post(path).body(body.to_string())).await)
            .with_context(|| format!("POST {path}"))
    }
}

fn json(answer: Result<Answer, Error>) -> anyhow::Result<Value> {
    match answer {
        Ok(answer) => Ok(answer.json()?),
        // With its fields.
        Err(Error::Problem(problem)) => Err(anyhow!("the API returned {}: {}", problem.status, problem.text)),
        Err(error) => Err(error.into()),
    }
}

/// The response to `GET path` of a probe: whether it is a success, and its text.
pub async fn probe(address: &str, path: &str) -> anyhow::Result<(bool, String)> {
    let Client(client) = Client::new(&format!("http://{address}"), None)?;
    match client.call(Call::get(path)).await {
        Ok(answer) => Ok((true, answer.text)),
        Err(Error::NotTrigrun { text, .. }) => Ok((false, text)),
        Err(error) => Err(error.into()),
    }
}
