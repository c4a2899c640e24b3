//! What an execution's trace says of it beside its attempts: leased, the phases of the request, recorded. Nothing unless spans are exported.

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

/// These were leased by one statement, begun at `started`. Those that were received of on the stream carry what OpenTelemetry's conventions for
/// messaging want; retries, and what was found in Postgres, do not.
pub fn leased(leases: &[Lease], are_heard: bool, clock: &Clock, started: Instant) {
    if !trace::is_exported() {
        return;
    }
    let (started_at, took) = (clock.time_at(started), started.elapsed());
    for lease in leases {
        let mut attributes = vec![KeyValue::new("trigrun.execution.id", lease.execution.to_string())];
        if are_heard {
            attributes.push(KeyValue::new("messaging.system", "redis"));
            attributes.push(KeyValue::new("messaging.operation.type", "receive"));
        }
        let kind = if are_heard { SpanKind::Consumer } else { SpanKind::Internal };
        Step::new("lease", kind, started_at, took).export(lease.traceparent.as_deref(), attributes);
    }
}

/// The phases of the attempt whose span is the current one: those of the connection, which may have been made ahead, from `begun`, those
/// of the answer from when the request left.
pub fn phases(timing: &PhaseTimings, begun: DateTime<Utc>, departed: Option<DateTime<Utc>>) {
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

/// Of these, those with an id in `recorded` were recorded by one statement, begun at `started`.
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
