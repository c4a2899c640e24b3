//! One attempt: prepare ahead, hold until the instant, send, judge.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use trigrun_core::{
    domain::{
        address::EgressPolicy,
        attempt::{AttemptStatus, Outcome},
        execution::{Disposition, Tried, judge},
        lease::LEASED_AHEAD,
    },
    runtime::clock::Clock,
    store::leases::{Ended, Lease, Next},
    telemetry::trace,
};

use crate::{egress::Egress, request, secrets::Material, session::Session, spans, timer::Hold};

/// What an attempt needs beside its lease.
pub struct Performer {
    pub egress: Egress,
    pub policy: EgressPolicy,
    pub hold: Hold,
    pub clock: Clock,
    pub session: Session,
    /// Cancelled when the process is asked to end: what has not been sent by then is not sent here.
    pub draining: CancellationToken,
}

struct Made {
    outcome: Outcome,
    /// When it was made ready: maybe ahead of its instant.
    begun: DateTime<Utc>,
    started_at: DateTime<Utc>,
    departed: Option<Instant>,
}

impl Performer {
    /// Makes the attempt. `None`: nothing was sent, because the process is about to end; the lease is to be handed back.
    pub async fn perform(&self, lease: Lease, material: Material) -> Option<Box<Ended>> {
        // Exported, but not for the log, which would write its fields down for every run: see `telemetry`. By the conventions of
        // OpenTelemetry for HTTP clients, but without the URL: it may hold what is nobody else's business.
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
        // Boxed, because it is large: every layer around it would hold, and move, a copy of its own.
        let making = Box::pin(self.make(&lease, &material));
        let made = AssertUnwindSafe(making.instrument(span.clone())).catch_unwind().await;
        // A defect of ours ends this execution and no other.
        let mut made = made.unwrap_or_else(|_| Some(self.panicked()))?;
        material.redact(&mut made.outcome);
        if !span.is_disabled() {
            self.describe(&span, &made);
        }
        Some(Box::new(self.ended(lease, made)))
    }

    fn describe(&self, span: &Span, made: &Made) {
        let Outcome { status, status_code, error_class, timing, .. } = &made.outcome;
        span.record("http.response.status_code", *status_code);
        if *status != AttemptStatus::Success {
            span.record("otel.status_code", "ERROR")
                .record("error.type", error_class.unwrap_or(status.as_str()));
        }
        let departed = made.departed.map(|departed| self.clock.time_at(departed));
        span.in_scope(|| spans::phases(timing, made.begun, departed));
    }

    async fn make(&self, lease: &Lease, material: &Material) -> Option<Made> {
        // Postgres's clock may have been set, and ours not yet have received of it.
        let instant = self.clock.instant_of(lease.due_at).min(Instant::now() + LEASED_AHEAD);
        let target = request::target(lease, &self.policy);
        let turn = match &target {
            Ok(target) => {
                let turn = self.egress.turn(lease.workspace, target);
                self.draining.run_until_cancelled(turn).await?
            }
            Err(_) => None,
        };
        let begun = self.clock.now();
        let prepared = target.and_then(|target| {
            let call = request::call(lease, material, lease.due_at.max(begun))?;
            Ok((target, call))
        });
        let ahead = match &prepared {
            Ok((target, call)) => Some(self.egress.prepare(lease.workspace, target, call.timeout).await),
            Err(_) => None,
        };
        let early = Instant::now() < instant;
        tokio::select! {
            biased;
            () = self.hold.until(instant) => {}
            () = self.draining.cancelled() => return None,
        }
        if !self.session.may_send() {
            self.session.may_send_again().await;
        }
        // What was done ahead belongs to the instant; what is late belongs to the attempt, connecting included.
        let started_at = begun.max(lease.due_at);
        let not_sent =
            |outcome: Box<Outcome>| Some(Made { outcome: *outcome, begun, started_at, departed: None });
        let (target, call) = match prepared {
            Ok(prepared) => prepared,
            Err(refused) => return not_sent(refused),
        };
        let ready = match ahead? {
            // What could not be reached before the instant may be there at the instant.
            Err(failed) if early && failed.status != AttemptStatus::Blocked => {
                self.egress.prepare(lease.workspace, &target, call.timeout).await
            }
            ready => ready,
        };
        let made = match ready {
            Ok(ready) => {
                let sent = ready.send_while(call, || self.session.may_send()).await;
                Some(Made { outcome: sent.outcome, begun, started_at, departed: sent.departed })
            }
            Err(failed) => not_sent(failed),
        };
        if let (Some(turn), Some(made)) = (turn, &made) {
            turn.over(made.outcome.timing.total);
        }
        made
    }

    fn panicked(&self) -> Made {
        let outcome = Outcome::failed(
            AttemptStatus::Blocked,
            "internal",
            "TrigRun failed while it made this request; this is a defect of ours.",
        );
        let now = self.clock.now();
        Made { outcome, begun: now, started_at: now, departed: None }
    }

    fn ended(&self, lease: Lease, made: Made) -> Ended {
        let Made { outcome, started_at, departed, .. } = made;
        let ended_at = self.clock.now().max(started_at);
        let tried = Tried { number: lease.number, outcome: &outcome, sent: departed.is_some() };
        let next = match judge(&lease.retry_policy, lease.delivery, tried, fastrand::f64()) {
            Disposition::Succeeded => Next::Succeeded,
            Disposition::Failed { error_class } => Next::Failed { error_class },
            Disposition::Retry { wait } => {
                Next::Retry { due_at: ended_at + TimeDelta::from_std(wait).unwrap_or_default() }
            }
        };
        let lateness = departed.map(|departed| self.clock.time_at(departed) - lease.scheduled_for);
        let lateness_us = lateness.and_then(|late| late.num_microseconds()).map(|late| late.max(0));
        Ended { lease, outcome, next, started_at, ended_at, lateness_us }
    }
}
