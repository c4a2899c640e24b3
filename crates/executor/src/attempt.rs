//! One attempt: prepare ahead, wait until the instant, send, decide what follows.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use trigrun_core::{
    domain::{
        address::EgressPolicy,
        attempt::{AttemptStatus, EndedAttempt, Outcome},
        execution::{AttemptResult, decide},
        lease::MAX_LEASE_AHEAD,
        retry::DeliveryGuarantee,
        target::TargetUrl,
    },
    runtime::{clock::Clock, hold::HoldWatch},
    store::{
        Db, StoreError,
        leases::{self, Ended, Lease},
    },
    telemetry::trace,
};

use crate::{
    egress::{Egress, ExchangePermit, Ready, Reuse, Unprepared},
    owner::{Owner, Share, Shares},
    request,
    secrets::{OpenedSecrets, RequestSecrets},
    session::Session,
    spans,
    timer::PreciseTimer,
};

/// Values of more bytes than this, and redactions that take longer, are kept off the threads that all runs share.
const MAX_INLINE_BYTES: usize = 1024;
const MAX_INLINE_NS: usize = 1_000_000;

/// Runs attempts, with what they share.
pub struct AttemptRunner {
    pub db: Db,
    pub egress: Egress,
    pub policy: EgressPolicy,
    pub timer: PreciseTimer,
    pub clock: Clock,
    pub session: Session,
    pub hold: HoldWatch,
    /// Threads for what takes more than a millisecond of a processor.
    pub compute: Shares,
    /// Cancelled at shutdown: requests that have not been sent by then are not sent here.
    pub draining: CancellationToken,
}

struct Finished {
    outcome: Outcome,
    /// When its preparation began: possibly before its instant.
    prepared_at: DateTime<Utc>,
    started_at: DateTime<Utc>,
    sent_at: Option<Instant>,
}

impl AttemptRunner {
    /// `memory` is what the run holds of this process's memory; it grows by a large body.
    ///
    /// `None`: nothing was sent, because the process is shutting down or held, or cannot open a connection; the caller must release the lease.
    pub async fn run(
        &self,
        mut lease: Lease,
        secrets: OpenedSecrets,
        memory: &mut Share,
    ) -> Option<Box<Ended>> {
        let owner = memory.owner();
        // What is rare is boxed: the futures of other runs stay small.
        let secrets = if secrets.bytes() > MAX_INLINE_BYTES {
            Box::pin(self.compute(owner, move || secrets.for_request())).await?
        } else {
            secrets.for_request()
        };
        // Exported, but kept out of the log, which would repeat its fields for every run: see `telemetry`. It follows OpenTelemetry's
        // conventions for HTTP clients, but without the URL, which may hold secrets.
        let span = tracing::debug_span!(
            "attempt",
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            http.request.method = lease.request.method.as_str(),
            http.request.resend_count = lease.number - 1,
            http.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
            trigrun.execution.id = %lease.execution,
            trigrun.job.id = %lease.job,
        );
        trace::continue_from(&span, lease.traceparent.as_deref());
        let sending = async {
            let target = request::target(&lease, &self.policy);
            let permit = match &target {
                Ok(target) => {
                    let permit = self.egress.permit(&owner, target);
                    self.draining.run_until_cancelled(permit).await?
                }
                Err(_) => None,
            };
            // Boxed, because it is large: every layer around it would hold, and move, its own copy. Only now, because thousands of runs
            // may wait for a permit.
            Box::pin(self.send(&mut lease, &secrets, memory, target, permit)).await
        };
        let finished = AssertUnwindSafe(sending.instrument(span.clone())).catch_unwind().await;
        // A panic ends this execution and no other.
        let mut finished = finished.unwrap_or_else(|_| Some(self.panicked()))?;
        if secrets.redaction_ns(&finished.outcome) > MAX_INLINE_NS {
            let redact = move || {
                secrets.redact(&mut finished.outcome);
                finished
            };
            finished = Box::pin(self.compute(owner, redact)).await.unwrap_or_else(|| self.panicked());
        } else {
            secrets.redact(&mut finished.outcome);
        }
        if !span.is_disabled() {
            self.describe(&span, &finished);
        }
        Some(Box::new(self.ended(lease, finished)))
    }

    /// Runs `work` on another thread, when it is the turn of the owner. `None` if it panicked, which was logged.
    async fn compute<T: Send + 'static>(
        &self,
        owner: Owner,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self.compute.take(owner, 1).await;
        tokio::task::spawn_blocking(work).await.ok()
    }

    fn describe(&self, span: &Span, finished: &Finished) {
        let Outcome { status, status_code, error_class, timing, .. } = &finished.outcome;
        span.record("http.response.status_code", *status_code);
        if *status != AttemptStatus::Success {
            span.record("otel.status_code", "ERROR")
                .record("error.type", error_class.unwrap_or(status.as_str()));
        }
        let sent_at = finished.sent_at.map(|sent_at| self.clock.time_at(sent_at));
        span.in_scope(|| spans::phases(timing, finished.prepared_at, sent_at));
    }

    async fn send(
        &self,
        lease: &mut Lease,
        secrets: &RequestSecrets,
        memory: &mut Share,
        target: Result<TargetUrl, Box<Outcome>>,
        permit: Option<ExchangePermit>,
    ) -> Option<Finished> {
        // Postgres's clock may have been set, and this process may not have read it since.
        let instant = self.clock.instant_of(lease.due_at).min(Instant::now() + MAX_LEASE_AHEAD);
        let owner = memory.owner();
        if lease.body_to_load.is_some() {
            self.draining.run_until_cancelled(Box::pin(self.load_body(lease, memory))).await??;
        }
        let prepared_at = self.clock.now();
        let prepared = target.and_then(|target| {
            let call = request::call(lease, secrets, lease.due_at.max(prepared_at))?;
            Ok((target, call))
        });
        let reuse = match lease.delivery {
            DeliveryGuarantee::AtLeastOnce => Reuse::Allowed,
            DeliveryGuarantee::AtMostOnce => Reuse::Never,
        };
        let ahead = match &prepared {
            Ok((target, call)) => {
                Some(unless_full(self.egress.prepare_on(reuse, &owner, target, call.timeout).await)?)
            }
            Err(_) => None,
        };
        let is_early = Instant::now() < instant;
        tokio::select! {
            biased;
            () = self.timer.until(instant) => {}
            () = self.draining.cancelled() => return None,
        }
        if !self.session.may_send() {
            self.session.wait_until_may_send().await;
        }
        if self.hold.is_active() {
            return None;
        }
        // An attempt starts at its instant, however early it was prepared, and a late one starts with its preparation.
        let started_at = prepared_at.max(lease.due_at);
        let not_sent = |outcome: Box<Outcome>| {
            Some(Finished { outcome: *outcome, prepared_at, started_at, sent_at: None })
        };
        let (target, call) = match prepared {
            Ok(prepared) => prepared,
            Err(refused) => return not_sent(refused),
        };
        let ready = match ahead? {
            // A target that could not be reached before the instant may be reachable at the instant.
            Err(failed) if is_early && failed.status != AttemptStatus::Blocked => {
                unless_full(self.egress.prepare_on(reuse, &owner, &target, call.timeout).await)?
            }
            ready => ready,
        };
        let finished = match ready {
            Ok(ready) => {
                let sent = ready.send_if(call, Some(memory), || self.may_send()).await.ok()?;
                // Of a hold, not of the target.
                if sent.sent_at.is_none() && self.hold.is_active() {
                    return None;
                }
                Some(Finished { outcome: sent.outcome, prepared_at, started_at, sent_at: sent.sent_at })
            }
            Err(failed) => not_sent(failed),
        };
        if let (Some(permit), Some(finished)) = (permit, &finished) {
            permit.release(finished.outcome.timing.total);
        }
        finished
    }

    fn may_send(&self) -> bool {
        self.session.may_send() && !self.hold.is_active()
    }

    /// Reads a body that did not come with the lease, once its account may hold it. `None` if it cannot be read: Postgres does not
    /// respond, or the job was deleted.
    async fn load_body(&self, lease: &mut Lease, memory: &mut Share) -> Option<()> {
        let mut bytes = lease.body_to_load.unwrap_or(0) as usize;
        while bytes > 0 {
            let share = memory.take_also(bytes).await;
            let read = async { leases::body(&mut *self.db.conn().await?, lease).await };
            let body = match read.await {
                Ok(body) => body?,
                Err::<_, StoreError>(error) => {
                    tracing::warn!(%error, execution = %lease.execution, "cannot read the request body; the lease is released");
                    return None;
                }
            };
            let needed = request::max_body_bytes(&body);
            if needed <= bytes {
                memory.merge(share);
                lease.request.body = Some(body);
                break;
            }
            // To wait for more while holding some could wait for itself. So it begins again, and asks for all of it.
            bytes = needed;
        }
        Some(())
    }

    fn panicked(&self) -> Finished {
        let outcome = Outcome::failed(
            AttemptStatus::Blocked,
            "internal",
            "Internal error in TrigRun during this attempt. It has been logged.",
        );
        let now = self.clock.now();
        Finished { outcome, prepared_at: now, started_at: now, sent_at: None }
    }

    fn ended(&self, lease: Lease, finished: Finished) -> Ended {
        let Finished { outcome, started_at, sent_at, .. } = finished;
        let ended_at = self.clock.now().max(started_at);
        let outcome = outcome.with_limit(lease.request.timeout_seconds, "request.timeout_seconds");
        let method = lease.request.method;
        let result = AttemptResult {
            number: lease.number,
            method,
            outcome: &outcome,
            sent: sent_at.is_some(),
            ended_at,
        };
        let disposition = decide(&lease.retry_policy, lease.delivery, result, fastrand::f64());
        let lateness = sent_at.map(|sent_at| self.clock.time_at(sent_at) - lease.scheduled_for);
        let lateness_us = lateness.and_then(|late| late.num_microseconds()).map(|late| late.max(0));
        Ended { lease, attempt: EndedAttempt { outcome, disposition, started_at, ended_at }, lateness_us }
    }
}

/// `None` when this process cannot open a connection: nothing was sent, and that is not the target's fault.
fn unless_full(prepared: Result<Ready, Unprepared>) -> Option<Result<Ready, Box<Outcome>>> {
    match prepared {
        Ok(ready) => Some(Ok(ready)),
        Err(Unprepared::Failed(outcome)) => Some(Err(outcome)),
        Err(Unprepared::NoCapacity) => None,
    }
}
