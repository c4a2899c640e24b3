//! Request headers: accepted headers can be sent unchanged, with every variable and secret filled in, and set no reserved header.
//!
//! Fields: name, value, name, value, and so on; any name or value may be empty.

use crate::{assert_refusal, fields, now};
use http::{HeaderName, HeaderValue};
use std::cell::RefCell;
use std::collections::HashSet;
use trigrun_core::domain::{
    id::{ExecutionId, JobId},
    request::{Headers, Method, Request},
    secret,
    variables::Variables,
};
use uuid::Uuid;

const CODES: &[&str] = &[
    "too_many_headers",
    "header_name_invalid",
    "header_reserved",
    "header_twice",
    "header_value_invalid",
    "secret_reference_invalid",
    "headers_too_large",
    "too_many_secrets",
];

/// Headers that frame a message, and those that TrigRun sets.
const RESERVED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "traceparent",
    "tracestate",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Valid secret values that have a meaning in other contexts.
const SECRETS: [&str; 3] = ["secret://b", "p\u{e4}ss\t{{uuid}}", "a: b\\"];

pub fn run(input: &[u8]) {
    let fields: Vec<String> = fields(input).collect();
    let headers: Vec<(String, String)> =
        fields.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    match Headers::check(headers.clone()) {
        Ok(checked) => {
            let kept = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            assert!(checked.iter().eq(kept), "headers are kept as they were given");
            accepted(checked, &headers);
        }
        Err(errors) => refused(&headers, &errors.into_vec()),
    }
}

fn accepted(checked: Headers, headers: &[(String, String)]) {
    let variables = Variables {
        execution: ExecutionId::from_uuid(Uuid::from_u128(1)),
        job: JobId::from_uuid(Uuid::from_u128(2)),
        scheduled_for: now(),
    };
    let mut mentioned = Vec::new();
    for (name, value) in headers {
        let sent =
            HeaderName::from_bytes(name.as_bytes()).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert!(!is_reserved(sent.as_str()), "{name:?}");
        assert!(checked.has(name) && checked.has(&name.to_ascii_uppercase()));
        let names = secret::references(value).unwrap_or_else(|invalid| panic!("{value:?}: {invalid}"));
        for secret in SECRETS {
            assert_eq!(secret::value(secret), Ok(()));
            let asked = RefCell::new(Vec::new());
            let filled = secret::fill(
                value,
                |text| variables.render(text),
                |name| {
                    asked.borrow_mut().push(name.to_owned());
                    Some(secret)
                },
            );
            assert_eq!(asked.into_inner(), names, "{value:?} requests other secrets than it mentions");
            let sent = filled.as_ref().map(|filled| HeaderValue::from_bytes(filled.as_bytes()));
            assert!(matches!(sent, Ok(Ok(_))), "{filled:?} cannot be sent");
        }
        assert!(!value.contains(['\r', '\n', '\0']));
        mentioned.extend(names.into_iter().map(str::to_owned));
    }
    let distinct: HashSet<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    assert_eq!(distinct.len(), headers.len(), "duplicate name");
    assert!(headers.len() <= 64 && mentioned.len() <= 32);
    assert!(headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= 16 * 1024);
    mentioned.sort_unstable();
    mentioned.dedup();
    assert_eq!(request(checked).secrets(), mentioned);
}

fn request(headers: Headers) -> Request {
    Request {
        url: "https://example.com/".into(),
        method: Method::Get,
        headers,
        body: None,
        timeout_seconds: 1,
        success_statuses: [200].into(),
    }
}

/// Every refusal has a visible reason.
fn refused(
    headers: &[(String, String)],
    errors: &[(Option<String>, trigrun_core::domain::invalid::Invalid)],
) {
    assert!(!errors.is_empty());
    errors.iter().for_each(|(_, invalid)| assert_refusal(invalid, CODES));
    for name in errors.iter().filter_map(|(name, _)| name.as_ref()) {
        let (at, (_, value)) = headers
            .iter()
            .enumerate()
            .rfind(|(_, (known, _))| known == name)
            .unwrap_or_else(|| panic!("{name:?} is not one of the headers"));
        let is_sendable =
            HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| !is_reserved(name.as_str()));
        let is_duplicate = headers[..at].iter().any(|(before, _)| before.eq_ignore_ascii_case(name));
        let is_plain = !value.chars().any(char::is_control) && !value.contains("secret://");
        assert!(!is_sendable || is_duplicate || !is_plain, "{name:?}: {value:?} was refused");
    }
}

fn is_reserved(lower: &str) -> bool {
    RESERVED.contains(&lower) || lower.starts_with("proxy-") || lower.starts_with("trigrun-")
}
