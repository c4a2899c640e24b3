//! An open HTTP connection: one exchange at a time over HTTP/1.1, many at once over HTTP/2.
//!
//! Dropping the last handle ends the connection and its tasks at once, whatever the peer does.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

use super::fair_reader::FairReader;

/// Of an answer's head, over HTTP/1.1 (with hyper's own limit of 100 headers) and HTTP/2.
const MAX_HEAD_BYTES: u32 = 64 * 1024;
/// What a peer may have under way to us and unread, per HTTP/2 stream and connection.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Exchanges at once over one HTTP/2 connection: what RFC 9113 §6.5.2 asks servers to allow at least.
const MAX_STREAMS: usize = 100;
/// Exchanges over one HTTP/2 connection in its life; servers commonly end theirs after 1,000, with requests on the way.
const MAX_EXCHANGES: usize = 900;

pub(super) type Message = Request<Full<Bytes>>;

pub(super) enum Connection {
    Exclusive(Exclusive),
    Shared(Lease),
}

impl Connection {
    pub(super) fn peer(&self) -> SocketAddr {
        match self {
            Self::Exclusive(connection) => connection.peer,
            Self::Shared(lease) => lease.0.peer,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Exclusive(connection) => connection.is_closed(),
            Self::Shared(lease) => lease.0.sender.is_closed(),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// After an exchange without end: its peer may be gone without a word, so nobody else begins on this connection.
    pub(super) fn retire(&self) {
        if let Self::Shared(lease) = self {
            lease.0.retired.store(true, Ordering::Relaxed);
        }
    }

    /// An error holds the message if, and only if, no byte of it can have left.
    pub(super) async fn send(
        &mut self,
        message: Message,
    ) -> Result<Response<Incoming>, TrySendError<Message>> {
        match self {
            Self::Exclusive(connection) => connection.sender.try_send_request(message).await,
            Self::Shared(lease) => lease.0.sender.clone().try_send_request(message).await,
        }
    }
}

/// An HTTP/1.1 connection.
pub(super) struct Exclusive {
    sender: http1::SendRequest<Full<Bytes>>,
    peer: SocketAddr,
    /// How long the server said it keeps the connection when idle.
    pub(super) kept_for: Option<Duration>,
    _driver: DropGuard,
}

impl Exclusive {
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
    ) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        let (sender, connection) =
            builder.max_buf_size(MAX_HEAD_BYTES as usize).handshake(TokioIo::new(stream)).await?;
        let stop = CancellationToken::new();
        drive(stop.clone(), async {
            // Its error, if any, is also the exchange's, which reports it.
            let _reported = connection.await;
        });
        Ok(Self { sender, peer, kept_for: None, _driver: stop.drop_guard() })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Resolves when the last exchange is quite over; `false` if the connection can carry no other.
    pub(super) async fn is_ready(&mut self) -> bool {
        poll_fn(|context| self.sender.poll_ready(context)).await.is_ok()
    }
}

/// An HTTP/2 connection.
pub(super) struct Multiplexed {
    sender: http2::SendRequest<Full<Bytes>>,
    peer: SocketAddr,
    /// Exchanges at once, as the server wants it.
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
        peer: SocketAddr,
    ) -> hyper::Result<Arc<Self>> {
        let stop = CancellationToken::new();
        let driver = stop.clone().drop_guard();
        let (sender, mut connection) = http2::Builder::new(Drive(stop.clone()))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(FairReader::new(stream)))
            .await?;
        let limit = Arc::new(AtomicUsize::new(MAX_STREAMS));
        let noted = Arc::clone(&limit);
        let driven = poll_fn(move |context| {
            let polled = Pin::new(&mut connection).poll(context);
            noted.store(connection.current_max_send_streams().min(MAX_STREAMS), Ordering::Relaxed);
            polled
        });
        drive(stop, async move {
            let _reported = driven.await;
        });
        Ok(Arc::new(Self {
            sender,
            peer,
            limit,
            in_use: AtomicUsize::new(0),
            exchanges: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            last_used: Mutex::new(Instant::now()),
            _driver: driver,
        }))
    }

    /// A place for one exchange, or `None` when there is none.
    pub(super) fn lease(self: &Arc<Self>) -> Option<Lease> {
        if self.is_spent() || self.in_use.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed) {
            return None;
        }
        self.in_use.fetch_add(1, Ordering::Relaxed);
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        Some(Lease(Arc::clone(self)))
    }

    /// Whether it takes no further exchange, now or later.
    pub(super) fn is_spent(&self) -> bool {
        self.sender.is_closed()
            || self.retired.load(Ordering::Relaxed)
            || self.exchanges.load(Ordering::Relaxed) >= MAX_EXCHANGES
    }

    pub(super) fn is_idle_since(&self, instant: Instant) -> bool {
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        self.in_use.load(Ordering::Relaxed) == 0 && last_used <= instant
    }
}

/// The right to one exchange over a shared connection.
pub(super) struct Lease(Arc<Multiplexed>);

impl Drop for Lease {
    fn drop(&mut self) {
        *self.0.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs what hyper needs beside an HTTP/2 connection until that connection is dropped.
#[derive(Clone)]
struct Drive(CancellationToken);

impl<F> hyper::rt::Executor<F> for Drive
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        drive(self.0.clone(), async {
            future.await;
        });
    }
}

/// The one place of this module that starts tasks: each ends when `stop` is cancelled, at the latest.
pub(super) fn drive(stop: CancellationToken, future: impl Future<Output = ()> + Send + 'static) {
    drop(tasks::spawn("egress", stop.run_until_cancelled_owned(future)));
}
