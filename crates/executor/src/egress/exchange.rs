//! One request over one connection, and its response, to the end or the limit.
//!
//! Nothing is sent twice here: only a message of which no byte was sent moves to a new connection, once.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, Uri, Version, header, response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Outcome},
        target::TargetUrl,
    },
    failpoint,
};

use super::{
    Call, MAX_BUDGET, Ready,
    connection::{Connection, Message},
    failure::{self, Failure},
    origin,
    response::{classify, lossy_headers, retry_after},
};
use crate::owner::Share;

/// How much of a body is read. A longer one is cut off by closing the connection, and the response counts by its status.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// Of a response body, kept without a share of memory.
const FREE_PREVIEW_BYTES: usize = 4 * 1024;

pub(super) struct Exchange<'a> {
    pub(super) deadline: Instant,
    pub(super) sent_at: Option<Instant>,
    pub(super) outcome: Outcome,
    pub(super) max_preview_bytes: usize,
    /// Grows by what is kept of the body. If it cannot, the preview ends there. `None`: nothing counts it.
    pub(super) memory: Option<&'a mut Share>,
}

enum Sending {
    Responded(Response<Incoming>),
    /// No byte was sent; this is the message again.
    Unsent(Message),
}

impl Exchange<'_> {
    /// `Err` when the response did not arrive, or not completely; the part that arrived is in the outcome.
    pub(super) async fn run(
        &mut self,
        ready: Ready,
        call: Call,
        may_send: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(), Failure> {
        let Ready { egress, owner, url, mut connection, .. } = ready;
        let mut message = Message::new(Full::new(call.body));
        *message.method_mut() = call.method;
        *message.headers_mut() = call.headers;
        // RFC 9110 §8.6: where content has a meaning, an empty one has a length, too. Hyper sends all other lengths.
        if message.body().is_end_stream()
            && matches!(*message.method(), Method::POST | Method::PUT | Method::PATCH)
        {
            message.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }

        let response = match self.send(&mut connection, &url, message, may_send).await? {
            Sending::Responded(response) => response,
            Sending::Unsent(message) => {
                connection = egress.dial(owner, &url, self.deadline, &mut self.outcome.timing).await?;
                match self.send(&mut connection, &url, message, may_send).await? {
                    Sending::Responded(response) => response,
                    Sending::Unsent(_) => return Err(failure::closed_early()),
                }
            }
        };

        let (head, body) = response.into_parts();
        self.record_head(&head);
        let (status, kept_for) = (head.status, keep_alive(&head.headers));
        // It can be much larger than what is kept of it, and a body can take long.
        drop(head);
        let is_whole = self.read(&connection, body).await?;
        classify(&mut self.outcome, status, &call.success_statuses);
        if let (true, Connection::Exclusive(mut connection)) = (is_whole, connection) {
            connection.kept_for = kept_for;
            egress.pool.put(owner.workspace(), origin(&url), connection);
        }
        Ok(())
    }

    async fn send(
        &mut self,
        connection: &mut Connection,
        url: &TargetUrl,
        mut message: Message,
        may_send: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Sending, Failure> {
        if connection.is_closed() {
            return Ok(Sending::Unsent(message));
        }
        write_target(&mut message, url, connection.is_http2())?;
        let sent_at = Instant::now();
        if sent_at >= self.deadline {
            return Err(Failure::timeout(
                "timeout_connect",
                "Connecting to the server took all of the attempt's time.",
            ));
        }
        if !may_send() {
            return Err(failure::lease_in_doubt());
        }
        self.sent_at = Some(sent_at);
        self.outcome.remote_address = Some(connection.peer().to_string());
        let response = timeout_at(self.deadline, connection.send(message)).await;
        let Ok(response) = response else {
            connection.retire();
            return Err(Failure::timeout("timeout_response", "The server did not begin to respond in time."));
        };
        match response {
            Ok(response) => {
                self.outcome.timing.first_byte = Some(sent_at.elapsed());
                Ok(Sending::Responded(response))
            }
            Err(mut error) => match error.take_message() {
                Some(message) => {
                    self.sent_at = None;
                    Ok(Sending::Unsent(message))
                }
                None => Err(failure::of_exchange(error.error())),
            },
        }
    }

    fn record_head(&mut self, head: &response::Parts) {
        self.outcome.status_code = Some(head.status.as_u16());
        self.outcome.http_version = Some(match head.version {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        });
        self.outcome.response_headers = lossy_headers(&head.headers);
        self.outcome.retry_after = retry_after(&head.headers);
    }

    /// Whether the body was read to its end.
    async fn read(&mut self, connection: &Connection, body: Incoming) -> Result<bool, Failure> {
        let started = Instant::now();
        let on_headers_only = failpoint::is(failpoint::DEADLINE_ON_HEADERS_ONLY);
        let deadline = if on_headers_only { started + MAX_BUDGET } else { self.deadline };
        let read = timeout_at(deadline, self.read_frames(body)).await;
        self.outcome.timing.body = Some(started.elapsed());
        self.outcome.body_truncated = self.outcome.response_bytes > self.outcome.body_preview.len() as u64;
        read.unwrap_or_else(|_| {
            connection.retire();
            Err(Failure::timeout("timeout_body", "The server began to respond but did not finish in time."))
        })
    }

    async fn read_frames(&mut self, mut body: Incoming) -> Result<bool, Failure> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure::of_exchange(&error))?;
            if let Some(data) = frame.data_ref() {
                self.append(data);
            }
            if self.outcome.response_bytes > MAX_BODY_BYTES {
                return Ok(false);
            }
            // The deadline must be checked even if many small pieces arrive without a pause.
            tokio::task::coop::consume_budget().await;
        }
        Ok(true)
    }

    fn append(&mut self, data: &Bytes) {
        let wanted = self.max_preview_bytes.min(self.outcome.body_preview.len() + data.len());
        self.reserve(wanted);
        let preview = &mut self.outcome.body_preview;
        let remaining = self.max_preview_bytes.saturating_sub(preview.len());
        preview.extend_from_slice(&data[..data.len().min(remaining)]);
        self.outcome.response_bytes += data.len() as u64;
    }

    /// Makes room for this many bytes of the preview, or lowers the maximum to what there is room for.
    fn reserve(&mut self, wanted: usize) {
        let preview = &mut self.outcome.body_preview;
        let Some(memory) = &mut self.memory else { return };
        if wanted <= preview.capacity() {
            return;
        }
        // Twice as much each time, so that a long body is copied a few times only.
        let capacity = wanted.max(2 * preview.capacity()).min(self.max_preview_bytes);
        let held = preview.capacity().max(FREE_PREVIEW_BYTES);
        if capacity > held && !memory.try_grow(capacity - held) {
            self.max_preview_bytes = held.min(self.max_preview_bytes);
        }
        let capacity = capacity.min(self.max_preview_bytes);
        preview.reserve_exact(capacity.saturating_sub(preview.len()));
    }
}

/// Writes the URL into the message in the form of the protocol: RFC 9112 §3.2.1 with `Host`, or RFC 9113 §8.3.1.
fn write_target(message: &mut Message, url: &TargetUrl, is_http2: bool) -> Result<(), Failure> {
    let text = if is_http2 { url.as_str() } else { url.path_and_query() };
    let (Ok(uri), Ok(host)) = (Uri::try_from(text), HeaderValue::try_from(url.authority())) else {
        let class = "invalid_request";
        let sentence = "The URL cannot be written into a request; nothing was sent.".to_owned();
        return Err(Failure { status: AttemptStatus::Blocked, class, sentence });
    };
    *message.uri_mut() = uri;
    if is_http2 {
        *message.version_mut() = Version::HTTP_2;
        message.headers_mut().remove(header::HOST);
    } else {
        *message.version_mut() = Version::HTTP_11;
        message.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// `Keep-Alive: timeout=5`, in seconds: how long Node, Apache and others keep an idle connection.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value.split(',').find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
