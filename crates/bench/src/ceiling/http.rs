//! The ceiling of HTTP: plain hyper connections, kept alive, with one request in flight on each.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::spawn_local};

use super::{body, on_own_thread, unix_us};

/// On two cores, 16, 64 and 128 connections gave the same rate, and 256 a quarter less.
const CONNECTIONS: i64 = 64;

/// Requests per second from one thread to `sink`.
pub async fn http(sink: SocketAddr, seconds: f64) -> anyhow::Result<f64> {
    on_own_thread(move || async move {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(sink).await?);
        }
        let start = Instant::now();
        let until = start + Duration::from_secs_f64(seconds);
        let clients: Vec<_> =
            connections.into_iter().zip(0..).map(|(it, n)| spawn_local(send_until(it, n, until))).collect();
        let mut responses = 0;
        for client in clients {
            responses += client.await??;
        }
        Ok(responses as f64 / start.elapsed().as_secs_f64())
    })
    .await
}

async fn send_until(mut connection: Connection, first: i64, until: Instant) -> anyhow::Result<i64> {
    let mut responses = 0;
    while Instant::now() < until {
        let job = first + responses * CONNECTIONS;
        connection.post(&format!("/hook/{job}"), job, unix_us(), body(job)).await?;
        responses += 1;
    }
    Ok(responses)
}

pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// Must be called in a `LocalSet`, which drives the connection.
    pub async fn open(sink: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(sink).await.with_context(|| format!("cannot connect to {sink}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        spawn_local(connection);
        Ok(Self { sender, host: HeaderValue::try_from(sink.to_string())? })
    }

    /// Status and body of the response.
    pub async fn post(
        &mut self,
        path: &str,
        job: i64,
        intended_us: i64,
        body: String,
    ) -> anyhow::Result<(u16, Bytes)> {
        let request = Request::post(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header("x-job-id", job)
            .header("x-intended-us", intended_us)
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
