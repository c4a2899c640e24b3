//! Executions and attempts in responses.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;
use trigrun_core::domain::{
    attempt::{Attempt, PhaseTimings},
    execution::{Execution, Skipped, WaitingFor},
};
use utoipa::ToSchema;

use crate::{
    enums,
    time::{instant, micros, millis},
};

/// One due occurrence of a job.
#[derive(Serialize, ToSchema)]
#[schema(as = Execution)]
pub struct ExecutionView {
    #[schema(example = "exe_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    job_id: String,
    job_name: String,
    /// The host of the URL that this execution calls.
    #[schema(example = "example.com")]
    host: String,
    /// The version of the job that this execution runs.
    job_version: i32,
    #[schema(value_type = enums::ExecutionStatus)]
    status: &'static str,
    #[schema(value_type = enums::ExecutionSource)]
    source: &'static str,
    /// The instant of the fire, or of the request to run.
    #[schema(format = DateTime)]
    scheduled_for: String,
    /// When the first attempt began.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// When the next attempt is due, while the execution is retried.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    #[schema(value_type = Option<enums::WaitingFor>)]
    waiting_for: Option<&'static str>,
    /// Milliseconds from scheduled_for to the first byte of the first attempt.
    lateness_ms: Option<f64>,
    /// Milliseconds from started_at to finished_at.
    duration_ms: Option<f64>,
    attempt_count: u16,
    /// The status of the last response.
    status_code: Option<u16>,
    /// A sentence about the last attempt, if it failed.
    error: Option<String>,
    /// The error class of the last attempt, if the execution failed.
    error_class: Option<String>,
    /// The execution that this one replays.
    replay_of: Option<String>,
    /// Why the execution was skipped; only with the status skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    skipped: Option<SkippedView>,
    /// What may be unintended, such as an Idempotency-Key that another request used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempts: Option<Vec<AttemptView>>,
}

/// The fires that a skipped execution stands for: one, or several that were missed together.
#[derive(Serialize, ToSchema)]
#[schema(as = Skipped)]
pub struct SkippedView {
    #[schema(value_type = enums::SkipReason)]
    reason: String,
    /// The number of fires.
    count: i64,
    #[schema(format = DateTime)]
    first: String,
    #[schema(format = DateTime)]
    last: String,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    number: u16,
    #[schema(value_type = enums::AttemptStatus)]
    status: &'static str,
    status_code: Option<u16>,
    error_class: Option<String>,
    /// A sentence with the likely cause.
    error: Option<String>,
    #[schema(format = DateTime)]
    started_at: String,
    timing: TimingView,
    remote_address: Option<String>,
    http_version: Option<String>,
    /// In the order received. A name can occur more than once.
    response_headers: Vec<HeaderView>,
    /// The first 64 KiB of the body. Text is converted to UTF-8, and gzip and deflate are undone. What is not text is in Base64.
    body_preview: String,
    /// How `body_preview` is written: utf-8 or base64.
    body_encoding: &'static str,
    /// Whether the body is longer than the preview.
    body_truncated: bool,
    /// The size of the body in bytes.
    response_bytes: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ResponseHeader)]
pub struct HeaderView {
    name: String,
    value: String,
}

/// The phases of the request in milliseconds. Null for a phase that was not reached, or not needed because a connection was reused.
#[derive(Serialize, ToSchema)]
#[schema(as = PhaseTimings)]
pub struct TimingView {
    dns_ms: Option<f64>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    first_byte_ms: Option<f64>,
    body_ms: Option<f64>,
    total_ms: f64,
}

impl ExecutionView {
    pub fn new(execution: &Execution) -> Self {
        Self {
            id: execution.id.to_string(),
            job_id: execution.job.to_string(),
            job_name: execution.job_name.clone(),
            host: execution.host.clone(),
            job_version: execution.version,
            status: execution.status.as_str(),
            source: execution.source.as_str(),
            scheduled_for: instant(execution.scheduled_for),
            started_at: execution.started_at.map(instant),
            finished_at: execution.finished_at.map(instant),
            next_attempt_at: execution.next_attempt_at.map(instant),
            waiting_for: execution.waiting_for.map(WaitingFor::as_str),
            lateness_ms: execution.lateness_us.map(micros),
            duration_ms: execution.duration_us.map(micros),
            attempt_count: execution.attempt_count,
            status_code: execution.status_code,
            error: execution.error.clone(),
            error_class: execution.error_class.clone(),
            replay_of: execution.replay_of.map(|id| id.to_string()),
            skipped: execution.skipped.as_ref().map(SkippedView::from),
            warnings: Vec::new(),
            attempts: None,
        }
    }

    pub fn with_warning(mut self, warning: Option<String>) -> Self {
        self.warnings.extend(warning);
        self
    }

    pub fn with_attempts(execution: &Execution) -> Self {
        Self {
            attempts: Some(execution.attempts.iter().map(AttemptView::from).collect()),
            ..Self::new(execution)
        }
    }
}

impl From<&Skipped> for SkippedView {
    fn from(skipped: &Skipped) -> Self {
        Self {
            reason: skipped.reason.clone(),
            count: skipped.count,
            first: instant(skipped.first),
            last: instant(skipped.last),
        }
    }
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        let headers = attempt.response_headers.iter();
        let (body_preview, body_encoding) = body(attempt);
        Self {
            number: attempt.number,
            status: attempt.status.as_str(),
            status_code: attempt.status_code,
            error_class: attempt.error_class.clone(),
            error: attempt.error.clone(),
            started_at: instant(attempt.started_at),
            timing: attempt.timing.into(),
            remote_address: attempt.remote_address.clone(),
            http_version: attempt.http_version.clone(),
            response_headers: headers
                .map(|(name, value)| HeaderView { name: name.clone(), value: value.clone() })
                .collect(),
            body_preview,
            body_encoding,
            body_truncated: attempt.body_truncated,
            response_bytes: attempt.response_bytes,
        }
    }
}

/// As text if it is text, whose last character may be cut.
fn body(Attempt { body_preview, body_truncated, .. }: &Attempt) -> (String, &'static str) {
    match std::str::from_utf8(body_preview) {
        Ok(text) => (text.to_owned(), "utf-8"),
        Err(error) if *body_truncated && error.error_len().is_none() => {
            (String::from_utf8_lossy(&body_preview[..error.valid_up_to()]).into_owned(), "utf-8")
        }
        Err(_) => (BASE64.encode(body_preview), "base64"),
    }
}

impl From<PhaseTimings> for TimingView {
    fn from(timing: PhaseTimings) -> Self {
        Self {
            dns_ms: timing.dns.map(millis),
            connect_ms: timing.connect.map(millis),
            tls_ms: timing.tls.map(millis),
            first_byte_ms: timing.first_byte.map(millis),
            body_ms: timing.body.map(millis),
            total_ms: millis(timing.total),
        }
    }
}
