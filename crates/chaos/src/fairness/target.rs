//! A target that reads every request to its end, keeps nothing of it but its arrival, and counts its connections.
//!
//! The path selects the response: `/hang` (none until [`Target::release`]), `/last` (and the end of the connection), `/notify` (for
//! notifications); everything else is answered at once.

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

use crate::clock::Clock;

/// Of a head; 32 secrets of 8 KiB in headers are shorter.
const MAX_HEAD_BYTES: u64 = 1024 * 1024;

/// A request of an execution.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub execution: String,
    pub scheduled_for: DateTime<Utc>,
    pub at: DateTime<Utc>,
}

#[derive(Default)]
struct Received {
    arrivals: Vec<Arrival>,
    /// When the notification about an execution arrived first.
    notified: HashMap<String, DateTime<Utc>>,
}

struct Shared {
    clock: Clock,
    received: Mutex<Received>,
    released: watch::Sender<bool>,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

/// Serves until it is dropped.
pub struct Target {
    port: u16,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl Target {
    pub async fn start(clock: Clock) -> anyhow::Result<Self> {
        Self::start_at(clock, &[Ipv4Addr::LOCALHOST]).await
    }

    /// On the same port of each of these addresses.
    pub async fn start_at(clock: Clock, addresses: &[Ipv4Addr]) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            clock,
            received: Mutex::default(),
            released: watch::Sender::new(false),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
        });
        let (stop, mut port) = (CancellationToken::new(), 0);
        for address in addresses {
            let listener = TcpListener::bind(SocketAddr::from((*address, port))).await;
            let listener = listener.with_context(|| format!("a target at {address}:{port}"))?;
            port = listener.local_addr()?.port();
            let accepting = accept(listener, Arc::clone(&shared));
            tasks::spawn("target", stop.clone().run_until_cancelled_owned(accepting));
        }
        Ok(Self { port, shared, _stop: stop.drop_guard() })
    }

    pub fn url(&self, path: &str) -> String {
        self.url_of("127.0.0.1", path)
    }

    /// The URL with another host, which must lead to an address of this target.
    pub fn url_of(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// Answers all requests that hang, and from now on every request at once.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.lock().arrivals.clone()
    }

    /// When the notification about this execution arrived.
    pub fn notified(&self, execution: &str) -> Option<DateTime<Utc>> {
        self.shared.lock().notified.get(execution).copied()
    }

    /// The largest number of connections that were open at once.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(SeqCst)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(&self, head: &Head, body: &[u8]) {
        let now = self.clock.now();
        if head.path == "/notify" {
            let event: Value = serde_json::from_slice(body).unwrap_or_default();
            if let Some(execution) = event["data"]["execution"]["id"].as_str() {
                self.lock().notified.entry(execution.to_owned()).or_insert(now);
            }
            return;
        }
        if let (Some(execution), Some(scheduled_for)) =
            (head.header("trigrun-execution-id"), head.header("trigrun-scheduled-for"))
        {
            self.lock().arrivals.push(Arrival { execution, scheduled_for, at: now });
        }
    }
}

/// Counts a connection until it is dropped.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        let open = shared.open.fetch_add(1, SeqCst) + 1;
        shared.most_open.fetch_max(open, SeqCst);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // Out of file descriptors, until clients disconnect.
        let Ok((socket, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let open = Open::new(Arc::clone(&shared));
        tasks::spawn("target connection", async move {
            // A client that is killed is not an error here.
            let _gone = serve(socket, &open.0).await;
        });
    }
}

struct Head {
    path: String,
    lines: Vec<String>,
}

impl Head {
    fn header<T: FromStr>(&self, name: &str) -> Option<T> {
        let mut headers = self.lines.iter().filter_map(|line| line.split_once(':'));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?.1.trim().parse().ok()
    }
}

async fn serve(socket: TcpStream, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = BufReader::new(socket);
    while let Some(head) = read_head(&mut stream).await? {
        let mut body = (&mut stream).take(head.header("content-length").unwrap_or(0));
        let mut kept = Vec::new();
        if head.path == "/notify" {
            body.read_to_end(&mut kept).await?;
        } else {
            tokio::io::copy(&mut body, &mut tokio::io::sink()).await?;
        }
        shared.receive(&head, &kept);
        if head.path == "/hang" {
            let mut released = shared.released.subscribe();
            tokio::select! {
                _released = released.wait_for(|released| *released) => {}
                // The client sends nothing more before the response: it has closed the connection.
                gone = stream.fill_buf() => return gone.map(drop),
            }
        }
        let last = if head.path == "/last" { "connection: close\r\n" } else { "" };
        let response = format!("HTTP/1.1 200 OK\r\n{last}content-length: 2\r\n\r\nok");
        stream.write_all(response.as_bytes()).await?;
        if head.path == "/last" {
            break;
        }
    }
    Ok(())
}

/// `None` at the end of the connection.
async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Head>> {
    let mut limited = stream.take(MAX_HEAD_BYTES);
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if limited.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line == b"\r\n" {
            break;
        }
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    Ok(Some(Head { path, lines }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;
    use trigrun_testkit::{
        client::{Client, Request},
        due,
    };

    fn client(target: &Target) -> Client {
        Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, target.port)))
    }

    #[tokio::test]
    async fn a_request_hangs_until_the_release() {
        let target = Target::start(Clock::start()).await.unwrap();
        let hanging = client(&target);
        let hanging = tasks::spawn("hanging", async move { hanging.get("/hang").await });
        due::until("it arrives", Duration::from_secs(60), async || target.most_open() == 1).await.unwrap();
        assert_eq!(client(&target).get("/").await.unwrap().status, 200);
        assert!(!hanging.is_finished());
        target.release();
        assert_eq!(hanging.await.unwrap().unwrap().status, 200);
        assert_eq!(target.most_open(), 2);
    }

    #[tokio::test]
    async fn arrivals_and_notifications_are_kept_by_execution() {
        let target = Target::start(Clock::start()).await.unwrap();
        let run = Request::new(hyper::Method::POST, "/last")
            .header("TrigRun-Execution-Id", "exe_1")
            .header("TrigRun-Scheduled-For", "2026-11-29T04:00:00.000Z")
            .json(&json!({ "ignored": true }));
        client(&target).send(run).await.unwrap();
        let arrivals = target.arrivals();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].execution, "exe_1");
        assert_eq!(arrivals[0].scheduled_for.to_rfc3339(), "2026-11-29T04:00:00+00:00");
        assert_eq!(target.notified("exe_1"), None);
        let event = json!({ "data": { "execution": { "id": "exe_1" } } });
        client(&target).post("/notify", &event).await.unwrap();
        assert!(target.notified("exe_1").is_some());
    }
}
