//! What a test expects of a response. A response that differs is an error, which says what came instead.

use anyhow::bail;
use serde_json::Value;

use super::RawResponse;

/// The API shed load: its response may differ from the expected one, and be correct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Overloaded(String);

impl RawResponse {
    /// The body of a response with this status.
    pub fn expect(&self, status: u16) -> anyhow::Result<Value> {
        if self.status != status {
            return Err(self.unexpected(&status.to_string()));
        }
        Ok(self.json())
    }

    /// A problem (RFC 9457) with this status and code.
    pub fn expect_problem(&self, status: u16, code: &str) -> anyhow::Result<()> {
        let is_problem = self.header("content-type") == Some("application/problem+json");
        if self.status == status && is_problem && self.json()["code"] == code {
            return Ok(());
        }
        Err(self.unexpected(&format!("{status} {code}")))
    }

    /// Validation failed at this pointer with this code, and nowhere else.
    pub fn expect_invalid(&self, pointer: &str, code: &str) -> anyhow::Result<()> {
        self.expect_problem(422, "validation_failed")?;
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        if errors.len() == 1 && errors[0]["pointer"] == pointer && errors[0]["code"] == code {
            return Ok(());
        }
        bail!("expected {code} at {pointer}, got {errors:?}")
    }

    /// The response without what differs from request to request. Lists in headers have no order.
    pub fn comparable(&self) -> (u16, Vec<String>, String) {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        let lines = lines.filter(|(name, _)| *name != "date" && !name.starts_with("ratelimit"));
        let mut lines: Vec<String> = lines
            .map(|(name, value)| {
                let mut values: Vec<&str> = value.split(", ").collect();
                values.sort_unstable();
                format!("{name}: {}", values.join(", "))
            })
            .collect();
        lines.sort();
        (self.status, lines, self.text())
    }

    fn unexpected(&self, expected: &str) -> anyhow::Error {
        let message = format!("expected {expected}, got {} {}", self.status, self.text());
        if self.status == 503 && self.json()["code"] == "unavailable" {
            return Overloaded(message).into();
        }
        anyhow::Error::msg(message)
    }
}
