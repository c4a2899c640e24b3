//! The documentation page: Swagger UI, built in, so that it works without access to other hosts.

use actix_web::{
    HttpResponse,
    body::SizedStream,
    get,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION},
    web::Bytes,
};
use futures_util::stream;
use std::convert::Infallible;

const PAGE: &str = include_str!("../../assets/docs.html");
const START: &str = include_str!("../../assets/docs.js");
const SCRIPT: &[u8] = include_bytes!("../../assets/swagger-ui/swagger-ui-bundle.js");
const STYLE: &[u8] = include_bytes!("../../assets/swagger-ui/swagger-ui.css");

/// Only resources of this host. Swagger UI sets styles on its elements and draws its icons from data URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For files that have their version in their name.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Copied at once, for a client that may never read it.
const CHUNK_BYTES: usize = 32 * 1024;

/// Shows this document as an interactive page.
#[utoipa::path(operation_id = "docs", tag = "health", responses(
    (status = 200, description = "An HTML page. It loads nothing from other hosts.", body = String, content_type = "text/html"),
))]
#[get("/docs")]
pub async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

/// Redirects the root to the documentation.
pub async fn redirect_to_docs() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/docs")).finish()
}

/// Starts Swagger UI.
pub async fn start_script() -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(START)
}

pub async fn swagger_script() -> HttpResponse {
    immutable("text/javascript; charset=utf-8", SCRIPT)
}

pub async fn swagger_style() -> HttpResponse {
    immutable("text/css; charset=utf-8", STYLE)
}

fn immutable(content_type: &'static str, bytes: &'static [u8]) -> HttpResponse {
    let chunks =
        stream::iter(bytes.chunks(CHUNK_BYTES).map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk))));
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, IMMUTABLE))
        .content_type(content_type)
        .body(SizedStream::new(bytes.len() as u64, chunks))
}
