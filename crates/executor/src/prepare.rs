//! From a lease to the call that is made: headers, body, and what forbids it before anything is sent.

use bytes::Bytes;
use chrono::SecondsFormat;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use std::time::Duration;
use trigrun_core::{
    domain::{
        address::EgressPolicy,
        attempt::{AttemptStatus, Outcome},
        request::Body,
        target::TargetUrl,
    },
    store::leases::Lease,
    telemetry::trace,
};

use crate::egress::Call;

const AGENT: &str = concat!("TrigRun/", env!("CARGO_PKG_VERSION"));

/// The target and the call; or the outcome that the attempt has without sending anything.
pub fn prepare(lease: &Lease, policy: &EgressPolicy) -> Result<(TargetUrl, Call), Box<Outcome>> {
    let request = &lease.request;
    if request.headers.iter().any(|(_, value)| value.contains("secret://")) {
        return refused(
            "secret_missing",
            "A header names a secret that this workspace does not have; nothing was sent.",
        );
    }
    let target =
        TargetUrl::parse(&request.url, policy).or_else(|error| refused(error.code, &error.detail))?;
    let Ok(method) = Method::from_bytes(request.method.as_str().as_bytes()) else {
        return refused("invalid_request", "The method is not one that can be sent.");
    };
    let Some(headers) = headers(lease) else {
        return refused("invalid_request", "A header cannot be sent as it is; nothing was sent.");
    };
    let call = Call {
        method,
        headers,
        body: request
            .body
            .as_ref()
            .map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.as_str().as_bytes())),
        timeout: Duration::from_secs(request.timeout_seconds.into()),
        success_statuses: request.success_statuses.clone(),
    };
    Ok((target, call))
}

fn refused<T>(class: &'static str, why: &str) -> Result<T, Box<Outcome>> {
    Err(Box::new(Outcome::failed(AttemptStatus::Blocked, class, why)))
}

fn headers(lease: &Lease) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if let Some(body) = &lease.request.body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Body::content_type(body)));
    }
    for (name, value) in lease.request.headers.iter() {
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_bytes(value.as_bytes()).ok()?,
        );
    }
    let ours = [
        ("trigrun-job-id", lease.job.to_string()),
        ("trigrun-execution-id", lease.execution.to_string()),
        ("trigrun-attempt", lease.number.to_string()),
        ("trigrun-scheduled-for", lease.scheduled_for.to_rfc3339_opts(SecondsFormat::Millis, true)),
        ("traceparent", trace::of_attempt(lease.traceparent.as_deref(), lease.execution, lease.number)),
    ];
    for (name, value) in ours {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).ok()?);
    }
    Some(headers)
}
