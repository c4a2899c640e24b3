//! W3C trace context: carried from the API's request over the execution's row and the dispatch to the target.
//!
//! A step that one statement makes for many executions (publishing, leasing, recording) is recorded for each afterwards as a [`Step`]: a span
//! that is exported when it has ended.

use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
        Tracer as _,
    },
};
use opentelemetry_sdk::trace::SdkTracer;
use std::{sync::OnceLock, time::Duration};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::domain::id::ExecutionId;

/// Set when spans are exported.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

pub(super) fn init(tracer: SdkTracer) {
    let _ = TRACER.set(tracer);
}

/// Whether spans are exported.
pub fn is_exported() -> bool {
    TRACER.get().is_some()
}

/// A completed step that becomes a span.
pub struct Step {
    pub name: &'static str,
    pub kind: SpanKind,
    pub started_at: DateTime<Utc>,
    pub took: Duration,
}

impl Step {
    pub fn new(name: &'static str, kind: SpanKind, started_at: DateTime<Utc>, took: Duration) -> Self {
        Self { name, kind, started_at, took }
    }

    /// Exports it as a child of the span in `traceparent`, or as the root of a trace. Returns its own `traceparent`.
    /// `None` when spans are not exported.
    pub fn export(self, traceparent: Option<&str>, attributes: Vec<KeyValue>) -> Option<String> {
        let tracer = TRACER.get()?;
        let parent = traceparent
            .and_then(read)
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let ended_at = self.started_at + TimeDelta::from_std(self.took).unwrap_or_default();
        let mut span = tracer
            .span_builder(self.name)
            .with_kind(self.kind)
            .with_start_time(self.started_at)
            .with_attributes(attributes)
            .start_with_context(tracer, &parent);
        span.end_with_timestamp(ended_at.into());
        let context = span.span_context();
        Some(write(context.trace_id(), context.span_id(), context.trace_flags()))
    }
}

/// The trace id of a `traceparent`, for the log.
pub fn id(traceparent: Option<&str>) -> Option<&str> {
    traceparent?.split('-').nth(1)
}

/// The `traceparent` of the current span; `None` when spans are not exported.
pub fn current() -> Option<String> {
    if !is_exported() {
        return None;
    }
    let context = Span::current().context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| write(context.trace_id(), context.span_id(), context.trace_flags()))
}

/// Renames a span when its name is known only at the end: the field `otel.name` has no effect once the span has children.
pub fn rename(span: &Span, name: impl FnOnce() -> String) {
    if is_exported() {
        span.context().span().update_name(name());
    }
}

/// Makes `span` a child of the span that `traceparent` names, if it names one.
pub fn continue_from(span: &Span, traceparent: Option<&str>) {
    if let Some(parent) = traceparent.and_then(read) {
        // Fails only if spans are not exported.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
    }
}

/// The `traceparent` to send with an attempt: that of the current span, or one made from the stored trace and the attempt. Without a stored
/// trace, the execution's id is the trace id, so that the target's spans can be found by it.
pub fn of_attempt(stored: Option<&str>, execution: ExecutionId, number: u16) -> String {
    current().unwrap_or_else(|| {
        let parent = stored.and_then(read);
        let id = execution.uuid().as_u128();
        let trace = parent.as_ref().map_or(TraceId::from(id), SpanContext::trace_id);
        let span = SpanId::from((id as u64) ^ (u64::from(number) << 48) | 1);
        write(trace, span, parent.map_or(TraceFlags::NOT_SAMPLED, |parent| parent.trace_flags()))
    })
}

fn write(trace: TraceId, span: SpanId, flags: TraceFlags) -> String {
    format!("00-{trace}-{span}-{:02x}", flags.to_u8())
}

/// Version 00 only, as the recommendation requires of implementations that support no other version (W3C Trace Context §3.2).
fn read(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = (version, trace.len(), span.len(), flags.len());
    // HEXDIGLC only (W3C Trace Context, 3.2.2.1): number parsing would also accept a sign and upper case.
    let is_hex = traceparent.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    if lengths != ("00", 32, 16, 2) || parts.next().is_some() || !is_hex {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_stored_trace_is_continued() {
        let execution = ExecutionId::from_uuid(uuid::Uuid::from_u128(7));
        let sent = of_attempt(Some(PARENT), execution, 1);
        assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && sent.ends_with("-01"), "{sent}");
        assert_ne!(sent, of_attempt(Some(PARENT), execution, 2));
    }

    #[test]
    fn without_a_trace_the_execution_is_the_trace_id() {
        let execution = ExecutionId::from_uuid(uuid::Uuid::from_u128(7));
        for stored in [
            None,
            Some("nonsense"),
            Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
            Some("00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01"),
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1"),
            Some("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
        ] {
            assert!(of_attempt(stored, execution, 1).starts_with("00-00000000000000000000000000000007-"));
        }
    }
}
