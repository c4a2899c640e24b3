//! Just enough of an HTTP client to use the API as its users do, the rude ones included.

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use trigrun_core::runtime::tasks;

/// The API's own promise is 2 s; 10 s is a violation. A little longer, to see which it is.
const PATIENCE: Duration = Duration::from_secs(12);

pub struct ApiRequest<'a> {
    pub method: Method,
    pub path: String,
    pub token: &'a str,
    pub key: Option<&'a str>,
    pub body: Option<Value>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// `None`: the connection was refused or broke, as it does when a process is killed.
    pub status: Option<u16>,
    pub body: Value,
    pub took: Duration,
}

pub async fn call(api: SocketAddr, request: ApiRequest<'_>) -> Reply {
    let asked = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, send(api, request)).await;
    let (status, body) = match answer {
        Ok(Ok((status, body))) => (Some(status), body),
        _ => (None, Value::Null),
    };
    Reply { status, body, took: asked.elapsed() }
}

async fn send(api: SocketAddr, request: ApiRequest<'_>) -> anyhow::Result<(u16, Value)> {
    let socket = TcpStream::connect(api).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    tasks::spawn("client connection", connection);
    let mut head = Request::builder()
        .method(request.method)
        .uri(&request.path)
        .header(header::HOST, api.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {}", request.token))
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = request.key {
        head = head.header("idempotency-key", key);
    }
    let body = request.body.map(|body| body.to_string()).unwrap_or_default();
    let response = sender.send_request(head.body(Full::new(Bytes::from(body)))?).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((
        status,
        if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).context("no JSON")? },
    ))
}

/// Sends a good request up to its byte `until`, and hangs up.
pub async fn hang_up(
    api: SocketAddr,
    token: &str,
    path: &str,
    body: &Value,
    until: usize,
) -> anyhow::Result<()> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {api}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(api).await?;
    socket.write_all(&request.as_bytes()[..until % (request.len() + 1)]).await?;
    Ok(())
}
