//! A connection whose client may be slow, but not for ever.
//!
//! The server's own timers end a first head that dawdles and a connection that is idle. They do not end a later head that comes a byte at a
//! time, a body that nobody reads any more, or an answer that the client does not take: each would be a connection for as long as the client
//! likes, and connections are what there is a limited number of.

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

/// From the first byte that comes after an answer, a client has this long before it is asked how fast it is. Longer than a head and a body may
/// take together.
const AT_EASE: Duration = Duration::from_secs(15);
/// And then it must have sent this many bytes in each of those seconds.
const BYTES_PER_SECOND: u64 = 1024;
/// How long it may take nothing of an answer.
const TAKES_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may be silent. Longer than the server keeps an idle one.
const SPEAKS_WITHIN: Duration = Duration::from_secs(90);

pub struct SlowClientGuard<S> {
    stream: S,
    /// Since when this has been coming, and how much of it.
    coming: Option<(Instant, u64)>,
    moved: Instant,
    /// Since when nothing more of an answer is taken.
    stuck: Option<Instant>,
    silence: Deadline,
    stuck_until: Deadline,
}

impl<S> SlowClientGuard<S> {
    pub fn new(stream: S) -> Self {
        let moved = Instant::now();
        let (silence, stuck_until) = (Deadline::default(), Deadline::default());
        Self { stream, coming: None, moved, stuck: None, silence, stuck_until }
    }

    /// So many bytes came in.
    fn came(&mut self, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.moved = Instant::now();
        let (since, so_far) = self.coming.unwrap_or((self.moved, 0));
        self.coming = Some((since, so_far + bytes));
        let time = self.moved - since;
        if time > AT_EASE && so_far + bytes < time.as_secs() * BYTES_PER_SECOND {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// What came of a try to write.
    fn written(&mut self, cx: &mut Context<'_>, tried: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if tried.is_ready() {
            (self.moved, self.coming, self.stuck) = (Instant::now(), None, None);
            return tried;
        }
        let since = *self.stuck.get_or_insert_with(Instant::now);
        self.stuck_until.passed(cx, since + TAKES_WITHIN).map(Err)
    }
}

/// An instant by which something must have happened. Where it moves, the timer does not: it is looked at when it has come.
#[derive(Default)]
struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    fn passed(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<Error> {
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
            Poll::Ready(Ok(())) => Poll::Ready(this.came((buffer.filled().len() - before) as u64)),
            Poll::Pending => this.silence.passed(cx, this.moved + SPEAKS_WITHIN).map(Err),
            failed => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SlowClientGuard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let tried = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, tried)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let tried = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.written(cx, tried)
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
