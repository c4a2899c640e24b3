//! What is refused before any route looks at it: a host that is none, and an upgrade that nobody here speaks.

use actix_web::{
    Error, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        ConnectionType, StatusCode,
        header::{HOST, HeaderMap, UPGRADE},
        uri::Authority,
    },
    middleware::Next,
};

use crate::{problem::Problem, state::ApiResult};

pub async fn manners(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Err(problem) = host(request.headers()).and_then(|()| no_upgrade(request.headers())) {
        // Where a request ends, one cannot be sure any more.
        let mut response = problem.error_response();
        response.head_mut().set_connection_type(ConnectionType::Close);
        return Err(InternalError::from_response("refused at the door", response).into());
    }
    next.call(request).await
}

/// RFC 9112 §3.2: a host that is none gets a 400.
fn host(headers: &HeaderMap) -> ApiResult<()> {
    let Some(given) = headers.get(HOST) else { return Ok(()) };
    let is_host = |text: &str| text.is_empty() || text.parse::<Authority>().is_ok() && !text.contains('@');
    if given.to_str().is_ok_and(is_host) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::BAD_REQUEST, "host_invalid", "The header Host is no host and port."))
}

/// An upgrade may be ignored (RFC 9110 §7.8), but beside one to WebSockets the server's parser heeds no length, so that the body would never
/// end.
fn no_upgrade(headers: &HeaderMap) -> ApiResult<()> {
    let mut upgrades = headers.get_all(UPGRADE).filter_map(|value| value.to_str().ok());
    if upgrades.any(|value| value.to_ascii_lowercase().contains("websocket")) {
        let detail = "There are no WebSockets here. Send the request without the header Upgrade.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "upgrade_refused", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn hosts() {
        let judged = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(text).unwrap());
            host(&headers).is_ok()
        };
        for good in ["", "example.com", "example.com:8080", "[::1]:80", "127.0.0.1"] {
            assert!(judged(good), "{good}");
        }
        for bad in ["a@b", "a b", "a/b", "a?b", "a#b", "http://a", "a:b:c"] {
            assert!(!judged(bad), "{bad}");
        }
    }
}
