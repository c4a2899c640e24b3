//! One request over one connection, and its answer to the end or the cap.
//!
//! Nothing is ever sent again here: only a message of which no byte left moves to a new connection, once.

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
    Call, LONGEST, Ready,
    connection::{Connection, Message},
    failure::{self, Failure},
    origin,
    response::{lossy_headers, retry_after, verdict},
};

/// How much of a body is read; beyond it the connection is dropped and the answer judged by its status.
const READ_CAP_BYTES: u64 = 1024 * 1024;

pub(super) struct Exchange {
    pub(super) deadline: Instant,
    pub(super) departed: Option<Instant>,
    pub(super) outcome: Outcome,
    pub(super) keep: usize,
}

enum Asked {
    Answered(Response<Incoming>),
    /// No byte left; here is the message again.
    Unsent(Message),
}

impl Exchange {
    /// `Err` when the answer did not come, or not whole; what came of it is in the outcome.
    pub(super) async fn run(
        &mut self,
        ready: Ready,
        call: Call,
        may_send: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(), Failure> {
        let Ready { egress, workspace, url, mut connection, .. } = ready;
        let mut message = Message::new(Full::new(call.body));
        *message.method_mut() = call.method;
        *message.headers_mut() = call.headers;
        // RFC 9110 §8.6: of no content, too, the length is told where content has a meaning. Hyper tells any other.
        if message.body().is_end_stream()
            && matches!(*message.method(), Method::POST | Method::PUT | Method::PATCH)
        {
            message.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }

        let response = match self.ask(&mut connection, &url, message, may_send).await? {
            Asked::Answered(response) => response,
            Asked::Unsent(message) => {
                connection = egress.dial(workspace, &url, self.deadline, &mut self.outcome.timing).await?;
                match self.ask(&mut connection, &url, message, may_send).await? {
                    Asked::Answered(response) => response,
                    Asked::Unsent(_) => return Err(failure::closed_early()),
                }
            }
        };

        let (head, body) = response.into_parts();
        self.note(&head);
        let is_whole = self.read(&connection, body).await?;
        verdict(&mut self.outcome, head.status, &call.success_statuses);
        if let (true, Connection::Exclusive(mut connection)) = (is_whole, connection) {
            connection.kept_for = keep_alive(&head.headers);
            egress.pool.put(workspace, origin(&url), connection);
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        connection: &mut Connection,
        url: &TargetUrl,
        mut message: Message,
        may_send: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Asked, Failure> {
        if connection.is_closed() {
            return Ok(Asked::Unsent(message));
        }
        address(&mut message, url, connection.is_http2())?;
        let departed = Instant::now();
        if departed >= self.deadline {
            return Err(Failure::timeout(
                "timeout_connect",
                "Connecting to the server took all of the attempt's time.",
            ));
        }
        if !may_send() {
            return Err(failure::in_doubt());
        }
        self.departed = Some(departed);
        self.outcome.remote_address = Some(connection.peer().to_string());
        let answered = timeout_at(self.deadline, connection.send(message)).await;
        let Ok(answered) = answered else {
            connection.retire();
            return Err(Failure::timeout("timeout_response", "The server did not begin to answer in time."));
        };
        match answered {
            Ok(response) => {
                self.outcome.timing.first_byte = Some(departed.elapsed());
                Ok(Asked::Answered(response))
            }
            Err(mut error) => match error.take_message() {
                Some(message) => {
                    self.departed = None;
                    Ok(Asked::Unsent(message))
                }
                None => Err(failure::of_exchange(error.error())),
            },
        }
    }

    fn note(&mut self, head: &response::Parts) {
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
        let deadline = if on_headers_only { started + LONGEST } else { self.deadline };
        let read = timeout_at(deadline, self.read_frames(body)).await;
        self.outcome.timing.body = Some(started.elapsed());
        self.outcome.body_truncated = self.outcome.response_bytes > self.outcome.body_preview.len() as u64;
        read.unwrap_or_else(|_| {
            connection.retire();
            Err(Failure::timeout("timeout_body", "The server began to answer but did not finish in time."))
        })
    }

    async fn read_frames(&mut self, mut body: Incoming) -> Result<bool, Failure> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure::of_exchange(&error))?;
            if let Some(data) = frame.data_ref() {
                self.keep(data);
            }
            if self.outcome.response_bytes > READ_CAP_BYTES {
                return Ok(false);
            }
            // A sender of many small pieces must not keep the deadline from being looked at.
            tokio::task::coop::consume_budget().await;
        }
        Ok(true)
    }

    fn keep(&mut self, data: &Bytes) {
        let preview = &mut self.outcome.body_preview;
        let room = self.keep.saturating_sub(preview.len());
        preview.extend_from_slice(&data[..data.len().min(room)]);
        self.outcome.response_bytes += data.len() as u64;
    }
}

/// Writes the URL into the message in the form of the protocol: RFC 9112 §3.2.1 with `Host`, or RFC 9113 §8.3.1.
fn address(message: &mut Message, url: &TargetUrl, is_http2: bool) -> Result<(), Failure> {
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

/// `Keep-Alive: timeout=5`, in seconds: what Node, Apache and others send of their own patience.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value.split(',').find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
