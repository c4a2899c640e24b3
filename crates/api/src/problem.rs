//! Every response that is not a success: `application/problem+json` (RFC 9457). Causes are logged here, once, and never sent.

pub mod code;

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

use crate::{request_id, sought};
pub use code::ProblemCode;

const RETRY_AFTER_SECONDS: u32 = 2;
const NOT_FOUND: &str = "Not found.";
/// How many fields the detail of a validation error names; `errors` has all of them.
const MAX_NAMED_FIELDS: usize = 10;

#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: ProblemCode,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(header::HeaderName, String)>,
}

/// A problem (RFC 9457 §3.1).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URI that identifies this type of problem. The path /problems/{code} of every server says what it means.
    #[serde(rename = "type")]
    #[schema(example = "https://trigrun.dev/problems/validation_failed")]
    kind: String,
    /// This type of problem in words.
    title: &'static str,
    #[schema(example = 422)]
    status: u16,
    /// What went wrong, and what to do about it.
    detail: String,
    /// A stable code for programs.
    #[schema(example = "validation_failed")]
    code: &'static str,
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
    /// A JSON pointer (RFC 6901) into the body, `?name` for a query parameter, `{name}` for a part of the path, or the name of a header.
    #[schema(example = "/schedule/cron")]
    pointer: String,
    #[schema(example = "cron_field_count")]
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
}

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let status = code.status();
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// Another of the statuses that its code has.
    pub fn with_status(self, status: StatusCode) -> Self {
        debug_assert!(self.code.explanation().statuses.contains(&status), "{status} {:?}", self.code);
        Self { status, ..self }
    }

    pub fn is(&self, status: StatusCode) -> bool {
        self.status == status
    }

    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    pub fn has(&self, code: ProblemCode) -> bool {
        self.code == code
    }

    /// Not of the request: to repeat it later may succeed.
    pub fn is_of_server(&self) -> bool {
        self.status.is_server_error()
    }

    /// What went wrong. A 404 names the kind of object that is not found.
    pub fn detail(&self) -> String {
        let sought = if self.detail == NOT_FOUND { sought::detail() } else { None };
        sought.unwrap_or(self.detail.clone())
    }

    pub fn with_header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same text for an object that never existed, was deleted, or belongs to another workspace. The response names its kind.
    pub fn not_found() -> Self {
        Self::new(ProblemCode::NotFound, NOT_FOUND)
    }

    pub fn unauthorized(detail: &str) -> Self {
        Self::new(ProblemCode::Unauthorized, detail).with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    pub fn unavailable() -> Self {
        Self::new(
            ProblemCode::Unavailable,
            "TrigRun cannot reach its database. The request may or may not have taken effect. Try again; send creates and runs with an Idempotency-Key.",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())
    }

    /// A statement was cancelled, most likely one of a list: see `connections`.
    fn query_timeout() -> Self {
        Self::new(
            ProblemCode::QueryTimeout,
            "The query took too long and was cancelled. Try again; of a list, request a shorter span of time with from and to, or a smaller limit.",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())
    }

    /// This process holds as much as it may; nothing has happened.
    pub fn busy(detail: &str) -> Self {
        Self::new(ProblemCode::Busy, detail).with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())
    }

    pub fn internal() -> Self {
        Self::new(
            ProblemCode::Internal,
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
        let detail = match errors.as_slice() {
            [only] => one_invalid(only),
            several => several_invalid(several),
        };
        let problem = Self::new(ProblemCode::ValidationFailed, detail);
        Self { errors, ..problem }
    }
}

/// Many clients and logs show nothing but the detail, so it names the field and the reason.
fn one_invalid(error: &FieldError) -> String {
    let Invalid { detail, hint, .. } = &error.invalid;
    let field = error.field();
    match hint {
        Some(hint) if hint.ends_with(['.', '?']) => format!("{field}: {detail} {hint}"),
        Some(hint) => format!("{field}: {detail} {hint}."),
        None => format!("{field}: {detail}"),
    }
}

fn several_invalid(errors: &[FieldError]) -> String {
    let named = errors.iter().take(MAX_NAMED_FIELDS).map(FieldError::field);
    let mut fields = named.collect::<Vec<_>>().join(", ");
    if let Some(others) = errors.len().checked_sub(MAX_NAMED_FIELDS).filter(|others| *others > 0) {
        fields.push_str(&format!(" and {others} more"));
    }
    format!("{} fields are invalid: {fields}.", errors.len())
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
        write!(f, "{} {}: {}", self.status.as_u16(), self.code.as_str(), self.detail)
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
            kind: self.code.uri(),
            title: self.code.explanation().title,
            status: self.status.as_u16(),
            detail: self.detail(),
            code: self.code.as_str(),
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
