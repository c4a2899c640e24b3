//! Slow clients: their connections are closed in time, and other clients do not wait.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};
use trigrun_testkit::raw_http::{read_to_end, request};

use crate::{
    case::{Case, Suite, ensure_in_time},
    system::System,
};

/// A head may take five seconds, a response ten; the rest is for a busy machine.
const HEAD_TIMEOUT: Duration = Duration::from_secs(7);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(13);
/// After a response, the next head may take 15 seconds.
const NEXT_HEAD_TIMEOUT: Duration = Duration::from_secs(18);
/// A response after ten seconds, and the rest of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(28);
const SEND_INTERVAL: Duration = Duration::from_millis(500);
/// Clients that never read.
const UNREADING_CLIENTS: u64 = 50;
/// The API may hold a few pieces of a response for each of them, and four passwords may be hashed, each in 19 MiB.
const MAX_GROWTH_MB: u64 = UNREADING_CLIENTS / 4 + 4 * 20;
/// For other clients.
const MAX_LATENCY: Duration = Duration::from_secs(1);

pub fn cases() -> Vec<Case> {
    let slow = |name: &str, first: fn(&str) -> String, then: &'static str, within: Duration| {
        Case::new(Suite::Connections, name, move |system| async move {
            let first = first(&system.tenant().token);
            let received = send_slowly(&system, &first, then, within).await?;
            ensure!(
                received.matches("HTTP/1.1 2").count() == first.matches("host: first").count(),
                "{received}"
            );
            Ok(())
        })
    };
    vec![
        slow("a connection without a byte", |_| String::new(), "", HEAD_TIMEOUT),
        slow("a first line that drips", |_| "GET /".into(), "a", HEAD_TIMEOUT),
        slow(
            "a head that drips",
            |_| "GET /livez HTTP/1.1\r\nhost: x\r\n".into(),
            "x-a: b\r\n",
            HEAD_TIMEOUT,
        ),
        slow("empty lines that drip", |_| String::new(), "\r\n", HEAD_TIMEOUT),
        slow(
            "a body that stops",
            |token| post(token, "content-length: 1000\r\n\r\n{\"a\":"),
            "",
            RESPONSE_TIMEOUT,
        ),
        slow(
            "a body that drips",
            |token| post(token, "content-length: 1000\r\n\r\n{\"a\":"),
            " ",
            RESPONSE_TIMEOUT,
        ),
        slow(
            "a second head that drips",
            |_| "GET /livez HTTP/1.1\r\nhost: first\r\n\r\nGET /livez HTTP/1.1\r\n".into(),
            "x-a: b\r\n",
            NEXT_HEAD_TIMEOUT,
        ),
        slow(
            "a second first line that drips",
            |_| "GET /livez HTTP/1.1\r\nhost: first\r\n\r\nGET /".into(),
            "a",
            NEXT_HEAD_TIMEOUT,
        ),
        slow(
            "chunks that drip",
            |token| post(token, "transfer-encoding: chunked\r\n\r\n"),
            "1\r\n \r\n",
            BODY_TIMEOUT,
        ),
        Case::new(Suite::Connections, "700 slow clients do not delay others", crowd),
        Case::new(Suite::Connections, "clients that never read do not delay others", never_read),
    ]
}

fn post(token: &str, rest: &str) -> String {
    format!(
        "POST /v1/schedules/preview HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{rest}"
    )
}

/// Sends `first`, then `then` again and again, until the server closes the connection.
async fn send_slowly(system: &System, first: &str, then: &str, within: Duration) -> anyhow::Result<String> {
    let (mut reading, mut writing) = TcpStream::connect(system.api).await?.into_split();
    let send = async {
        let _closed = writing.write_all(first.as_bytes()).await;
        let mut interval = tokio::time::interval(SEND_INTERVAL);
        loop {
            interval.tick().await;
            if writing.write_all(then.as_bytes()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let received = tokio::select! {
        received = tokio::time::timeout(within, read_to_end(&mut reading)) => received,
        () = send => anyhow::bail!("unreachable"),
    };
    let received = received.with_context(|| format!("the connection is open after {within:?}"))?;
    Ok(String::from_utf8_lossy(&received).into_owned())
}

/// Until this instant, each request of another client gets a response soon.
async fn others_are_served(system: &System, until: Instant) -> anyhow::Result<()> {
    while Instant::now() < until {
        for path in ["/livez", "/v1/me"] {
            let began = Instant::now();
            system.call("GET", path, &Value::Null).await?.expect(200)?;
            let took = began.elapsed();
            ensure_in_time!(took < MAX_LATENCY, "{path} took {took:?}");
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn crowd(system: Arc<System>) -> anyhow::Result<()> {
    let idle = try_join_all((0..500).map(|_| TcpStream::connect(system.api))).await?;
    let mut slow = JoinSet::new();
    for _ in 0..200 {
        let system = system.clone();
        slow.spawn(async move {
            send_slowly(&system, "GET /livez HTTP/1.1\r\nhost: x\r\n", "x-a: b\r\n", RESPONSE_TIMEOUT).await
        });
    }
    others_are_served(&system, Instant::now() + Duration::from_secs(4)).await?;
    while let Some(ended) = slow.join_next().await {
        let received = ended??;
        ensure!(received.is_empty() || received.starts_with("HTTP/1.1 408"), "{received}");
    }
    for mut idle in idle {
        let received = tokio::time::timeout(HEAD_TIMEOUT, read_to_end(&mut idle)).await;
        ensure_in_time!(received.is_ok(), "an idle connection is kept open");
    }
    Ok(())
}

/// They request more than the buffers on the way hold.
async fn never_read(system: Arc<System>) -> anyhow::Result<()> {
    let before = system.resident_mb("api")?;
    let requests = "GET /docs/swagger-ui-5.35.0.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(16);
    let mut clients = Vec::new();
    for _ in 0..UNREADING_CLIENTS {
        let mut socket = TcpStream::connect(system.api).await?;
        socket.write_all(requests.as_bytes()).await?;
        clients.push(socket);
    }
    others_are_served(&system, Instant::now() + Duration::from_secs(4)).await?;
    let after = system.resident_mb("api")?;
    ensure!(after <= before + MAX_GROWTH_MB, "the API grew from {before} MB to {after} MB");
    let response = request(system.api, "GET", "/livez", &[], b"").await?;
    ensure!(response.status == 200, "{}", response.status);
    Ok(())
}
