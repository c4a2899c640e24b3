//! Which pages can call the API from a browser (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! They need a token in a header: pages of other servers have no use of a cookie, and of no credential of the browser.

use actix_cors::Cors;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{
        ACCESS_CONTROL_REQUEST_METHOD, ETAG, HeaderName, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
    middleware::Next,
    web,
};

use crate::{origin::Origin, rate_limits, request_id, state::State};

/// How long a browser may cache a preflight response.
const PREFLIGHT_CACHE_SECONDS: usize = 600;

pub fn cors(origins: &[Origin]) -> Cors {
    let own = ["idempotent-replayed", "idempotent-request-differs"]
        .into_iter()
        .chain(rate_limits::HEADERS)
        .map(HeaderName::from_static);
    let exposed = [ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, request_id::HEADER].into_iter().chain(own);
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(exposed)
        .max_age(PREFLIGHT_CACHE_SECONDS);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin.as_str()))
}

/// A page of an unknown origin gets the response that a program gets, without CORS headers: its browser then hides the response from it.
pub async fn ignore_unknown_origins(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(state) = request.app_data::<web::Data<State>>() {
        state.session_cookie.mark_foreign(&request);
    }
    let origin = request.headers().get(ORIGIN).map(HeaderValue::as_bytes);
    let state = request.app_data::<web::Data<State>>();
    let is_known = state
        .is_some_and(|state| state.origins.iter().any(|known| Some(known.as_str().as_bytes()) == origin));
    if !is_known {
        request.headers_mut().remove(ORIGIN);
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_METHOD);
    }
    next.call(request).await
}
