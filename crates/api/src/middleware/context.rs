//! The outermost middleware: request id, span, time limit, metrics, security headers, and panics as problems.

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

use super::counted_body::counted;
use crate::{connections, problem::Problem, rate_limits, request_id, sought, state::State, time_limit};

pub async fn request_context(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let id = request_id::of(request.headers());
    let span = span(&request, &id);
    let method = method(request.method());
    let response = request_id::scope(
        id.clone(),
        sought::scope(connections::scope(
            None,
            time_limit::scope(async {
                let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
                    return Err(Problem::internal().error_response());
                };
                let response = AssertUnwindSafe(next.call(request)).catch_unwind();
                let response = tokio::select! {
                    biased;
                    response = response => response,
                    // A request that still waits may wait for Postgres; one that does not need it has finished by now.
                    () = state.db_watchdog.unresponsive() => return Err(Problem::unavailable().error_response()),
                    () = time_limit::exceeded(state.request_timeout) => return Err(timed_out(state.request_timeout)),
                };
                match response {
                    Ok(Ok(response)) => Ok(counted(response)),
                    Ok(Err(error)) => Err(error.error_response()),
                    Err(_) => Err(Problem::internal().error_response()),
                }
            }),
        )),
    );
    let (mut response, waited) = response.instrument(span.clone()).await;
    if let Ok(response) = &mut response
        && let Some(status) = rate_limits::headers(response.request())
    {
        let headers = response.headers_mut();
        for (name, value) in status {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    let (status, route) = match &response {
        Ok(response) => (response.status(), response.request().match_pattern()),
        Err(response) => (response.status(), None),
    };
    harden(
        response.as_mut().map_or_else(|error| error.headers_mut(), |response| response.headers_mut()),
        &id,
    );
    let (status, route) = (status.as_u16(), route.unwrap_or_else(|| "none".into()));
    trace::rename(&span, || format!("{method} {route}"));
    span.record("http.response.status_code", status).record("http.route", &route);
    // A request that waits as its client has asked is not slow.
    metrics::api_request(&route, method, status, started.elapsed().saturating_sub(waited));
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        let traceparent = trace::current();
        let trace_id = trace::id(traceparent.as_deref());
        tracing::info!(method, route, status, duration_ms, request_id = id, trace_id, "responded");
    });
    response.map_err(|problem| InternalError::from_response("problem response", problem).into())
}

fn timed_out(timeout: Duration) -> HttpResponse {
    tracing::warn!(?timeout, "request timed out");
    Problem::unavailable().error_response()
}

fn span(request: &ServiceRequest, id: &str) -> Span {
    // OpenTelemetry's semantic conventions for HTTP servers, without path and query: they may contain private data.
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

/// A closed set: it becomes a label of metrics.
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

/// Responses are data for programs: browsers must not sniff, frame, cache or run them. The documentation page sets its own policy, and its
/// assets are cacheable.
fn harden(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(request_id::HEADER, id);
    }
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        // Without an allowed origin, the list of exposed headers has no reader.
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
