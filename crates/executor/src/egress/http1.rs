//! HTTP/1.1 over one connection, one exchange at a time: see decision 25 for why this is not hyper's.
//!
//! Nothing runs between exchanges, and dropping a connection closes it.

mod body;
mod framing;
mod head;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use trigrun_core::domain::target::TargetUrl;

use self::{
    body::{BodyError, Decoder},
    framing::HeadError,
    head::{FinalHead, HeadReader},
};
use super::{Call, connection::Peer, destinations::ConnectionShares, response::Head};

/// Room for a usual head. While a request waits for its response, the connection holds this.
const HEAD_BUFFER_BYTES: usize = 2 * 1024;
const BODY_BUFFER_BYTES: usize = 16 * 1024;
/// A body of at most this size is sent together with the head: in one packet, if it is small.
const MAX_JOINED_BYTES: usize = 16 * 1024;

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

#[derive(Debug, thiserror::Error)]
pub(super) enum Http1Error {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the connection ended before the response did")]
    ClosedEarly,
    #[error("the response is not HTTP")]
    NotHttp,
    #[error("the head of the response is too large")]
    HeadTooLarge,
}

impl From<HeadError> for Http1Error {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::NotHttp => Self::NotHttp,
            HeadError::TooLarge => Self::HeadTooLarge,
        }
    }
}

impl From<BodyError> for Http1Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotHttp => Self::NotHttp,
            BodyError::ClosedEarly => Self::ClosedEarly,
        }
    }
}

/// An HTTP/1.1 connection.
pub(super) struct Exclusive {
    stream: Box<dyn Socket>,
    /// As it is recorded.
    pub(super) peer: Box<str>,
    output: Output,
    input: Input,
    body: Decoder,
    is_persistent: bool,
    /// How long the server said it keeps the connection when idle.
    pub(super) kept_for: Option<Duration>,
    /// It was kept after an exchange, so the server may close it at any time.
    pub(super) has_rested: bool,
    /// Given back when the socket is closed: fields are dropped in this order.
    _shares: ConnectionShares,
}

/// What is left to send of a request.
#[derive(Default)]
struct Output {
    head: Bytes,
    body: Bytes,
    is_flushed: bool,
}

/// What was received and not yet decoded.
#[derive(Default)]
struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Exclusive {
    pub(super) fn new(stream: impl Socket + 'static, Peer { address, shares }: Peer) -> Box<Self> {
        Box::new(Self {
            stream: Box::new(stream),
            peer: address.to_string().into(),
            output: Output { is_flushed: true, ..Output::default() },
            input: Input::default(),
            body: Decoder::Ended,
            is_persistent: true,
            kept_for: None,
            has_rested: false,
            _shares: shares,
        })
    }

    /// Between two exchanges: whether the server has closed it, or sent what was not asked for.
    pub(super) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = Pin::new(&mut self.stream)
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte));
        read.is_ready()
    }

    /// Sends a request, and returns the head of its response: possibly before all of the request was sent.
    pub(super) async fn send(&mut self, call: &Call, url: &TargetUrl) -> Result<Head, Sending> {
        self.output = Output::new(call, url);
        self.input.allocate(HEAD_BUFFER_BYTES);
        let (mut reader, mut has_responded) = (HeadReader::default(), false);
        let head = loop {
            let received = poll_fn(|context| self.poll_receive(context)).await;
            match received {
                Ok(0) => return Err(Sending { error: Http1Error::ClosedEarly, has_responded }),
                Ok(_) => has_responded = true,
                Err(error) => return Err(Sending { error: error.into(), has_responded }),
            }
            match reader.feed(self.input.filled()) {
                Ok((taken, head)) => {
                    self.input.start += taken;
                    if let Some(head) = head {
                        break head;
                    }
                }
                Err(error) => return Err(Sending { error: error.into(), has_responded }),
            }
        };
        let FinalHead { head, length, is_persistent } = head;
        (self.body, self.is_persistent) = (Decoder::new(length), is_persistent);
        self.kept_for = head.get("keep-alive").and_then(framing::keep_alive);
        Ok(head)
    }

    /// The next piece of the body; `None` after its end.
    pub(super) async fn read(&mut self) -> Result<Option<&[u8]>, Http1Error> {
        while !self.body.has_ended() {
            if self.input.filled().is_empty() {
                self.input.allocate(BODY_BUFFER_BYTES);
                match poll_fn(|context| self.poll_receive(context)).await {
                    Ok(0) => self.body.close()?,
                    Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
                continue;
            }
            let start = self.input.start;
            let (taken, data) = self.body.decode(self.input.filled())?;
            self.input.start += taken;
            if !data.is_empty() {
                return Ok(Some(&self.input.buffer[start + data.start..start + data.end]));
            }
        }
        Ok(None)
    }

    /// After an exchange: whether there may be another one.
    pub(super) fn can_be_kept(&mut self) -> bool {
        let is_complete = self.body.has_ended() && self.output.is_sent() && self.input.filled().is_empty();
        self.input = Input::default();
        is_complete && self.is_persistent && !self.is_closed()
    }

    /// Sends as much as is possible, then receives. A server may respond, and stop to read, before it has all of a request: so a failure to
    /// send counts only if there is nothing to receive.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(_)) = self.output.poll_send(context, &mut self.stream) {
            // What receiving returns now says why.
            self.output = Output::default();
        }
        self.input.poll_fill(context, &mut self.stream)
    }
}

/// Why there is no head, and whether any part of it arrived.
pub(super) struct Sending {
    pub(super) error: Http1Error,
    pub(super) has_responded: bool,
}

impl Output {
    fn new(call: &Call, url: &TargetUrl) -> Self {
        let mut head = request_head(call, url);
        let mut body = call.body.clone();
        if body.len() <= MAX_JOINED_BYTES {
            head.extend_from_slice(&body);
            body = Bytes::new();
        }
        Self { head: head.into(), body, is_flushed: false }
    }

    fn is_sent(&self) -> bool {
        self.head.is_empty() && self.body.is_empty() && self.is_flushed
    }

    fn poll_send(&mut self, context: &mut Context<'_>, stream: &mut Box<dyn Socket>) -> Poll<io::Result<()>> {
        for part in [&mut self.head, &mut self.body] {
            while !part.is_empty() {
                let sent = std::task::ready!(Pin::new(&mut *stream).poll_write(context, part))?;
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                let _sent = part.split_to(sent);
            }
        }
        if !self.is_flushed {
            std::task::ready!(Pin::new(stream).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Input {
    fn filled(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Makes the empty buffer at least this large.
    fn allocate(&mut self, bytes: usize) {
        if self.buffer.len() < bytes {
            self.buffer = vec![0; bytes];
        }
        (self.start, self.end) = (0, 0);
    }

    fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut Box<dyn Socket>,
    ) -> Poll<io::Result<usize>> {
        let mut free = ReadBuf::new(&mut self.buffer);
        let filled = std::task::ready!(Pin::new(stream).poll_read(context, &mut free));
        let bytes = free.filled().len();
        (self.start, self.end) = (0, bytes);
        match filled {
            // TLS without a closing message.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            filled => Poll::Ready(filled.map(|()| bytes)),
        }
    }
}

/// RFC 9112 §3: `Host` is the first line, and the others keep their order and spelling.
fn request_head(call: &Call, url: &TargetUrl) -> Vec<u8> {
    let lines: usize = call.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut head =
        Vec::with_capacity(lines + url.as_str().len() + 64 + call.body.len().min(MAX_JOINED_BYTES));
    for part in [call.method.as_str(), " ", url.path_and_query(), " HTTP/1.1\r\nHost: ", url.authority()] {
        head.extend_from_slice(part.as_bytes());
    }
    for (name, value) in &call.headers {
        line(&mut head, name, value.as_bytes());
    }
    // RFC 9110 §8.6: where content has a meaning, an empty one has a length, too.
    if !call.body.is_empty() || call.sends_length() {
        line(&mut head, "Content-Length", HeaderValue::from(call.body.len()).as_bytes());
    }
    head.extend_from_slice(b"\r\n\r\n");
    head
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
}
