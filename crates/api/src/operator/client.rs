//! Just enough of an HTTP client to use an API or a probe nearby the way a user does.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use trigrun_core::runtime::tasks;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub struct Client {
    /// `host:port`.
    pub api: String,
    pub token: String,
}

impl Client {
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// The answer's JSON; an error with the API's own words when it is not a 2xx.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, &self.api)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))?;
        let (status, answer) = exchange(&self.api, request).await?;
        if !status.is_success() {
            bail!("{method} {path} answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        serde_json::from_slice(&answer).with_context(|| format!("{method} {path} answered no JSON"))
    }
}

/// What `GET path` answers to anybody, as text.
pub async fn get(address: &str, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let request = Request::get(path).header(header::HOST, address).body(Full::default())?;
    let (status, answer) = exchange(address, request).await?;
    Ok((status, String::from_utf8_lossy(&answer).into_owned()))
}

async fn exchange(address: &str, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchanged = async {
        let socket = TcpStream::connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tasks::spawn("client connection", connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let exchanged: anyhow::Result<_> = timeout(ANSWER_WITHIN, exchanged)
        .await
        .with_context(|| format!("{address} did not answer within {ANSWER_WITHIN:?}"))?;
    exchanged.with_context(|| format!("{address} cannot be asked"))
}
