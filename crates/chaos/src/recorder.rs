//! The target of all requests. It writes down each that it receives, with a monotonic time, and shares nothing with the processes
//! that may be killed.
//!
//! What it answers stands in the path: `/fast`, `/failing` (500), `/slow/800` (after so many ms), `/deaf` (never), `/drip` (a body
//! without end), `/told` (a notification).

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

use crate::time::Clock;

/// Whether an answer was written; a client that hung up before got none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    Answered,
    HungUp,
}

/// A request of an execution.
#[derive(Clone, Debug)]
pub struct Hit {
    pub execution: Uuid,
    pub number: u16,
    pub job: Uuid,
    pub scheduled_for: DateTime<Utc>,
    /// Since the run's beginning, monotonic.
    pub arrived: Duration,
    pub ended: Duration,
    pub end: End,
    /// Whether it had the right secret in its header, if it had that header.
    pub secret: Option<bool>,
}

/// What the jobs of a plan with a secret have in a header, and under which name the secret is stored.
pub const SECRET_HEADER: &str = "x-run-secret";
pub const SECRET: (&str, &str) = ("run", "what only the target may see");

#[derive(Default)]
struct Seen {
    hits: Vec<Hit>,
    told: Vec<Uuid>,
    strange: Vec<String>,
}

struct Shared {
    seen: Mutex<Seen>,
    log: Mutex<File>,
    clock: Clock,
    count: watch::Sender<usize>,
}

/// Serves on a port of its own until it is dropped.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl Recorder {
    /// `log` gets a line per request as it arrives, for whoever wants to read along.
    pub async fn start(log: &Path, clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
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

    /// When the latest of the fires that arrived had been due.
    pub fn latest_due(&self) -> Option<DateTime<Utc>> {
        self.shared.lock().hits.iter().rev().take(200).map(|hit| hit.scheduled_for).max()
    }

    /// The ids of notifications, as often as they came.
    pub fn told(&self) -> Vec<Uuid> {
        self.shared.lock().told.clone()
    }

    /// Requests that are none of TrigRun's.
    pub fn strange(&self) -> Vec<String> {
        self.shared.lock().strange.clone()
    }

    /// Waits until more than `seen` requests have arrived.
    pub async fn more_than(&self, seen: usize, within: Duration) -> bool {
        let mut count = self.shared.count.subscribe();
        tokio::time::timeout(within, count.wait_for(|count| *count > seen))
            .await
            .is_ok_and(|more| more.is_ok())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // The memory has it all the same.
        let _full = writeln!(log, "{line}");
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // Out of file descriptors: those who hang up make room.
        let Ok((socket, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _slower = socket.set_nodelay(true);
        let shared = shared.clone();
        tasks::spawn("recorder connection", async move {
            let serve = service_fn(|request| answer(request, shared.clone()));
            // A client that is killed is no error of the recorder's.
            let _gone = http1::Builder::new().serve_connection(TokioIo::new(socket), serve).await;
        });
    }
}

/// A request that is being answered; dropped early when the client hangs up.
struct Open {
    shared: Arc<Shared>,
    at: usize,
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
        let mut seen = shared.lock();
        seen.hits.push(hit);
        let at = seen.hits.len() - 1;
        drop(seen);
        shared.count.send_modify(|count| *count += 1);
        Self { shared: shared.clone(), at, end: End::HungUp }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let now = self.shared.clock.elapsed();
        let hit = &mut self.shared.lock().hits[self.at];
        (hit.ended, hit.end) = (now, self.end);
    }
}

type Answer = Response<Either<Full<Bytes>, http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == "/told" {
        let told = header::<NotificationId>(&head.headers, "webhook-id");
        match told {
            Some(id) => shared.lock().told.push(id.uuid()),
            None => shared.lock().strange.push(format!("a notification without an id: {:?}", head.headers)),
        }
        let _body = body.collect().await;
        return Ok(plain(StatusCode::NO_CONTENT));
    }
    let Some(hit) = hit(&head.headers, &shared.clock) else {
        shared.lock().strange.push(format!("{} {path}", head.method));
        return Ok(plain(StatusCode::BAD_REQUEST));
    };
    let mut open = Open::arrived(&shared, hit);
    let _body = body.collect().await;
    let answer = match path.split('/').collect::<Vec<_>>()[1..] {
        ["failing"] => plain(StatusCode::INTERNAL_SERVER_ERROR),
        ["slow", ms] => {
            tokio::time::sleep(Duration::from_millis(ms.parse().unwrap_or_default())).await;
            plain(StatusCode::OK)
        }
        ["deaf"] => std::future::pending().await,
        ["drip"] => dripping(),
        _ => plain(StatusCode::OK),
    };
    open.end = End::Answered;
    Ok(answer)
}

fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from_static(b"{\"ok\":true}"))));
    *answer.status_mut() = status;
    answer
}

/// A byte now and then, for ever.
fn dripping() -> Answer {
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
