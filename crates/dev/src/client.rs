//! Just enough of an HTTP client to use the API on this machine the way a user does.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use trigrun_core::runtime::tasks;

pub struct Client {
    pub api: SocketAddr,
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
        let socket = TcpStream::connect(self.api).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tasks::spawn("client connection", connection);
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, self.api.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        let answer: Value =
            serde_json::from_slice(&answer).with_context(|| format!("{method} {path} answered no JSON"))?;
        if !status.is_success() {
            bail!("{method} {path} answered {status}: {answer}");
        }
        Ok(answer)
    }
}
