//! Slow-client protection: ends connections of clients that send or read too slowly.
//!
//! The server's own timers end a slow first head and an idle connection. They do not end a later head that arrives a byte at a time, a body
//! that is no longer read, or a response that the client does not read. Each would hold a connection for as long as the client likes, and the
//! number of connections is limited.

use actix_web::rt::net::{ActixStream, Ready};
use std::{
    io::{Error, ErrorKind, IoSlice, Result},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// From the first byte after a response, the rate of a client is not checked for this long. Longer than a head and a body may take together.
const GRACE_PERIOD: Duration = Duration::from_secs(15);
/// The average rate that a client must have reached after the grace period.
const MIN_BYTES_PER_SECOND: u64 = 1024;
/// How long a client may read nothing of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may transfer nothing. Longer than the server keeps an idle one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

pub struct SlowClientGuard<S> {
    stream: S,
    /// When the first byte of the current request arrived, and how many bytes have arrived since.
    receiving: Option<(Instant, u64)>,
    last_transfer: Instant,
    /// Since when the client reads nothing of a response.
    blocked_since: Option<Instant>,
    idle_deadline: Deadline,
    write_deadline: Deadline,
}

impl<S> SlowClientGuard<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            receiving: None,
            last_transfer: Instant::now(),
            blocked_since: None,
            idle_deadline: Deadline::default(),
            write_deadline: Deadline::default(),
        }
    }

    /// Accounts for bytes that arrived. An error if the client is too slow.
    fn received(&mut self, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.last_transfer = Instant::now();
        let (since, earlier) = self.receiving.unwrap_or((self.last_transfer, 0));
        let total = earlier + bytes;
        self.receiving = Some((since, total));
        let elapsed = self.last_transfer - since;
        if elapsed > GRACE_PERIOD && total < elapsed.as_secs() * MIN_BYTES_PER_SECOND {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Accounts for the result of a write.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if result.is_ready() {
            (self.last_transfer, self.receiving, self.blocked_since) = (Instant::now(), None, None);
            return result;
        }
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        self.write_deadline.poll_passed(cx, since + WRITE_TIMEOUT).map(Err)
    }
}

/// A deadline that moves. The timer does not move with it: when it fires early, it is set again.
#[derive(Default)]
struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    fn poll_passed(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<Error> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        while timer.as_mut().poll(cx).is_ready() {
            if until <= Instant::now() {
                return Poll::Ready(ErrorKind::TimedOut.into());
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SlowClientGuard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(this.received((buffer.filled().len() - before) as u64)),
            Poll::Pending => this.idle_deadline.poll_passed(cx, this.last_transfer + IDLE_TIMEOUT).map(Err),
            failed => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SlowClientGuard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: ActixStream> ActixStream for SlowClientGuard<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<Result<Ready>> {
        ActixStream::poll_read_ready(&self.stream, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<Result<Ready>> {
        ActixStream::poll_write_ready(&self.stream, cx)
    }
}
