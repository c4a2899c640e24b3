//! The document as a page: Swagger UI, built in, so that it works where no other host can be reached.

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

/// This host's and no other's. Swagger UI sets styles on its elements and draws its signs from data URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For what has its version in its name.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// What is copied at once for a client who may never take it.
const PIECE: usize = 32 * 1024;

/// This document as a page to read and to try.
#[utoipa::path(operation_id = "docs", tag = "health", responses(
    (status = 200, description = "A page that needs no other host.", body = String, content_type = "text/html"),
))]
#[get("/docs")]
pub async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

/// Whoever comes without a path is shown around.
pub async fn lead() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/docs")).finish()
}

/// What the page runs first.
pub async fn start() -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(START)
}

pub async fn script() -> HttpResponse {
    kept("text/javascript; charset=utf-8", SCRIPT)
}

pub async fn style() -> HttpResponse {
    kept("text/css; charset=utf-8", STYLE)
}

fn kept(content_type: &'static str, bytes: &'static [u8]) -> HttpResponse {
    let pieces =
        stream::iter(bytes.chunks(PIECE).map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece))));
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, FOREVER))
        .content_type(content_type)
        .body(SizedStream::new(bytes.len() as u64, pieces))
}
