//! One attempt to make an execution's request, and its outcome.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

use super::string_enum::string_enum;

string_enum! {
    AttemptStatus {
        Success = "success",
        HttpError = "http_error",
        Timeout = "timeout",
        ConnectionError = "connection_error",
        Blocked = "blocked",
        Interrupted = "interrupted",
    }
}

/// How much of a response body is stored.
pub const MAX_PREVIEW_BYTES: usize = 64 * 1024;

/// The outcome of one attempt. A failing target is an outcome, never an error of TrigRun.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub status: AttemptStatus,
    pub status_code: Option<u16>,
    /// A stable slug of the kind of failure, e.g. `dns`, `connect_refused`, `tls_certificate`, `timeout_connect`, `http_500`.
    pub error_class: Option<&'static str>,
    /// One sentence for users, with the likely cause.
    pub error: Option<String>,
    pub timing: PhaseTimings,
    pub remote_address: Option<String>,
    pub http_version: Option<&'static str>,
    /// In the order received; names can repeat. Bytes that are not UTF-8 were replaced.
    pub response_headers: Vec<(String, String)>,
    /// The first [`MAX_PREVIEW_BYTES`] of the body: text in UTF-8, without compression, and anything else as received.
    pub body_preview: Vec<u8>,
    /// Whether the preview lacks something of the body.
    pub body_truncated: bool,
    /// Bytes of the body that were read, as they were sent, whether stored or not.
    pub response_bytes: u64,
    /// The target's `Retry-After`, if it sent one.
    pub retry_after: Option<Duration>,
}

impl Outcome {
    pub fn of(status: AttemptStatus) -> Self {
        Self {
            status,
            status_code: None,
            error_class: None,
            error: None,
            timing: PhaseTimings::default(),
            remote_address: None,
            http_version: None,
            response_headers: Vec::new(),
            body_preview: Vec::new(),
            body_truncated: false,
            response_bytes: 0,
            retry_after: None,
        }
    }

    /// Whether the server responded with a head that could not be read.
    pub fn is_unreadable(&self) -> bool {
        self.status_code.is_none()
            && matches!(self.error_class, Some("protocol_error" | "response_too_large"))
    }

    /// Says how much time a timeout had, and which setting gives it.
    #[must_use]
    pub fn with_limit(mut self, seconds: u16, setting: &str) -> Self {
        if let (AttemptStatus::Timeout, Some(error)) = (self.status, &mut self.error) {
            error.push_str(&format!(" The limit is {seconds} s ({setting})."));
        }
        self
    }

    /// A failure before any response: its class, and the sentence for users.
    pub fn failed(status: AttemptStatus, class: &'static str, error: impl Into<String>) -> Self {
        Self { error_class: Some(class), error: Some(error.into()), ..Self::of(status) }
    }
}

/// What an ended attempt means for its execution or its notification.
#[derive(Clone, Debug, PartialEq)]
pub enum Disposition {
    Succeeded,
    Failed {
        error_class: String,
    },
    /// Another attempt follows.
    Retry {
        due_at: DateTime<Utc>,
    },
}

impl Disposition {
    pub fn failed(outcome: &Outcome) -> Self {
        Self::Failed { error_class: outcome.error_class.unwrap_or("unknown").to_owned() }
    }

    pub fn retry(ended_at: DateTime<Utc>, wait: Duration) -> Self {
        Self::Retry { due_at: ended_at + TimeDelta::from_std(wait).unwrap_or_default() }
    }

    pub fn error_class(&self) -> Option<&str> {
        match self {
            Self::Failed { error_class } => Some(error_class),
            Self::Succeeded | Self::Retry { .. } => None,
        }
    }

    pub const fn due_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Retry { due_at } => Some(*due_at),
            Self::Succeeded | Self::Failed { .. } => None,
        }
    }
}

/// An attempt that ended, and what follows from it.
#[derive(Clone, Debug)]
pub struct EndedAttempt {
    pub outcome: Outcome,
    pub disposition: Disposition,
    /// By Postgres's clock.
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
}

/// Durations of an attempt's phases. A phase that was not reached or not needed is `None` (a reused connection has no `dns`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseTimings {
    pub dns: Option<Duration>,
    pub connect: Option<Duration>,
    pub tls: Option<Duration>,
    /// From the request's first byte to the response's first byte.
    pub first_byte: Option<Duration>,
    pub body: Option<Duration>,
    pub total: Duration,
}

/// A recorded attempt, as the API shows it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: u16,
    pub status: AttemptStatus,
    pub status_code: Option<u16>,
    pub error_class: Option<String>,
    pub error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub timing: PhaseTimings,
    pub remote_address: Option<String>,
    pub http_version: Option<String>,
    pub response_headers: Vec<(String, String)>,
    pub body_preview: Vec<u8>,
    pub body_truncated: bool,
    pub response_bytes: u64,
}
