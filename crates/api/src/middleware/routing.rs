//! Requests as the routes expect them: HEAD is routed as GET, and one slash at the end of a path is ignored.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, Uri, uri::PathAndQuery},
    middleware::Next,
};

use crate::routes::{OPERATOR_V1, V1};

pub async fn route_leniently(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // RFC 9110 §9.3.2. The server sends no body, because it has seen the method.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    if let Some(uri) = without_slash(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

fn without_slash(uri: &Uri) -> Option<Uri> {
    let is_versioned = |path: &&str| path.starts_with(V1) || path.starts_with(OPERATOR_V1);
    let path = uri.path().strip_suffix('/').filter(|path| !path.ends_with('/')).filter(is_versioned)?;
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}
