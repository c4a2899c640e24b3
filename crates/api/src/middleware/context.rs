//! Around every request: its id, its span, a limit on its time, its metrics, security headers, and panics as problems.

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL,
            CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    web,
};
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};
use tracing::{Instrument, Span};
use trigrun_core::telemetry::{metrics, trace};

use super::request_id;
use crate::{problem::Problem, rate_limits, state::State};

/// No answer takes longer, whatever it waits for.
const LONGEST: Duration = Duration::from_secs(10);

pub async fn shell(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let id = request_id::of(request.headers());
    let span = span(&request, &id);
    let method = method(request.method());
    let answered = request_id::scope(id.clone(), async {
        let pulse =
            request.app_data::<web::Data<State>>().map(|state| state.pulse.clone()).unwrap_or_default();
        let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            // Whatever still waits may wait for Postgres; what does not need it has answered at once.
            () = pulse.is_silent() => return Err(Problem::unavailable().error_response()),
            () = tokio::time::sleep(LONGEST) => return Err(too_slow()),
        };
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(error.error_response()),
            Err(_) => Err(Problem::internal().error_response()),
        }
    });
    let mut answered = answered.instrument(span.clone()).await;
    if let Ok(response) = &mut answered
        && let Some(standing) = rate_limits::headers(response.request())
    {
        let headers = response.headers_mut();
        for (name, value) in standing {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    let (status, route) = match &answered {
        Ok(response) => (response.status(), response.request().match_pattern()),
        Err(response) => (response.status(), None),
    };
    harden(
        answered.as_mut().map_or_else(|error| error.headers_mut(), |response| response.headers_mut()),
        &id,
    );
    let (status, route) = (status.as_u16(), route.unwrap_or_else(|| "none".into()));
    trace::rename(&span, || format!("{method} {route}"));
    span.record("http.response.status_code", status).record("http.route", &route);
    metrics::api_request(&route, method, status, started.elapsed());
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        let traceparent = trace::current();
        let trace_id = trace::id(traceparent.as_deref());
        tracing::info!(method, route, status, took_ms, request_id = id, trace_id, "answered");
    });
    answered.map_err(|response| InternalError::from_response("answered as a problem", response).into())
}

fn too_slow() -> HttpResponse {
    tracing::warn!(limit = ?LONGEST, "gave up on a request");
    Problem::unavailable().error_response()
}

fn span(request: &ServiceRequest, id: &str) -> Span {
    // By the conventions of OpenTelemetry for HTTP servers, but without path and query: they may hold what is nobody else's business.
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        request_id = id,
        http.request.method = %request.method(),
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
    );
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    trace::continue_from(&span, traceparent);
    span
}

/// A closed set, as it becomes a label.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Answers are data for programs: never sniffed, framed, cached or run. The page of the docs has a policy of its own, its parts
/// are kept.
fn harden(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(request_id::HEADER, id);
    }
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        // Nobody is told what a page of another origin could see.
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    keep_or(headers, CACHE_CONTROL, "no-store");
    keep_or(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
}

fn keep_or(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
