//! HTTP/1.1 by hand, byte for byte: for requests that a conforming client cannot send. Every exchange has a deadline.

mod expectations;

pub use expectations::Overloaded;

use anyhow::Context;
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(60);
/// A server that sends nothing for this long waits for the client.
const QUIET_PERIOD: Duration = Duration::from_millis(700);

/// A response as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    pub status: u16,
    /// Status line and header lines.
    pub head: String,
    /// Without the chunked framing.
    pub body: Vec<u8>,
}

impl RawResponse {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The first value of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("no end of the head")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let mut body = bytes[end + 4..].to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunk(&body)?;
        }
        Ok(Self { status, head, body })
    }
}

/// Sends these bytes on a new connection and reads until the server closes it; `None` if it sends nothing.
pub async fn send(to: SocketAddr, bytes: &[u8]) -> anyhow::Result<Option<RawResponse>> {
    within_timeout(async {
        let mut socket = TcpStream::connect(to).await?;
        // The server may close before all is written; what it sent before is still read.
        let _closed = socket.write_all(bytes).await;
        let received = read_to_end(&mut socket).await;
        if received.is_empty() { Ok(None) } else { RawResponse::parse(&received).map(Some) }
    })
    .await
}

/// Sends a well-formed request; `headers` are whole lines.
pub async fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> anyhow::Result<RawResponse> {
    let response = send(to, &request_bytes(to, method, path, headers, body)).await?;
    response.context("the connection was closed without a response")
}

/// [`request`] from this local address.
pub async fn request_from(
    from: SocketAddr,
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> anyhow::Result<RawResponse> {
    within_timeout(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(from)?;
        let mut socket = socket.connect(to).await?;
        socket.write_all(&request_bytes(to, method, path, headers, body)).await?;
        RawResponse::parse(&read_to_end(&mut socket).await)
    })
    .await
}

/// The bytes of a well-formed request that asks the server to close the connection.
pub fn request_bytes(to: SocketAddr, method: &str, path: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    [request.as_bytes(), b"\r\n", body].concat()
}

/// Sends these bytes and closes the connection without reading.
pub async fn send_and_close(to: SocketAddr, bytes: &[u8]) -> anyhow::Result<()> {
    within_timeout(async {
        let mut socket = TcpStream::connect(to).await?;
        Ok(socket.write_all(bytes).await?)
    })
    .await
}

/// What a server sent on a connection on which several or incomplete requests were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub bytes: Vec<u8>,
    /// The server closed the connection while the client's side was still open.
    pub closed_by_server: bool,
    /// The server sent something while the client's side was still open.
    pub responded_early: bool,
}

impl Exchange {
    /// The status of each response.
    pub fn statuses(&self) -> Vec<u16> {
        let status = |at: usize| str::from_utf8(self.bytes.get(at + 9..at + 12)?).ok()?.parse().ok();
        let lines = self.bytes.windows(9).enumerate();
        let lines = lines.filter(|(_, line)| line.starts_with(b"HTTP/1.") && line[8] == b' ');
        lines.filter_map(|(at, _)| status(at)).collect()
    }
}

/// How long a client waits for the server before it closes its side: for the first byte, and after each byte.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    pub first: Duration,
    pub next: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self { first: QUIET_PERIOD, next: QUIET_PERIOD }
    }
}

/// Sends bytes that may be half a request or several, and reads. Once the server is quiet, closes the client's side: a server that
/// waits for the rest then learns that there is none.
pub async fn exchange(to: SocketAddr, bytes: &[u8]) -> anyhow::Result<Exchange> {
    exchange_waiting(to, bytes, Wait::default()).await
}

/// [`exchange`] by a client that waits for as long as the caller says.
pub async fn exchange_waiting(to: SocketAddr, bytes: &[u8], wait: Wait) -> anyhow::Result<Exchange> {
    within_timeout(async {
        let (mut reader, mut writer) = TcpStream::connect(to).await?.into_split();
        let write = async {
            let _closed = writer.write_all(bytes).await;
        };
        let mut received = Vec::new();
        let read = async {
            let mut limit = wait.first;
            loop {
                match tokio::time::timeout(limit, reader.read_buf(&mut received)).await {
                    Ok(Ok(1..)) => limit = wait.next,
                    ended => break ended.is_ok(),
                }
            }
        };
        let ((), closed_by_server) = tokio::join!(write, read);
        let responded_early = !received.is_empty();
        let _closed = writer.shutdown().await;
        received.extend(read_to_end(&mut reader).await);
        Ok(Exchange { bytes: received, closed_by_server, responded_early })
    })
    .await
}

/// Reads until the end of the stream or a reset.
pub async fn read_to_end(socket: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut received = Vec::new();
    let _reset = socket.read_to_end(&mut received).await;
    received
}

async fn within_timeout<T>(exchange: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(EXCHANGE_TIMEOUT, exchange).await.context("the response did not end in time")?
}

/// RFC 9112 §7.1.
fn unchunk(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").context("a chunk without a size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?, 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend(rest.get(end + 2..end + 2 + size).context("a truncated chunk")?);
        rest = rest.get(end + 4 + size..).context("no next chunk")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_response_is_parsed() {
        let bytes = b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
        let response = RawResponse::parse(bytes).unwrap();
        assert_eq!((response.status, response.header("x-a")), (200, Some("b")));
        assert_eq!(response.json(), serde_json::json!({ "a": 1 }));
        assert!(RawResponse::parse(b"HTTP/1.1 200 OK\r\n").is_err());
    }

    #[test]
    fn every_status_of_an_exchange_is_found() {
        let bytes = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
        let exchange = Exchange { bytes, closed_by_server: true, responded_early: true };
        assert_eq!(exchange.statuses(), [200, 400]);
    }
}
