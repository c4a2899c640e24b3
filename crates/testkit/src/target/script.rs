//! What a request gets: an answer, or one of the ways in which servers misbehave.

use std::time::Duration;

use bytes::Bytes;

#[derive(Clone, Debug)]
pub enum Script {
    Answer(Answer),
    /// These bytes instead of an answer, then the end of the connection. HTTP/1.1 only, as are all that bend its syntax.
    Raw(Bytes),
    /// Nothing, until the client hangs up.
    Never,
    /// A head that never ends, a byte at a time.
    DripHead(Duration),
    /// A head, then a body that never ends, a byte at a time.
    DripBody(Duration),
    /// `100 Continue` without end.
    EndlessInterim,
    /// A body without end, in large pieces.
    EndlessBody,
    /// A body without end, in chunks of one byte.
    EndlessChunks,
    /// Header lines without end.
    EndlessHeaders,
    /// The end of the connection; over HTTP/2, of the stream.
    Close,
    /// The end of the connection by TCP RST.
    Reset,
}

/// An ordinary answer.
#[derive(Clone, Debug)]
pub struct Answer {
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
    /// An answer without headers and body.
    pub fn status(status: u16) -> Self {
        Self::Answer(Answer { status, headers: Vec::new(), body: Bytes::new(), after: Duration::ZERO })
    }

    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::Raw(bytes.into())
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|answer| answer.headers.push((name.to_owned(), value.to_owned())))
    }

    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.with(|answer| answer.body = body.into())
    }

    /// Answers only when this time has passed.
    pub fn after(self, after: Duration) -> Self {
        self.with(|answer| answer.after = after)
    }

    fn with(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        match &mut self {
            Self::Answer(answer) => change(answer),
            other => panic!("{other:?} is no answer that could be changed"),
        }
        self
    }
}

impl Answer {
    /// RFC 9112 §6.3: these have no body, whatever is written.
    pub(super) fn has_body(&self) -> bool {
        !matches!(self.status, 100..=199 | 204 | 304)
    }
}
