//! The spans of an execution other than its attempts: lease, the phases of the request, record. Only if spans are exported.

use chrono::{DateTime, Utc};
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};
use trigrun_core::{
    domain::{attempt::PhaseTimings, id::ExecutionId},
    runtime::clock::Clock,
    store::leases::{Ended, Lease},
    telemetry::{
        KeyValue, SpanKind,
        trace::{self, Step},
    },
};

/// The executions that one statement, begun at `started`, leased. Those received from a stream carry the attributes of OpenTelemetry's
/// messaging conventions; retries and work taken from Postgres do not.
pub fn leased(leases: &[Lease], is_received: bool, clock: &Clock, started: Instant) {
    if !trace::is_exported() {
        return;
    }
    let (started_at, took) = (clock.time_at(started), started.elapsed());
    for lease in leases {
        let mut attributes = vec![KeyValue::new("trigrun.execution.id", lease.execution.to_string())];
        if is_received {
            attributes.push(KeyValue::new("messaging.system", "redis"));
            attributes.push(KeyValue::new("messaging.operation.type", "receive"));
        }
        let kind = if is_received { SpanKind::Consumer } else { SpanKind::Internal };
        Step::new("lease", kind, started_at, took).export(lease.traceparent.as_deref(), attributes);
    }
}

/// The phases of the attempt whose span is current: those of the connection, which may have been opened ahead, from `prepared_at`;
/// those of the response from `sent_at`.
pub fn phases(timing: &PhaseTimings, prepared_at: DateTime<Utc>, sent_at: Option<DateTime<Utc>>) {
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
    export([("resolve", timing.dns), ("connect", timing.connect), ("tls", timing.tls)], prepared_at);
    if let Some(sent_at) = sent_at {
        export([("first byte", timing.first_byte), ("body", timing.body), ("", None)], sent_at);
    }
}

/// Of these attempts, those with an id in `recorded`: one statement, begun at `started`, recorded them.
pub fn recorded(ended: &[Ended], recorded: &HashSet<ExecutionId>, clock: &Clock, started: Instant) {
    if !trace::is_exported() {
        return;
    }
    let (started_at, took) = (clock.time_at(started), started.elapsed());
    for Ended { lease, .. } in ended.iter().filter(|ended| recorded.contains(&ended.lease.execution)) {
        let attributes = vec![KeyValue::new("trigrun.execution.id", lease.execution.to_string())];
        Step::new("record", SpanKind::Internal, started_at, took)
            .export(lease.traceparent.as_deref(), attributes);
    }
}
