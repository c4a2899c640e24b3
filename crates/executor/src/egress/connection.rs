//! An open HTTP connection: one exchange at a time over HTTP/1.1, many concurrent ones over HTTP/2.
//!
//! Dropping the last handle ends the connection and its tasks immediately, whatever the peer does.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::{domain::target::TargetUrl, runtime::tasks};

use super::{
    Call,
    destinations::ConnectionShares,
    failure::{self, Failure, Unanswered},
    fair_reader::FairReader,
    http1::Exclusive,
    response::Head,
};

/// Of a response head, as HTTP/2 counts it (RFC 9113 §6.5.2): with 32 bytes for each line. A peer that does not end its head makes us hold
/// this for each connection, so it is less than over HTTP/1.1, where what is held does not grow with the head.
const MAX_HEAD_BYTES: u32 = 64 * 1024;
/// How many bytes a peer may send before we have read them, per HTTP/2 stream and connection: the most that it can make us hold. An
/// exchange reads what arrives at once, so it is held for long by no well-behaved peer.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Concurrent exchanges over one HTTP/2 connection: the minimum that RFC 9113 §6.5.2 recommends servers to allow.
const MAX_STREAMS: usize = 100;
/// Exchanges over one HTTP/2 connection in total. Servers commonly close theirs after 1,000, with requests in flight.
const MAX_EXCHANGES: usize = 900;

/// The other end of a connection.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Of what the process may have of connections to it.
    pub(super) shares: ConnectionShares,
}

pub(super) enum Connection {
    Exclusive(Box<Exclusive>),
    Shared(StreamPermit),
}

/// What of a response is still to be received.
pub(super) enum Rest {
    /// On the connection itself.
    Exclusive,
    Shared(Incoming),
}

impl Connection {
    pub(super) fn peer(&self) -> &str {
        match self {
            Self::Exclusive(connection) => &connection.peer,
            Self::Shared(stream) => &stream.connection.peer,
        }
    }

    pub(super) fn is_closed(&mut self) -> bool {
        match self {
            Self::Exclusive(connection) => connection.is_closed(),
            Self::Shared(stream) => stream.connection.sender.is_closed(),
        }
    }

    /// Whether it was idle after an exchange, so that the server may have closed it.
    pub(super) fn has_rested(&self) -> bool {
        match self {
            Self::Exclusive(connection) => connection.has_rested,
            Self::Shared(stream) => stream.has_rested,
        }
    }

    /// After an exchange that did not complete: the peer may be gone, so no other exchange begins on this connection.
    pub(super) fn retire(&self) {
        if let Self::Shared(stream) = self {
            stream.connection.retired.store(true, Ordering::Relaxed);
        }
    }

    /// Sends a request, and returns the head of its response.
    pub(super) async fn send(&mut self, call: &Call, url: &TargetUrl) -> Result<(Head, Rest), Unanswered> {
        let has_rested = self.has_rested();
        match self {
            Self::Exclusive(connection) => match connection.send(call, url).await {
                Ok(head) => Ok((head, Rest::Exclusive)),
                Err(sending) => Err(Unanswered::of_http1(&sending, has_rested)),
            },
            Self::Shared(stream) => {
                let message = http2_message(call, url).map_err(Unanswered::failed)?;
                match stream.connection.sender.clone().try_send_request(message).await {
                    Ok(response) => {
                        let (parts, body) = response.into_parts();
                        Ok((Head::of_http2(&parts), Rest::Shared(body)))
                    }
                    Err(error) => Err(Unanswered::of_http2(error, has_rested)),
                }
            }
        }
    }

    /// Receives the body, piece by piece, until its end or until `take` returns false. Whether it ended.
    pub(super) async fn receive(
        &mut self,
        rest: Rest,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<bool, Failure> {
        match (self, rest) {
            (Self::Exclusive(connection), Rest::Exclusive) => {
                while let Some(data) = connection.read().await.map_err(|error| failure::of_http1(&error))? {
                    if !take(data) {
                        return Ok(false);
                    }
                    // The deadline must be checked even if many small pieces arrive without a pause.
                    tokio::task::coop::consume_budget().await;
                }
            }
            (_, Rest::Shared(mut body)) => {
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|error| failure::of_http2(&error))?;
                    if frame.data_ref().is_some_and(|data| !take(data)) {
                        return Ok(false);
                    }
                    tokio::task::coop::consume_budget().await;
                }
            }
            (Self::Shared(_), Rest::Exclusive) => return Err(failure::closed_early()),
        }
        Ok(true)
    }
}

/// RFC 9113 §8.3.1: the URL is in the pseudo-header fields, and names are in lower case.
fn http2_message(call: &Call, url: &TargetUrl) -> Result<Request<Full<Bytes>>, Failure> {
    let uri = Uri::try_from(url.as_str()).map_err(|_| failure::unwritable())?;
    let mut message = Request::new(Full::new(call.body.clone()));
    *message.method_mut() = call.method.clone();
    *message.uri_mut() = uri;
    *message.version_mut() = Version::HTTP_2;
    let headers = message.headers_mut();
    headers.reserve(call.headers.len() + 1);
    for (name, value) in &call.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| failure::unwritable())?;
        headers.append(name, value.clone());
    }
    // RFC 9110 §8.6: where content has a meaning, an empty one has a length, too. Hyper sends all other lengths.
    if call.body.is_empty() && call.sends_length() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(message)
}

/// An HTTP/2 connection.
pub(super) struct Multiplexed {
    sender: http2::SendRequest<Full<Bytes>>,
    /// As it is recorded.
    peer: Box<str>,
    /// Concurrent exchanges, as the server allows them.
    limit: Arc<AtomicUsize>,
    in_use: AtomicUsize,
    exchanges: AtomicUsize,
    retired: AtomicBool,
    last_used: Mutex<Instant>,
    _driver: DropGuard,
}

impl Multiplexed {
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        Peer { address, shares }: Peer,
    ) -> hyper::Result<Arc<Self>> {
        let stop = CancellationToken::new();
        let driver = stop.clone().drop_guard();
        let (sender, mut connection) = http2::Builder::new(ConnectionTasks(stop.clone()))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(FairReader::new(stream)))
            .await?;
        let limit = Arc::new(AtomicUsize::new(MAX_STREAMS));
        let allowed = Arc::clone(&limit);
        let driven = poll_fn(move |context| {
            let polled = Pin::new(&mut connection).poll(context);
            allowed.store(connection.current_max_send_streams().min(MAX_STREAMS), Ordering::Relaxed);
            polled
        });
        spawn_until(stop, async move {
            let _shares = shares;
            let _reported = driven.await;
        });
        Ok(Arc::new(Self {
            sender,
            peer: address.to_string().into(),
            limit,
            in_use: AtomicUsize::new(0),
            exchanges: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            last_used: Mutex::new(Instant::now()),
            _driver: driver,
        }))
    }

    /// Reserves one exchange; `None` when the connection cannot carry another one now.
    pub(super) fn reserve(self: &Arc<Self>) -> Option<StreamPermit> {
        if self.is_spent() || self.in_use.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed) {
            return None;
        }
        let is_alone = self.in_use.fetch_add(1, Ordering::Relaxed) == 0;
        let is_new = self.exchanges.fetch_add(1, Ordering::Relaxed) == 0;
        Some(StreamPermit { connection: Arc::clone(self), has_rested: is_alone && !is_new })
    }

    /// Whether it can carry no further exchange, now or later.
    pub(super) fn is_spent(&self) -> bool {
        self.sender.is_closed()
            || self.retired.load(Ordering::Relaxed)
            || self.exchanges.load(Ordering::Relaxed) >= MAX_EXCHANGES
    }

    pub(super) fn is_idle_since(&self, instant: Instant) -> bool {
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_idle() && last_used <= instant
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_use.load(Ordering::Relaxed) == 0
    }
}

/// The right to one exchange over a shared connection.
pub(super) struct StreamPermit {
    connection: Arc<Multiplexed>,
    has_rested: bool,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        *self.connection.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.connection.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs the tasks of an HTTP/2 connection until it is dropped.
#[derive(Clone)]
struct ConnectionTasks(CancellationToken);

impl<F> hyper::rt::Executor<F> for ConnectionTasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        spawn_until(self.0.clone(), async {
            future.await;
        });
    }
}

/// The only place of this module that starts tasks. Each ends when `stop` is cancelled, at the latest.
pub(super) fn spawn_until(stop: CancellationToken, future: impl Future<Output = ()> + Send + 'static) {
    drop(tasks::spawn("egress", stop.run_until_cancelled_owned(future)));
}
