//! One request and its response, to the end or the limit.
//!
//! A request is sent again only where the server has not processed it (decision 25): on a new connection, at once, and few times.

use tokio::time::{Instant, timeout_at};
use trigrun_core::{
    domain::{attempt::Outcome, target::TargetUrl},
    failpoint,
};

use super::{
    Call, MAX_BUDGET, Ready,
    connection::{Connection, Rest},
    failure::{self, Failure, Resend, Unanswered},
    origin,
    readable::Form,
    response::{Head, classify},
};
use crate::owner::Share;

/// How much of a body is read. A longer one is cut off by closing the connection, and the response counts by its status.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// How many more connections a request is sent on, if it was not processed.
const MAX_RESENDS: usize = 2;
/// RFC 9110 §15.5.9: the server did not wait for a request on a connection that rested. The client may repeat it on a new one.
const REQUEST_TIMEOUT: u16 = 408;

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

type MaySend<'a> = &'a (dyn Fn() -> bool + Send + Sync);

impl Exchange<'_> {
    /// `Err` when the response did not arrive, or not completely; the part that arrived is in the outcome.
    pub(super) async fn run(
        &mut self,
        ready: Ready,
        call: &Call,
        may_send: MaySend<'_>,
    ) -> Result<(), Failure> {
        let Ready { egress, owner, url, mut connection, .. } = ready;
        let mut resends = 0;
        let (head, rest) = loop {
            let Unanswered { failure, resend } = match self.send(&mut connection, call, &url, may_send).await
            {
                Ok((head, _)) if head.status == REQUEST_TIMEOUT && connection.has_rested() => {
                    Unanswered { failure: failure::closed_early(), resend: Resend::Unprocessed }
                }
                Ok(response) => break response,
                Err(unanswered) => unanswered,
            };
            if matches!(resend, Resend::Unprocessed | Resend::OverHttp1) {
                self.sent_at = None;
            }
            if resend == Resend::No || resends == MAX_RESENDS {
                return Err(failure);
            }
            if resend == Resend::OverHttp1 {
                connection.retire();
                egress.dialer.use_http1(origin(&url));
            }
            resends += 1;
            connection = egress.dial(owner, &url, self.deadline, &mut self.outcome.timing).await?;
        };
        let (status, form) = (head.status, Form::of(&head));
        self.record_head(head, call);
        let read = self.read(&mut connection, rest).await;
        self.make_readable(&form);
        let is_whole = read?;
        classify(&mut self.outcome, status, &call.success_statuses);
        if let (true, Connection::Exclusive(connection)) = (is_whole, connection) {
            egress.pool.put(owner.workspace(), origin(&url), connection);
        }
        Ok(())
    }

    async fn send(
        &mut self,
        connection: &mut Connection,
        call: &Call,
        url: &TargetUrl,
        may_send: MaySend<'_>,
    ) -> Result<(Head, Rest), Unanswered> {
        if connection.is_closed() {
            return Err(Unanswered { failure: failure::closed_early(), resend: Resend::Unprocessed });
        }
        let sent_at = Instant::now();
        if sent_at >= self.deadline {
            return Err(Unanswered::failed(Failure::timeout(
                "timeout_connect",
                "Connecting to the server took all of the attempt's time.",
            )));
        }
        if !may_send() {
            return Err(Unanswered::failed(failure::lease_in_doubt()));
        }
        self.sent_at.get_or_insert(sent_at);
        self.outcome.remote_address = Some(connection.peer().to_owned());
        let response = timeout_at(self.deadline, connection.send(call, url)).await;
        let Ok(response) = response else {
            connection.retire();
            let sentence = "The server did not begin to respond in time.";
            return Err(Unanswered::failed(Failure::timeout("timeout_response", sentence)));
        };
        self.outcome.timing.first_byte = response.is_ok().then(|| sent_at.elapsed());
        response
    }

    fn record_head(&mut self, head: Head, call: &Call) {
        self.outcome.status_code = Some(head.status);
        self.outcome.http_version = Some(head.version);
        self.outcome.retry_after = head.retry_after(call.at);
        self.outcome.response_headers = head.into_stored_headers();
    }

    /// Whether the body was read to its end.
    async fn read(&mut self, connection: &mut Connection, rest: Rest) -> Result<bool, Failure> {
        let started = Instant::now();
        let on_headers_only = failpoint::is(failpoint::DEADLINE_ON_HEADERS_ONLY);
        let deadline = if on_headers_only { started + MAX_BUDGET } else { self.deadline };
        let read = timeout_at(deadline, connection.receive(rest, |data| self.append(data))).await;
        self.outcome.timing.body = Some(started.elapsed());
        self.outcome.body_truncated = self.outcome.response_bytes > self.outcome.body_preview.len() as u64;
        read.unwrap_or_else(|_| {
            connection.retire();
            Err(Failure::timeout("timeout_body", "The server began to respond but did not finish in time."))
        })
    }

    /// Whether more is to be read.
    fn append(&mut self, data: &[u8]) -> bool {
        let wanted = self.max_preview_bytes.min(self.outcome.body_preview.len() + data.len());
        self.reserve(wanted);
        let preview = &mut self.outcome.body_preview;
        let remaining = self.max_preview_bytes.saturating_sub(preview.len());
        preview.extend_from_slice(&data[..data.len().min(remaining)]);
        self.outcome.response_bytes += data.len() as u64;
        self.outcome.response_bytes <= MAX_BODY_BYTES
    }

    /// What is kept of a body is what a user can read.
    fn make_readable(&mut self, form: &Form) {
        if !form.changes(&self.outcome.body_preview, self.outcome.body_truncated) {
            return;
        }
        let mut max_bytes = self.max_preview_bytes.max(self.outcome.body_preview.len());
        // The bodies before and after are held at the same time.
        if let Some(memory) = &mut self.memory
            && !memory.try_grow(max_bytes)
        {
            max_bytes = FREE_PREVIEW_BYTES.min(max_bytes);
        }
        let body = std::mem::take(&mut self.outcome.body_preview);
        let read = form.read(body, self.outcome.body_truncated, max_bytes);
        (self.outcome.body_preview, self.outcome.body_truncated) = (read.body, read.is_cut);
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
