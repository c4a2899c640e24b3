//! What a request gets: a response, or one of the ways in which servers misbehave.

use std::time::Duration;

use bytes::Bytes;

#[derive(Clone, Debug)]
pub enum Script {
    Response(Response),
    /// These bytes instead of a response, then the end of the connection. HTTP/1.1 only, as is every script that violates its syntax.
    Raw(Bytes),
    /// Nothing, until the client disconnects.
    Never,
    /// An endless head, one byte at a time.
    DripHead(Duration),
    /// A head, then an endless body, one byte at a time.
    DripBody(Duration),
    /// Endless `100 Continue`.
    EndlessInterim,
    /// An endless body in large pieces.
    EndlessBody,
    /// An endless body in chunks of one byte.
    EndlessChunks,
    /// Endless header lines.
    EndlessHeaders,
    /// These bytes, then `piece` endlessly.
    Endless {
        start: Bytes,
        piece: Bytes,
    },
    /// The end of the connection; with HTTP/2, of the stream.
    Close,
    /// The end of the stream with this error code (RFC 9113 §7). HTTP/2 only.
    RefuseStream(h2::Reason),
    /// TCP RST.
    Reset,
}

/// A valid response.
#[derive(Clone, Debug)]
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) after: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self::status(200).header("content-type", "application/json").body(r#"{"ok":true}"#)
    }
}

impl Script {
    /// A response without headers and body.
    pub fn status(status: u16) -> Self {
        Self::Response(Response { status, headers: Vec::new(), body: Bytes::new(), after: Duration::ZERO })
    }

    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::Raw(bytes.into())
    }

    /// These bytes, then `piece` endlessly.
    pub fn endless(start: impl Into<Bytes>, piece: impl Into<Bytes>) -> Self {
        Self::Endless { start: start.into(), piece: piece.into() }
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|response| response.headers.push((name.to_owned(), value.to_owned())))
    }

    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.with(|response| response.body = body.into())
    }

    /// Responds after this time.
    pub fn after(self, after: Duration) -> Self {
        self.with(|response| response.after = after)
    }

    fn with(mut self, change: impl FnOnce(&mut Response)) -> Self {
        match &mut self {
            Self::Response(response) => change(response),
            other => panic!("{other:?} is not a response"),
        }
        self
    }
}

impl Response {
    /// RFC 9112 §6.3: these statuses have no body.
    pub(super) fn has_body(&self) -> bool {
        !matches!(self.status, 100..=199 | 204 | 304)
    }
}
