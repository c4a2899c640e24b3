//! Builds the request of a lease: variables, secrets, signature. A request that cannot be built gives an outcome; nothing is sent.

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderName, HeaderValue, Method};
use std::{
    borrow::Cow,
    fmt::{self, Write},
    time::Duration,
};
use trigrun_core::{
    domain::{
        address::EgressPolicy,
        attempt::{AttemptStatus, Outcome},
        chain,
        request::Body,
        secret,
        sent_request::default_headers,
        target::TargetUrl,
        variables::Variables,
    },
    store::leases::Lease,
    telemetry::trace,
};

use crate::{
    egress::{Call, HeaderLines},
    secrets::RequestSecrets,
};

/// Room for the headers that are not the job's.
const OWN_HEADERS: usize = 16;
/// Of their values, usually.
const OWN_HEADER_BYTES: usize = 256;

/// Where the request goes, or the outcome of an attempt that sends nothing.
pub fn target(lease: &Lease, policy: &EgressPolicy) -> Result<TargetUrl, Box<Outcome>> {
    TargetUrl::parse(&variables(lease).render(&lease.request.url), policy)
        .or_else(|error| refused(error.code, &error.detail))
}

/// The rest of the request, signed for `at`; or, again, an outcome. Takes the body out of the lease, so that it is in memory once.
pub fn call(lease: &mut Lease, secrets: &RequestSecrets, at: DateTime<Utc>) -> Result<Call, Box<Outcome>> {
    let variables = variables(lease);
    let Ok(method) = Method::from_bytes(lease.request.method.as_str().as_bytes()) else {
        return refused("invalid_request", "This method cannot be sent.");
    };
    let mut headers = job_headers(lease, secrets, &variables)?;
    let body = lease.request.body.take().map_or_else(Bytes::new, |body| rendered(body, &variables));
    if add_own_headers(&mut headers, lease, secrets, at, &body).is_none() {
        return refused(
            "internal",
            "TrigRun could not sign this request; nothing was sent. Contact your administrator.",
        );
    }
    Ok(Call {
        method,
        headers,
        body,
        at,
        timeout: Duration::from_secs(lease.request.timeout_seconds.into()),
        success_statuses: lease.request.success_statuses.clone(),
        max_preview_bytes: secrets.max_preview_bytes(),
    })
}

fn rendered(body: Body, variables: &Variables) -> Bytes {
    let (Body::Text(text) | Body::Json(text)) = body;
    match variables.render(&text) {
        Cow::Owned(rendered) => Bytes::from(rendered),
        Cow::Borrowed(_) => Bytes::from(text),
    }
}

/// How much memory a body needs at most, with its rendered form.
pub fn max_body_bytes(body: &Body) -> usize {
    let (text, rendered) = (body.as_str(), Variables::max_rendered_bytes(body.as_str()));
    if rendered == text.len() { text.len() } else { text.len() + rendered }
}

fn variables(lease: &Lease) -> Variables {
    Variables { execution: lease.execution, job: lease.job, scheduled_for: lease.scheduled_for }
}

fn refused<T>(class: &'static str, why: &str) -> Result<T, Box<Outcome>> {
    Err(Box::new(Outcome::failed(AttemptStatus::Blocked, class, why)))
}

/// The headers of the job, as it writes them, after the defaults that it does not override.
fn job_headers(
    lease: &Lease,
    secrets: &RequestSecrets,
    variables: &Variables,
) -> Result<HeaderLines, Box<Outcome>> {
    let mut headers = HeaderLines::with_capacity(OWN_HEADERS + lease.request.headers.iter().count());
    for (name, value) in default_headers(&lease.request) {
        headers.push((name.into(), HeaderValue::from_static(value)));
    }
    for (name, value) in lease.request.headers.iter() {
        let filled = secret::fill(value, |text| variables.render(text), |name| secrets.value(name));
        let filled = filled.or_else(|missing| {
            if secrets.is_unreadable(missing) {
                let why = format!(
                    "TrigRun cannot open the secret {missing}; nothing was sent. Contact your administrator."
                );
                return refused("secret_unreadable", &why);
            }
            let why =
                format!("This workspace has no secret {missing}, which a header needs; nothing was sent.");
            refused("secret_missing", &why)
        })?;
        let (Ok(_), Ok(mut value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(filled.as_bytes()))
        else {
            return refused(
                "invalid_request",
                "A header has characters that cannot be sent; nothing was sent.",
            );
        };
        value.set_sensitive(true);
        headers.push((name.to_owned().into(), value));
    }
    Ok(headers)
}

/// TrigRun's own headers, with the signature of Standard Webhooks; `None` when it cannot be signed.
fn add_own_headers(
    headers: &mut HeaderLines,
    lease: &Lease,
    secrets: &RequestSecrets,
    at: DateTime<Utc>,
    body: &[u8],
) -> Option<()> {
    let (mut values, seconds) = (Values(BytesMut::with_capacity(OWN_HEADER_BYTES)), at.timestamp());
    let id = values.add(lease.execution)?;
    let signature = secrets.signer.as_ref()?.sign(id.to_str().ok()?, seconds, body);
    let scheduled_for = lease.scheduled_for.to_rfc3339_opts(SecondsFormat::Millis, true);
    let own = [
        ("TrigRun-Job-Id", values.add(lease.job)?),
        ("TrigRun-Execution-Id", id.clone()),
        ("TrigRun-Attempt", values.add(lease.number)?),
        (chain::DEPTH_HEADER, values.add(chain::next(lease.depth))?),
        ("TrigRun-Scheduled-For", values.add(scheduled_for)?),
        (
            "traceparent",
            values.add(trace::of_attempt(lease.traceparent.as_deref(), lease.execution, lease.number))?,
        ),
        ("webhook-signature", values.add(signature)?),
        ("webhook-timestamp", values.add(seconds)?),
        ("webhook-id", id),
    ];
    headers.extend(own.map(|(name, value)| (name.into(), value)));
    Some(())
}

/// Values of headers that share one allocation.
struct Values(BytesMut);

impl Values {
    fn add(&mut self, value: impl fmt::Display) -> Option<HeaderValue> {
        write!(self.0, "{value}").ok()?;
        HeaderValue::from_maybe_shared(self.0.split().freeze()).ok()
    }
}
