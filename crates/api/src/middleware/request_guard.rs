//! Rejects requests with an invalid host or an unsupported upgrade, before any route sees them.

use actix_web::{
    Error, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        ConnectionType,
        header::{HOST, HeaderMap, UPGRADE},
        uri::Authority,
    },
    middleware::Next,
};

use crate::{
    problem::{Problem, ProblemCode},
    result::ApiResult,
};

pub async fn guard_request(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Err(problem) = host(request.headers()).and_then(|()| no_upgrade(request.headers())) {
        // It is no longer certain where this request ends.
        let mut response = problem.error_response();
        response.head_mut().set_connection_type(ConnectionType::Close);
        return Err(InternalError::from_response("rejected request", response).into());
    }
    next.call(request).await
}

/// RFC 9112 §3.2: an invalid Host gets a 400.
fn host(headers: &HeaderMap) -> ApiResult<()> {
    let Some(given) = headers.get(HOST) else { return Ok(()) };
    let is_host = |text: &str| text.is_empty() || text.parse::<Authority>().is_ok() && !text.contains('@');
    if given.to_str().is_ok_and(is_host) {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::HostInvalid, "The header Host is not a valid host and port."))
}

/// A server may ignore an upgrade (RFC 9110 §7.8). But with an upgrade to WebSockets, actix's parser ignores the length of the body, so that
/// the body would never end.
fn no_upgrade(headers: &HeaderMap) -> ApiResult<()> {
    let mut upgrades = headers.get_all(UPGRADE).filter_map(|value| value.to_str().ok());
    if upgrades.any(|value| value.to_ascii_lowercase().contains("websocket")) {
        let detail = "WebSockets are not supported. Send the request without the header Upgrade.";
        return Err(Problem::new(ProblemCode::UpgradeRefused, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn hosts() {
        let is_valid = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(text).unwrap());
            host(&headers).is_ok()
        };
        for valid in ["", "example.com", "example.com:8080", "[::1]:80", "127.0.0.1"] {
            assert!(is_valid(valid), "{valid}");
        }
        for invalid in ["a@b", "a b", "a/b", "a?b", "a#b", "http://a", "a:b:c"] {
            assert!(!is_valid(invalid), "{invalid}");
        }
    }
}
