//! HTTP by hand, byte for byte: what a well-behaved client could not say must be sayable.

use anyhow::{Context, bail};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::case::Late;

const WITHIN: Duration = Duration::from_secs(15);
/// Who has said nothing for so long waits for us.
const QUIET: Duration = Duration::from_millis(700);

/// An answer, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// All of it but what time changes, so that two answers can be told to be the same. Lists in headers have no order.
    pub fn timeless(&self) -> (u16, Vec<String>, String) {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        let lines = lines.filter(|(name, _)| *name != "date" && !name.starts_with("ratelimit"));
        let mut lines: Vec<String> = lines
            .map(|(name, value)| {
                let mut values: Vec<&str> = value.split(", ").collect();
                values.sort_unstable();
                format!("{name}: {}", values.join(", "))
            })
            .collect();
        lines.sort();
        (self.status, lines, self.text())
    }

    /// A problem with this status and code; an error says what it is instead.
    pub fn expect_problem(&self, status: u16, code: &str) -> anyhow::Result<()> {
        let is_problem = self.header("content-type") == Some("application/problem+json");
        if self.status == status && is_problem && self.json()["code"] == code {
            return Ok(());
        }
        Err(self.unexpected(format!("{status} {code}")))
    }

    /// Validation failed at this pointer, and nowhere else, with this code.
    pub fn expect_wrong(&self, pointer: &str, code: &str) -> anyhow::Result<()> {
        self.expect_problem(422, "validation_failed")?;
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        if errors.len() == 1 && errors[0]["pointer"] == pointer && errors[0]["code"] == code {
            return Ok(());
        }
        bail!("{code} at {pointer} was expected, {errors:?} came")
    }

    pub fn expect(&self, status: u16) -> anyhow::Result<Value> {
        if self.status != status {
            return Err(self.unexpected(status.to_string()));
        }
        Ok(self.json())
    }

    /// Not this. One who sheds load may not be what was expected, and does what he must.
    fn unexpected(&self, expected: String) -> anyhow::Error {
        let instead = format!("{expected} was expected, {} {} came", self.status, self.text());
        if self.status == 503 && self.json()["code"] == "unavailable" {
            Late(instead).into()
        } else {
            anyhow::anyhow!(instead)
        }
    }
}

/// Sends these bytes on a connection of their own and reads what comes until the end; `None` when that was nothing.
pub async fn send(to: SocketAddr, bytes: &[u8]) -> anyhow::Result<Option<Reply>> {
    let exchange = async {
        let mut socket = TcpStream::connect(to).await?;
        // It may hang up before all is written: what it said first is still to be read.
        let _hung_up = socket.write_all(bytes).await;
        let answer = read_all(&mut socket).await;
        // Hanging up without a word is an answer, too.
        if answer.is_empty() { Ok(None) } else { parse(&answer).map(Some) }
    };
    tokio::time::timeout(WITHIN, exchange).await.context("no end of the answer in time")?
}

/// What comes until the end, or until a reset.
pub async fn read_all(socket: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut answer = Vec::new();
    let _reset = socket.read_to_end(&mut answer).await;
    answer
}

/// What came back on a connection, as it came.
pub struct Received {
    pub bytes: Vec<u8>,
    /// The other side ended it, and not because we had.
    pub hung_up: bool,
    /// Something came before we had ended our side.
    pub at_once: bool,
}

impl Received {
    /// The status of each answer.
    pub fn statuses(&self) -> Vec<u16> {
        let after = |at: usize| str::from_utf8(self.bytes.get(at + 9..at + 12)?).ok()?.parse().ok();
        let lines = self
            .bytes
            .windows(9)
            .enumerate()
            .filter(|(_, line)| line.starts_with(b"HTTP/1.") && line[8] == b' ');
        lines.filter_map(|(at, _)| after(at)).collect()
    }
}

/// Says bytes that may be half a request or two, and listens. When nothing more comes for a while, we end our side: who waits for the rest
/// then receives that there is none.
pub async fn dialogue(to: SocketAddr, bytes: &[u8]) -> anyhow::Result<Received> {
    let exchange = async {
        let (mut reading, mut writing) = TcpStream::connect(to).await?.into_split();
        let sent = async {
            let _hung_up = writing.write_all(bytes).await;
        };
        let mut received = Vec::new();
        let listened = async {
            loop {
                match tokio::time::timeout(QUIET, reading.read_buf(&mut received)).await {
                    Ok(Ok(1..)) => {}
                    ended => break ended.is_ok(),
                }
            }
        };
        let ((), hung_up) = tokio::join!(sent, listened);
        let at_once = !received.is_empty();
        let _hung_up = writing.shutdown().await;
        received.extend(read_all(&mut reading).await);
        Ok(Received { bytes: received, hung_up, at_once })
    };
    tokio::time::timeout(WITHIN, exchange).await.context("no end of the answer in time")?
}

fn parse(answer: &[u8]) -> anyhow::Result<Reply> {
    let end =
        answer.windows(4).position(|window| window == b"\r\n\r\n").context("an answer without a head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    let mut body = answer[end + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunk(&body)?;
    }
    Ok(Reply { status, head, body })
}

/// RFC 9112, 7.1.
fn unchunk(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").context("a chunk without a size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?, 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend(rest.get(end + 2..end + 2 + size).context("a chunk that is cut")?);
        rest = rest.get(end + 4 + size..).context("no next chunk")?;
    }
}

/// A well-formed request; `headers` are whole lines.
pub async fn call(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> anyhow::Result<Reply> {
    send(to, &request(to, method, path, headers, body)).await?.context("it hung up without an answer")
}

/// The same from this address of ours.
pub async fn call_from(
    from: SocketAddr,
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> anyhow::Result<Reply> {
    let exchange = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(from)?;
        let mut socket = socket.connect(to).await?;
        socket.write_all(&request(to, method, path, headers, body)).await?;
        parse(&read_all(&mut socket).await)
    };
    tokio::time::timeout(WITHIN, exchange).await.context("no end of the answer in time")?
}

fn request(to: SocketAddr, method: &str, path: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
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
