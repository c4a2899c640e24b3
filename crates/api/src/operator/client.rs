//! A minimal HTTP client for an API or a probe on the same network.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use trigrun_core::runtime::tasks;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

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

    /// The JSON of the response. If its status is not 2xx, an error with the body of the response.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, &self.api)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))?;
        let (status, response) = exchange(&self.api, request).await?;
        if !status.is_success() {
            bail!("{method} {path} returned {status}: {}", String::from_utf8_lossy(&response));
        }
        serde_json::from_slice(&response).with_context(|| format!("{method} {path} did not return JSON"))
    }
}

/// The response to `GET path` without a token, as text.
pub async fn get(address: &str, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let request = Request::get(path).header(header::HOST, address).body(Full::default())?;
    let (status, response) = exchange(address, request).await?;
    Ok((status, String::from_utf8_lossy(&response).into_owned()))
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
    let exchanged: anyhow::Result<_> = timeout(REQUEST_TIMEOUT, exchanged)
        .await
        .with_context(|| format!("{address} did not respond within {REQUEST_TIMEOUT:?}"))?;
    exchanged.with_context(|| format!("cannot reach {address}"))
}
