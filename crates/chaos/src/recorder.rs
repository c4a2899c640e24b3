//! The recording target: records every request with a monotonic time, and shares nothing with the processes that may be killed.
//!
//! The path selects the response: `/fast`, `/failing` (500), `/slow/800` (after 800 ms), `/hang` (never), `/drip` (an endless body),
//! `/notify` (for notifications).

use anyhow::Context;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::HeaderMap,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    fs::File,
    io::Write,
    net::SocketAddr,
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::{
    domain::id::{ExecutionId, JobId, NotificationId},
    runtime::tasks,
};
use uuid::Uuid;

use crate::clock::Clock;

/// Whether a response was written; a client that closed the connection before got none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    Responded,
    Disconnected,
}

/// A request of an execution.
#[derive(Clone, Debug)]
pub struct Hit {
    pub execution: Uuid,
    pub number: u16,
    pub job: Uuid,
    pub scheduled_for: DateTime<Utc>,
    /// Since the start of the run, monotonic.
    pub arrived: Duration,
    pub ended: Duration,
    pub end: End,
    /// Whether the secret in the header was right, if there was one.
    pub secret: Option<bool>,
}

/// The header in which jobs send the secret.
pub const SECRET_HEADER: &str = "x-chaos-secret";
/// Name and value.
pub const SECRET: (&str, &str) = ("chaos", "only for the target");

#[derive(Default)]
struct Received {
    hits: Vec<Hit>,
    notifications: Vec<Uuid>,
    unexpected: Vec<String>,
}

struct Shared {
    received: Mutex<Received>,
    log: Mutex<File>,
    clock: Clock,
    count: watch::Sender<usize>,
}

/// Serves on its own port until it is dropped.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl Recorder {
    /// `log` gets a line per request as it arrives.
    pub async fn start(log: &Path, clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            log: Mutex::new(log),
            clock,
            count: watch::Sender::new(0),
        });
        let stop = CancellationToken::new();
        tasks::spawn("recorder", stop.clone().run_until_cancelled_owned(accept(listener, shared.clone())));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn hits(&self) -> Vec<Hit> {
        self.shared.lock().hits.clone()
    }

    pub fn count(&self) -> usize {
        self.shared.lock().hits.len()
    }

    /// The latest scheduled instant among the last requests.
    pub fn latest_due(&self) -> Option<DateTime<Utc>> {
        self.shared.lock().hits.iter().rev().take(200).map(|hit| hit.scheduled_for).max()
    }

    /// The id of each notification, once per delivery.
    pub fn notifications(&self) -> Vec<Uuid> {
        self.shared.lock().notifications.clone()
    }

    /// Requests that TrigRun did not send.
    pub fn unexpected(&self) -> Vec<String> {
        self.shared.lock().unexpected.clone()
    }

    /// Waits until the requests that have arrived are as wanted.
    pub async fn received(&self, are_wanted: impl Fn(&[Hit]) -> bool, timeout: Duration) -> bool {
        let mut count = self.shared.count.subscribe();
        let received = count.wait_for(|_| are_wanted(&self.shared.lock().hits));
        tokio::time::timeout(timeout, received).await.is_ok_and(|received| received.is_ok())
    }

    /// Waits until more than `received` requests have arrived.
    pub async fn more_than(&self, received: usize, timeout: Duration) -> bool {
        let mut count = self.shared.count.subscribe();
        tokio::time::timeout(timeout, count.wait_for(|count| *count > received))
            .await
            .is_ok_and(|more| more.is_ok())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // It is kept in memory, too.
        let _full = writeln!(log, "{line}");
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // Out of file descriptors, until clients disconnect.
        let Ok((socket, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _slower = socket.set_nodelay(true);
        let shared = shared.clone();
        tasks::spawn("recorder connection", async move {
            let serve = service_fn(|request| respond(request, shared.clone()));
            // A client that is killed is not an error here.
            let _gone = http1::Builder::new().serve_connection(TokioIo::new(socket), serve).await;
        });
    }
}

/// A request in progress; dropped early when the client disconnects.
struct Open {
    shared: Arc<Shared>,
    index: usize,
    end: End,
}

impl Open {
    fn arrived(shared: &Arc<Shared>, hit: Hit) -> Self {
        shared.write(&format!(
            "{:.6} {} {} {}",
            hit.arrived.as_secs_f64(),
            ExecutionId::from_uuid(hit.execution),
            hit.number,
            JobId::from_uuid(hit.job)
        ));
        let mut received = shared.lock();
        received.hits.push(hit);
        let index = received.hits.len() - 1;
        drop(received);
        shared.count.send_modify(|count| *count += 1);
        Self { shared: shared.clone(), index, end: End::Disconnected }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let now = self.shared.clock.elapsed();
        let hit = &mut self.shared.lock().hits[self.index];
        (hit.ended, hit.end) = (now, self.end);
    }
}

type Reply = Response<Either<Full<Bytes>, http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>>;

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Reply, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == "/notify" {
        match header::<NotificationId>(&head.headers, "webhook-id") {
            Some(id) => shared.lock().notifications.push(id.uuid()),
            None => {
                shared.lock().unexpected.push(format!("a notification without an id: {:?}", head.headers))
            }
        }
        let _body = body.collect().await;
        return Ok(plain(StatusCode::NO_CONTENT));
    }
    let Some(hit) = hit(&head.headers, &shared.clock) else {
        shared.lock().unexpected.push(format!("{} {path}", head.method));
        return Ok(plain(StatusCode::BAD_REQUEST));
    };
    let mut open = Open::arrived(&shared, hit);
    let _body = body.collect().await;
    let reply = match path.split('/').collect::<Vec<_>>()[1..] {
        ["failing"] => plain(StatusCode::INTERNAL_SERVER_ERROR),
        ["slow", ms] => {
            tokio::time::sleep(Duration::from_millis(ms.parse().unwrap_or_default())).await;
            plain(StatusCode::OK)
        }
        ["hang"] => std::future::pending().await,
        ["drip"] => dripping(),
        _ => plain(StatusCode::OK),
    };
    open.end = End::Responded;
    Ok(reply)
}

fn plain(status: StatusCode) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(Bytes::from_static(b"{\"ok\":true}"))));
    *reply.status_mut() = status;
    reply
}

/// One byte every 100 ms, without end.
fn dripping() -> Reply {
    let drops = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"."))), ()))
    });
    Response::new(Either::Right(StreamBody::new(drops.boxed()).boxed_unsync()))
}

fn hit(headers: &HeaderMap, clock: &Clock) -> Option<Hit> {
    let arrived = clock.elapsed();
    Some(Hit {
        execution: header::<ExecutionId>(headers, "trigrun-execution-id")?.uuid(),
        number: header(headers, "trigrun-attempt")?,
        job: header::<JobId>(headers, "trigrun-job-id")?.uuid(),
        scheduled_for: header(headers, "trigrun-scheduled-for")?,
        arrived,
        ended: arrived,
        end: End::Open,
        secret: headers.get(SECRET_HEADER).map(|value| value == SECRET.1),
    })
}

fn header<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
