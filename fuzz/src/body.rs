//! Request bodies, and the numbers of a request: a JSON string becomes its characters, other JSON keeps its text, and nothing is
//! accepted that a text column of Postgres cannot store.
//!
//! The input is the body as it is written in the JSON document.

use crate::assert_refusal;
use serde_json::{Value, value::RawValue};
use trigrun_core::domain::{
    request::{self, Body},
    retry,
    statuses::StatusItem,
};

const MAX_BODY_BYTES: usize = 256 * 1024;

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    // No input panics. The other properties hold for JSON only.
    let unread = Body::from_json_text(&text);
    if let Ok(raw) = serde_json::from_str::<&RawValue>(&text) {
        let read = Body::from_json_text(raw.get());
        if raw.get() == text {
            assert_eq!(read, unread);
        }
        check(raw.get(), read);
    }
    if let Ok(numbers) = serde_json::from_str::<Vec<i64>>(&text) {
        check_numbers(&numbers);
    }
}

fn check(raw: &str, read: Result<Option<Body>, trigrun_core::domain::invalid::Invalid>) {
    let body = match read {
        Ok(Some(body)) => body,
        Ok(None) => return assert_eq!(raw, "null"),
        Err(invalid) => {
            assert_refusal(&invalid, &["body_invalid", "body_too_large", "body_has_nul", "secret_not_here"]);
            let string = serde_json::from_str::<String>(raw).ok();
            let is_expected = match invalid.code {
                "body_invalid" => string.is_none() && raw.starts_with('"'),
                "secret_not_here" => {
                    string.as_deref().unwrap_or(raw).to_ascii_lowercase().contains("secret://")
                }
                "body_has_nul" => string.is_some_and(|string| string.contains('\0')),
                _ => string.as_deref().unwrap_or(raw).len() > MAX_BODY_BYTES,
            };
            return assert!(is_expected, "{invalid:?}");
        }
    };
    assert!(!body.as_str().contains('\0') && body.as_str().len() <= MAX_BODY_BYTES && raw != "null");
    match &body {
        Body::Text(text) => {
            assert_eq!(serde_json::from_str::<String>(raw).ok().as_ref(), Some(text));
            assert_eq!(body.content_type(), "text/plain; charset=utf-8");
        }
        Body::Json(text) => {
            assert_eq!((text.as_str(), body.content_type()), (raw, "application/json"));
            assert!(!matches!(serde_json::from_str(text), Ok(Value::String(_) | Value::Null)));
        }
    }
    assert!(!format!("{body:?}").contains(raw) || raw.len() < 8, "a body is shown");
}

fn check_numbers(numbers: &[i64]) {
    let wanted: Vec<StatusItem<i64>> = numbers.iter().copied().map(StatusItem::Status).collect();
    for read in [request::success_statuses, retry::retry_on_statuses] {
        if let Ok(statuses) = read(Some(wanted.clone())) {
            let statuses = statuses.to_numbers();
            assert!(statuses.iter().all(|status| (100..600).contains(status)) && statuses.len() <= 500);
            let mut sorted = statuses.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), statuses.len(), "each once");
            assert!(numbers.iter().all(|number| statuses.iter().any(|status| i64::from(*status) == *number)));
        }
    }
    for number in numbers {
        let timeout = request::timeout_seconds(Some(*number)).ok().map(i64::from);
        assert_eq!(timeout, Some(*number).filter(|number| (1..=300).contains(number)));
        let attempts = retry::max_attempts(Some(*number)).ok().map(i64::from);
        assert_eq!(attempts, Some(*number).filter(|number| (1..=10).contains(number)));
    }
}
