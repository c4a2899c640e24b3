//! One request on a connection of its own, for what is asked now and then.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, client::conn::http1::handshake, header::HOST};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use trigrun_core::runtime::tasks;

/// The answer's body, whatever its status.
pub async fn ask(address: SocketAddr, method: Method, path: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tasks::spawn("connection for one request", connection);
    let request = Request::builder().method(method).uri(path).header(HOST, "bench");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    Ok(answer.into_body().collect().await?.to_bytes())
}
