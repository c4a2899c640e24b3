//! Which pages may call the API from a browser (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! A token in a header is all that gives access, so that no cookie and no credential of the browser is ever asked for.

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
use serde::Deserialize;

use super::request_id;
use crate::{rate_limits, state::State};

/// How long a browser may remember what it was allowed.
const REMEMBERED_SECONDS: usize = 600;

/// Scheme, host and port of pages, as browsers send it: `https://console.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no origin: expected a scheme and a host, like https://console.example.com")]
pub struct NoOrigin(String);

impl TryFrom<String> for Origin {
    type Error = NoOrigin;

    fn try_from(text: String) -> Result<Self, NoOrigin> {
        let (scheme, host) = text.split_once("://").unwrap_or_default();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c);
        let well = matches!(scheme, "http" | "https") && !host.is_empty() && host.chars().all(plain);
        if well { Ok(Self(text)) } else { Err(NoOrigin(text)) }
    }
}

pub fn cors(origins: &[Origin]) -> Cors {
    let own = ["idempotent-replayed"].into_iter().chain(rate_limits::HEADERS).map(HeaderName::from_static);
    let exposed = [ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, request_id::HEADER].into_iter().chain(own);
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(exposed)
        .max_age(REMEMBERED_SECONDS);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(&origin.0))
}

/// A page of another origin is answered like a program, without a word on CORS: that is what its browser goes by.
pub async fn strangers(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let origin = request.headers().get(ORIGIN).map(HeaderValue::as_bytes);
    let state = request.app_data::<web::Data<State>>();
    let known =
        state.is_some_and(|state| state.origins.iter().any(|known| Some(known.0.as_bytes()) == origin));
    if !known {
        request.headers_mut().remove(ORIGIN);
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_METHOD);
    }
    next.call(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let origin = |text: &str| Origin::try_from(text.to_owned());
        for good in ["https://console.example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "example.com",
            "https://",
            "ftp://a",
            "https://a/",
            "https://*.a",
            "https://u@a",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
