//! What an execution's trace says of it beside its attempts: leased, the phases of the request, recorded. Nothing unless spans are exported.

use chrono::{DateTime, Utc};
use std::time::{Duration, Instant};
use trigrun_core::{
    domain::attempt::Timing,
    runtime::clock::Clock,
    store::leases::{Ended, Lease},
    telemetry::{
        KeyValue, SpanKind,
        trace::{self, Step},
    },
};

/// These were leased by one statement, begun at `started`; by the conventions of OpenTelemetry for messaging.
pub fn leased(leases: &[Lease], clock: &Clock, started: Instant) {
    if !trace::is_exported() {
        return;
    }
    let (started_at, took) = (clock.time_at(started), started.elapsed());
    for lease in leases {
        let attributes = vec![
            KeyValue::new("messaging.system", "redis"),
            KeyValue::new("messaging.operation.type", "receive"),
            KeyValue::new("trigrun.execution.id", lease.execution.to_string()),
        ];
        Step::new("lease", SpanKind::Consumer, started_at, took)
            .export(lease.traceparent.as_deref(), attributes);
    }
}

/// The phases of the attempt whose span is the current one: those of the connection, which may have been made ahead, from `begun`, those
/// of the answer from when the request left.
pub fn phases(timing: &Timing, begun: DateTime<Utc>, departed: Option<DateTime<Utc>>) {
    if !trace::is_exported() {
        return;
    }
    let attempt = trace::current();
    let export = |phases: [(&'static str, Option<Duration>); 3], mut at: DateTime<Utc>| {
        for (name, took) in phases {
            let Some(took) = took else { continue };
            Step::new(name, SpanKind::Internal, at, took).export(attempt.as_deref(), Vec::new());
            at += took;
        }
    };
    export([("resolve", timing.dns), ("connect", timing.connect), ("tls", timing.tls)], begun);
    if let Some(departed) = departed {
        export([("first byte", timing.first_byte), ("body", timing.body), ("", None)], departed);
    }
}

/// These were recorded by one statement, begun at `started`.
pub fn recorded(ended: &[Ended], clock: &Clock, started: Instant) {
    if !trace::is_exported() {
        return;
    }
    let (started_at, took) = (clock.time_at(started), started.elapsed());
    for Ended { lease, .. } in ended {
        let attributes = vec![KeyValue::new("trigrun.execution.id", lease.execution.to_string())];
        Step::new("record", SpanKind::Internal, started_at, took)
            .export(lease.traceparent.as_deref(), attributes);
    }
}
