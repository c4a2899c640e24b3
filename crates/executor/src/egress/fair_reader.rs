//! A stream that yields to other tasks after a number of bytes.
//!
//! An HTTP/2 server may send frames that are cheap for it and cost us a little: pings, settings, priorities. A task that processes
//! everything that has arrived occupies its thread as long as more arrives, and other attempts on this thread end late.

use std::{
    io::{IoSlice, Result},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// About a thousand of the smallest frames.
const MAX_TURN_BYTES: usize = 16 * 1024;

pub(super) struct FairReader<S> {
    stream: S,
    left: usize,
}

impl<S> FairReader<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, left: MAX_TURN_BYTES }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FairReader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if self.left == 0 {
            self.left = MAX_TURN_BYTES;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.left = self.left.saturating_sub(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FairReader<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_reader_yields_after_a_number_of_bytes() {
        let bytes = vec![7; MAX_TURN_BYTES * 3];
        let mut reader = FairReader::new(bytes.as_slice());
        let (mut piece, mut pauses) = ([0; 1024], 0);
        for _ in 0..bytes.len() / piece.len() {
            while reader.read_exact(&mut piece).now_or_never().is_none() {
                pauses += 1;
            }
        }
        assert_eq!(pauses, 2);
    }
}
