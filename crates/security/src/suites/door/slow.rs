//! Clients that dawdle: hung up on in time, and nobody else waits for them.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::{
    case::{Case, Family, ensure_in_time},
    system::System,
    wire::{self, read_all},
};

/// Heads may take five seconds, answers ten; and a little for a busy machine.
const HUNG_UP_WITHIN: Duration = Duration::from_secs(7);
const ANSWERED_WITHIN: Duration = Duration::from_secs(13);
/// Who has been answered once has 15 seconds to say the next thing.
const SAYS_WITHIN: Duration = Duration::from_secs(18);
/// After ten for the answer.
const DRAINED_WITHIN: Duration = Duration::from_secs(28);
const STEP: Duration = Duration::from_millis(500);
/// So many never read. Of each, a few pieces of an answer may be held; and four passwords may be hashed meanwhile, each in 19 MiB.
const DEAF: u64 = 50;
const HELD_MB: u64 = DEAF / 4 + 4 * 20;
/// How long others may wait meanwhile.
const OTHERS_WITHIN: Duration = Duration::from_secs(1);

pub fn cases() -> Vec<Case> {
    let dawdling = |name: &str, first: fn(&str) -> String, then: &'static str, within: Duration| {
        Case::asks(Family::Door, name, move |system| async move {
            let first = first(&system.tenant().token);
            let received = dawdle(&system, &first, then, within).await?;
            ensure!(
                received.matches("HTTP/1.1 2").count() == first.matches("host: first").count(),
                "{received}"
            );
            Ok(())
        })
    };
    vec![
        dawdling("a connection that says nothing", |_| String::new(), "", HUNG_UP_WITHIN),
        dawdling("a first line that drips", |_| "GET /".into(), "a", HUNG_UP_WITHIN),
        dawdling(
            "a head that drips",
            |_| "GET /livez HTTP/1.1\r\nhost: x\r\n".into(),
            "x-a: b\r\n",
            HUNG_UP_WITHIN,
        ),
        dawdling("empty lines that drip", |_| String::new(), "\r\n", HUNG_UP_WITHIN),
        dawdling(
            "a body that stops",
            |token| post(token, "content-length: 1000\r\n\r\n{\"a\":"),
            "",
            ANSWERED_WITHIN,
        ),
        dawdling(
            "a body that drips",
            |token| post(token, "content-length: 1000\r\n\r\n{\"a\":"),
            " ",
            ANSWERED_WITHIN,
        ),
        dawdling(
            "a second head that drips",
            |_| "GET /livez HTTP/1.1\r\nhost: first\r\n\r\nGET /livez HTTP/1.1\r\n".into(),
            "x-a: b\r\n",
            SAYS_WITHIN,
        ),
        dawdling(
            "a second first line that drips",
            |_| "GET /livez HTTP/1.1\r\nhost: first\r\n\r\nGET /".into(),
            "a",
            SAYS_WITHIN,
        ),
        dawdling(
            "chunks that drip",
            |token| post(token, "transfer-encoding: chunked\r\n\r\n"),
            "1\r\n \r\n",
            DRAINED_WITHIN,
        ),
        Case::asks(Family::Door, "700 who dawdle hold up nobody", crowd),
        Case::asks(Family::Door, "those who never read hold up nobody", never_read),
    ]
}

fn post(token: &str, rest: &str) -> String {
    format!(
        "POST /v1/schedules/preview HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{rest}"
    )
}

/// Says `then` again and again, until the other side has had enough.
async fn dawdle(system: &System, first: &str, then: &str, within: Duration) -> anyhow::Result<String> {
    let (mut reading, mut writing) = TcpStream::connect(system.api).await?.into_split();
    let said = async {
        let _hung_up = writing.write_all(first.as_bytes()).await;
        let mut step = tokio::time::interval(STEP);
        loop {
            step.tick().await;
            if writing.write_all(then.as_bytes()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let received = tokio::select! {
        received = tokio::time::timeout(within, read_all(&mut reading)) => received,
        () = said => anyhow::bail!("unreachable"),
    };
    let received = received.with_context(|| format!("the connection is open after {within:?}"))?;
    Ok(String::from_utf8_lossy(&received).into_owned())
}

/// Asked again and again until it is time, each time answered soon.
async fn others_are_served(system: &System, until: Instant) -> anyhow::Result<()> {
    while Instant::now() < until {
        for path in ["/livez", "/v1/me"] {
            let asked = Instant::now();
            system.ask("GET", path, &Value::Null).await?.expect(200)?;
            let took = asked.elapsed();
            ensure_in_time!(took < OTHERS_WITHIN, "{path} took {took:?}");
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
            dawdle(&system, "GET /livez HTTP/1.1\r\nhost: x\r\n", "x-a: b\r\n", ANSWERED_WITHIN).await
        });
    }
    others_are_served(&system, Instant::now() + Duration::from_secs(4)).await?;
    while let Some(ended) = slow.join_next().await {
        let received = ended??;
        ensure!(received.is_empty() || received.starts_with("HTTP/1.1 408"), "{received}");
    }
    for mut silent in idle {
        let received = tokio::time::timeout(HUNG_UP_WITHIN, read_all(&mut silent)).await;
        ensure_in_time!(received.is_ok(), "one who says nothing is kept");
    }
    Ok(())
}

/// They ask for more than fits on the way to them.
async fn never_read(system: Arc<System>) -> anyhow::Result<()> {
    let before = system.resident_mb("api")?;
    let asked = "GET /docs/swagger-ui-5.35.0.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(16);
    let mut deaf = Vec::new();
    for _ in 0..DEAF {
        let mut socket = TcpStream::connect(system.api).await?;
        socket.write_all(asked.as_bytes()).await?;
        deaf.push(socket);
    }
    others_are_served(&system, Instant::now() + Duration::from_secs(4)).await?;
    let after = system.resident_mb("api")?;
    ensure!(after <= before + HELD_MB, "the API held {before} MB and holds {after} MB");
    let reply = wire::call(system.api, "GET", "/livez", &[], b"").await?;
    ensure!(reply.status == 200, "{}", reply.status);
    Ok(())
}
