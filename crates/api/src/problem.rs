//! Every response that is not a success: `application/problem+json` (RFC 9457). Causes are logged here, once, and never sent.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use std::fmt;
use trigrun_core::{
    domain::invalid::{FieldError, Invalid, Violations},
    store::StoreError,
};
use utoipa::ToSchema;

use crate::request_id;

/// The prefix of the `type` of every problem.
const TYPE_PREFIX: &str = "https://trigrun.dev/problems/";
const RETRY_AFTER_SECONDS: u32 = 2;

#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(header::HeaderName, String)>,
}

/// A problem (RFC 9457 §3.1).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URI that identifies this type of problem.
    #[serde(rename = "type")]
    #[schema(example = "https://trigrun.dev/problems/validation_failed")]
    kind: String,
    /// The HTTP status in words.
    title: String,
    #[schema(example = 422)]
    status: u16,
    /// What went wrong, and what to do about it.
    detail: String,
    /// A stable code for programs.
    #[schema(example = "validation_failed")]
    code: String,
    /// The id of the request. Include it when you report a problem.
    request_id: Option<String>,
    /// All invalid fields and parameters of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
}

/// An error in a field, a query parameter or a header.
#[derive(Serialize, ToSchema)]
pub struct FieldProblem {
    /// A JSON pointer (RFC 6901) into the body, `?name` for a query parameter, or the name of a header.
    #[schema(example = "/schedule/cron")]
    pointer: String,
    #[schema(example = "cron_field_count")]
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    pub fn is(&self, status: StatusCode) -> bool {
        self.status == status
    }

    pub fn with_header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same text for an object that never existed, was deleted, or belongs to another workspace.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found.")
    }

    pub fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            .with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    pub fn conflict(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "TrigRun cannot reach its database. The request may or may not have taken effect. Try again; send creates and runs with an Idempotency-Key.",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())
    }

    /// A statement was cancelled, most likely one of a list: see `connections`.
    fn query_timeout() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "query_timeout",
            "The query took too long and was cancelled. Try again; of a list, request a shorter span of time with from and to, or a smaller limit.",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())
    }

    /// This process holds as much as it may; nothing has happened.
    pub fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
            .with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())
    }

    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error. It has been logged; report it with this request id.",
        )
    }

    pub fn of_field(pointer: &str, invalid: Invalid) -> Self {
        Violations::of(pointer, invalid).into()
    }
}

impl From<Violations> for Problem {
    fn from(violations: Violations) -> Self {
        let errors = violations.into_vec();
        let detail = match errors.len() {
            1 => "1 field of the request is invalid; see errors.".to_owned(),
            count => format!("{count} fields of the request are invalid; see errors."),
        };
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", detail);
        Self { errors, ..problem }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::Unavailable(cause) => {
                tracing::warn!(cause, "Postgres is unavailable");
                Self::unavailable()
            }
            StoreError::TimedOut(cause) => {
                tracing::warn!(cause, "a query was cancelled");
                Self::query_timeout()
            }
            StoreError::Conflict(what) => {
                tracing::error!(what, "unexpected conflict");
                Self::internal()
            }
            StoreError::Internal(cause) | StoreError::KeyUnreadable(cause) => {
                tracing::error!(cause, "store error");
                Self::internal()
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        let body = ProblemBody {
            kind: format!("{TYPE_PREFIX}{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Unknown").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            request_id: request_id::current(),
            errors: self.errors.iter().map(FieldProblem::from).collect(),
        };
        let json = serde_json::to_string(&body).unwrap_or_default();
        response.content_type("application/problem+json").body(json)
    }
}

impl From<&FieldError> for FieldProblem {
    fn from(error: &FieldError) -> Self {
        let Invalid { code, detail, hint } = &error.invalid;
        Self {
            pointer: error.pointer.clone(),
            code: (*code).to_owned(),
            detail: detail.clone(),
            hint: hint.clone(),
        }
    }
}
