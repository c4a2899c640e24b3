//! What can go wrong with a call.

use serde::Deserialize;
use std::time::Duration;

/// An error response of the API (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub status: u16,
    pub code: String,
    pub title: String,
    pub detail: String,
    pub request_id: Option<String>,
    pub errors: Vec<FieldProblem>,
    /// The response as it arrived.
    #[serde(skip)]
    pub text: String,
    /// The header `Retry-After`, in seconds.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// An invalid field of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldProblem {
    /// A JSON pointer into the body, or the name of a parameter.
    pub pointer: String,
    pub code: String,
    pub detail: String,
    pub hint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} ({} {})", .0.detail, .0.status, .0.code)]
    Problem(Box<Problem>),
    /// The connection could not be made, so that nothing was sent.
    #[error("cannot connect to {url}: {cause}")]
    NotConnected { url: String, cause: String },
    /// The connection ended before the whole response arrived: the request may or may not have taken effect.
    #[error("the connection to {url} broke: {cause}")]
    Broken { url: String, cause: String },
    #[error("{url} did not respond within {} s", .timeout.as_secs())]
    Timeout { url: String, timeout: Duration },
    /// Something else than TrigRun's API responded.
    #[error("{url} responded with {status}, which is not a response of TrigRun")]
    NotTrigrun {
        url: String,
        status: u16,
        /// Of the response; empty if it is not text.
        text: String,
    },
    #[error("cannot read the response: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the request is invalid: {0}")]
    Request(#[from] http::Error),
}

impl Error {
    /// The error response of the API, if there is one.
    pub const fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The status of the response, if one arrived.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::NotTrigrun { status, .. } => Some(*status),
            _ => None,
        }
    }
}
