use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    guard::{self, GuardContext},
    http::{
        StatusCode,
        header::{self, ACCEPT, ACCEPT_ENCODING, AcceptEncoding, Encoding, Header, IF_NONE_MATCH, VARY},
    },
    web::{self, ServiceConfig},
};

use crate::{
    BasePath,
    files::{self, File},
    index::Index,
};

/// Only this server's own files and its API: a script, a style or an address of another server is refused. Scripts
/// cannot make HTML from text (Trusted Types).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(&str, &str); 6] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const NO_CACHE: &str = "no-cache";

/// The console at a base path.
#[derive(Clone)]
pub struct Console {
    base: BasePath,
    index: Arc<Index>,
}

impl Console {
    pub fn new(base: BasePath) -> Self {
        let index = Arc::new(Index::new(&base));
        Self { base, index }
    }

    /// Registers the console. Register it after the API: it responds to every path below its base that is not taken, if
    /// the client accepts HTML. It takes nothing below `/v1`.
    pub fn configure(&self, config: &mut ServiceConfig) {
        let base = self.base.as_str();
        for file in files::FILES.iter().filter(|file| file.path != files::INDEX) {
            let path = format!("{base}{}", file.path);
            config
                .service(web::resource(path).guard(is_read()).to(move |request| respond_file(request, file)));
        }
        let index = self.index.clone();
        let page = move |request: HttpRequest| respond_index(request, index.clone());
        if base != "/" {
            let without_slash = base.trim_end_matches('/');
            config.service(web::resource(without_slash).guard(is_page()).to(page.clone()));
        }
        config.service(web::resource(format!("{base}{{path:.*}}")).guard(is_page()).to(page));
    }
}

fn is_read() -> impl guard::Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

/// A navigation: a browser asks for HTML. Programs and missing assets get the API's 404.
fn is_page() -> impl guard::Guard {
    guard::All(is_read()).and(guard::fn_guard(|context: &GuardContext<'_>| {
        let path = context.head().uri.path();
        let is_api = path == "/v1" || path.starts_with("/v1/");
        let mut accepted = context.head().headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        !is_api && accepted.any(|value| value.split(',').any(is_html))
    }))
}

fn is_html(range: &str) -> bool {
    range.split(';').next().is_some_and(|range| range.trim().eq_ignore_ascii_case("text/html"))
}

async fn respond_index(request: HttpRequest, index: Arc<Index>) -> HttpResponse {
    if is_known(&request, &index.etag) {
        return respond(StatusCode::NOT_MODIFIED, NO_CACHE)
            .insert_header((header::ETAG, index.etag.as_str()))
            .finish();
    }
    respond(StatusCode::OK, NO_CACHE)
        .insert_header((header::ETAG, index.etag.as_str()))
        .content_type("text/html; charset=utf-8")
        .body(index.html.clone())
}

async fn respond_file(request: HttpRequest, file: &'static File) -> HttpResponse {
    let brotli = file.brotli.filter(|_| accepts_brotli(&request));
    let etag = format!("\"{}{}\"", file.hash, if brotli.is_some() { "-br" } else { "" });
    let cache = if files::is_immutable(file.path) { IMMUTABLE } else { NO_CACHE };
    let is_not_modified = is_known(&request, &etag);
    let mut response =
        respond(if is_not_modified { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, cache);
    response.insert_header((header::ETAG, etag));
    if file.brotli.is_some() {
        response.insert_header((VARY, ACCEPT_ENCODING.as_str()));
    }
    if is_not_modified {
        return response.finish();
    }
    response.content_type(file.content_type);
    match brotli {
        Some(content) => response.insert_header((header::CONTENT_ENCODING, "br")).body(content),
        None => response.body(file.identity),
    }
}

fn respond(status: StatusCode, cache: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    for header in HEADERS {
        response.insert_header(header);
    }
    response.insert_header((header::CACHE_CONTROL, cache));
    response
}

/// Whether the client has this content already (RFC 9110 §13.1.2; the comparison is weak).
fn is_known(request: &HttpRequest, etag: &str) -> bool {
    let sent = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let mut tags = sent.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn accepts_brotli(request: &HttpRequest) -> bool {
    let Ok(accepted) = AcceptEncoding::parse(request) else { return false };
    accepted.negotiate([Encoding::brotli(), Encoding::identity()].iter()) == Some(Encoding::brotli())
}
