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

use super::{destinations::ConnectionShares, fair_reader::FairReader};

/// Of a response head, over HTTP/1.1 (with hyper's own limit of 100 headers) and HTTP/2. With HTTP/1.1, it is also the buffer for reading,
/// and so the most that a peer can make us hold besides what is kept of a response.
const MAX_HEAD_BYTES: u32 = 32 * 1024;
/// How many bytes a peer may send before we have read them, per HTTP/2 stream and connection: the most that it can make us hold. An
/// exchange reads what arrives at once, so it is held for long by no well-behaved peer.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Concurrent exchanges over one HTTP/2 connection: the minimum that RFC 9113 §6.5.2 recommends servers to allow.
const MAX_STREAMS: usize = 100;
/// Exchanges over one HTTP/2 connection in total. Servers commonly close theirs after 1,000, with requests in flight.
const MAX_EXCHANGES: usize = 900;

pub(super) type Message = Request<Full<Bytes>>;

/// The other end of a connection.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Of what the process may have of connections to it.
    pub(super) shares: ConnectionShares,
}

pub(super) enum Connection {
    Exclusive(Exclusive),
    Shared(StreamPermit),
}

impl Connection {
    pub(super) fn peer(&self) -> SocketAddr {
        match self {
            Self::Exclusive(connection) => connection.peer,
            Self::Shared(stream) => stream.0.peer,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Exclusive(connection) => connection.is_closed(),
            Self::Shared(stream) => stream.0.sender.is_closed(),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// After an exchange that did not complete: the peer may be gone, so no other exchange begins on this connection.
    pub(super) fn retire(&self) {
        if let Self::Shared(stream) = self {
            stream.0.retired.store(true, Ordering::Relaxed);
        }
    }

    /// An error contains the message if, and only if, no byte of it can have been sent.
    pub(super) async fn send(
        &mut self,
        message: Message,
    ) -> Result<Response<Incoming>, TrySendError<Message>> {
        match self {
            Self::Exclusive(connection) => connection.sender.try_send_request(message).await,
            Self::Shared(stream) => stream.0.sender.clone().try_send_request(message).await,
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
        Peer { address: peer, shares }: Peer,
    ) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        let (sender, connection) =
            builder.max_buf_size(MAX_HEAD_BYTES as usize).handshake(TokioIo::new(stream)).await?;
        let stop = CancellationToken::new();
        spawn_until(stop.clone(), async {
            // Given back when the socket is closed.
            let _shares = shares;
            // An error, if any, also ends the exchange, which reports it.
            let _reported = connection.await;
        });
        Ok(Self { sender, peer, kept_for: None, _driver: stop.drop_guard() })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Resolves when the last exchange is complete; `false` if the connection cannot carry another one.
    pub(super) async fn is_ready(&mut self) -> bool {
        poll_fn(|context| self.sender.poll_ready(context)).await.is_ok()
    }
}

/// An HTTP/2 connection.
pub(super) struct Multiplexed {
    sender: http2::SendRequest<Full<Bytes>>,
    peer: SocketAddr,
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
        Peer { address: peer, shares }: Peer,
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
            peer,
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
        self.in_use.fetch_add(1, Ordering::Relaxed);
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        Some(StreamPermit(Arc::clone(self)))
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
pub(super) struct StreamPermit(Arc<Multiplexed>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        *self.0.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
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
