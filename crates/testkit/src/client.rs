//! A JSON client of the API over HTTP/1.1: bearer token, idempotency key, deadline. It shares no code with the product.

use anyhow::Context;
use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use trigrun_core::runtime::tasks;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends each request on a new connection.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
    timeout: Duration,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: None, timeout: RESPONSE_TIMEOUT }
    }

    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// From the connection attempt to the last byte of the response.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.send(Request::new(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        self.send(Request::new(Method::POST, path).json(body)).await
    }

    pub async fn send(&self, request: Request) -> anyhow::Result<Response> {
        let exchange = async { self.connect().await?.exchange(request).await };
        tokio::time::timeout(self.timeout, exchange).await.context("no response in time")?
    }

    /// A connection that is kept alive.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let sender = connect(self.address).await?;
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        Ok(Connection { sender, host: self.address.to_string(), authorization, timeout: self.timeout })
    }
}

/// One request at a time.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    authorization: Option<String>,
    timeout: Duration,
}

impl Connection {
    pub async fn send(&mut self, request: Request) -> anyhow::Result<Response> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.exchange(request)).await.context("no response in time")?
    }

    async fn exchange(&mut self, request: Request) -> anyhow::Result<Response> {
        let mut head = http::Request::builder().method(request.method).uri(&request.path);
        head = head.header(HOST, &self.host);
        if let Some(authorization) = &self.authorization {
            head = head.header(AUTHORIZATION, authorization);
        }
        for (name, value) in &request.headers {
            head = head.header(name, value);
        }
        exchange(&mut self.sender, head.body(Full::new(request.body))?).await
    }
}

/// A request without host and token, which are the client's.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// A body that may be invalid JSON, or is serialised already.
    pub fn json_text(self, body: impl Into<Bytes>) -> Self {
        let request = self.header(CONTENT_TYPE.as_str(), "application/json");
        Self { body: body.into(), ..request }
    }
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body; null if there is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).with_context(|| format!("{} is not JSON", self.text()))
    }

    /// The first value of this header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends one complete request, whatever its headers are, on a new connection.
pub async fn send(to: SocketAddr, request: http::Request<Full<Bytes>>) -> anyhow::Result<Response> {
    exchange(&mut connect(to).await?, request).await
}

async fn connect(to: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(to).await.with_context(|| format!("cannot connect to {to}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tasks::spawn("client connection", connection);
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: http::Request<Full<Bytes>>,
) -> anyhow::Result<Response> {
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
}
