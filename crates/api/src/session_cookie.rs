//! Sessions of browsers. The secret is in a cookie that scripts cannot read, and counts only in requests of a page of this server that
//! knows its CSRF token.
//!
//! A browser sends the cookie along whatever makes it send a request: a page of this server, or another one. Only a page of this server can
//! read the CSRF token, and set a header without asking first (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};
use std::net::IpAddr;
use trigrun_core::{
    crypto::csrf,
    domain::{access::TokenSecret, session::SESSION_LIFETIME},
};

use crate::{problem::Problem, result::ApiResult};

const CSRF_HEADER: &str = "trigrun-csrf";
/// What a browser says of the page that makes a request (<https://w3c.github.io/webappsec-fetch-metadata/>).
const FETCH_SITE_HEADER: &str = "sec-fetch-site";

/// How this server sets the cookie, and the name by which it knows it.
#[derive(Clone, Copy, Debug)]
pub struct SessionCookie {
    /// Also over plain HTTP, where everyone on the way can read it.
    pub is_insecure: bool,
}

/// Whether the cookie must come with its CSRF token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Csrf {
    Required,
    /// For the operation that returns it.
    NotRequired,
}

/// A mark of requests that browsers make for pages of other servers, or for no page.
struct ForeignPage;

impl SessionCookie {
    /// A browser sets a cookie with the prefix `__Host-` only over HTTPS, and for this host alone (RFC 6265bis §4.1.3).
    const fn name(self) -> &'static str {
        if self.is_insecure { "trigrun" } else { "__Host-trigrun" }
    }

    /// The header that gives the cookie to a browser.
    pub fn set(self, secret: &TokenSecret) -> (HeaderName, String) {
        self.header(secret.reveal(), SESSION_LIFETIME.num_seconds())
    }

    /// The header that takes the cookie away.
    pub fn clear(self) -> (HeaderName, String) {
        self.header("", 0)
    }

    fn header(self, value: &str, max_age_seconds: i64) -> (HeaderName, String) {
        let (name, secure) = (self.name(), if self.is_insecure { "" } else { "; Secure" });
        let attributes = format!("Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict{secure}");
        (header::SET_COOKIE, format!("{name}={value}; {attributes}"))
    }

    /// The secret in the cookie of a request; `None` without the cookie. A request with two of them says nothing.
    pub fn read(self, request: &HttpRequest, csrf: Csrf) -> Option<ApiResult<TokenSecret>> {
        let mut values = values(request.headers(), self.name());
        let value = values.next()?;
        let is_only = values.next().is_none();
        Some(
            check(request, value, csrf)
                .and_then(|secret| if is_only { Ok(secret) } else { Err(ambiguous()) }),
        )
    }

    /// Marks a request of a page that is not from this server. Its headers must be as the browser sent them.
    pub fn mark_foreign(self, request: &impl HttpMessage) {
        if !self.is_own_page(request.headers()) {
            request.extensions_mut().insert(ForeignPage);
        }
    }

    /// Browsers that do not send these headers are held off by the CSRF token alone.
    fn is_own_page(self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).map_or(&[][..], HeaderValue::as_bytes);
        headers.get_all(FETCH_SITE_HEADER).all(|site| site == "same-origin")
            && headers.get_all(header::ORIGIN).all(|origin| self.is_own(origin.as_bytes(), host))
    }

    /// A page that came over plain HTTP may be from an attacker on the way, except on this machine.
    fn is_own(self, origin: &[u8], host: &[u8]) -> bool {
        match (origin.strip_prefix(b"https://"), origin.strip_prefix(b"http://")) {
            (Some(authority), _) => authority == host,
            (_, Some(authority)) => authority == host && (self.is_insecure || is_loopback(host)),
            _ => false,
        }
    }
}

fn is_loopback(host: &[u8]) -> bool {
    let host = std::str::from_utf8(host).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The values of the cookies with this name (RFC 6265 §4.2.1).
fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers.get_all(header::COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

fn check(request: &HttpRequest, value: &[u8], csrf: Csrf) -> ApiResult<TokenSecret> {
    check_page(request)?;
    let secret: Option<TokenSecret> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let secret = secret.ok_or_else(|| Problem::unauthorized("The cookie is not that of a session."))?;
    let mut given = request.headers().get_all(CSRF_HEADER);
    let is_known = match (given.next(), given.next()) {
        (Some(given), None) => csrf::is_of(&secret, given.as_bytes()),
        _ => false,
    };
    if csrf == Csrf::NotRequired || is_known {
        return Ok(secret);
    }
    let detail = "The cookie counts only with the header TrigRun-CSRF, which GET /v1/auth/session returns.";
    Err(Problem::unauthorized(detail))
}

fn ambiguous() -> Problem {
    Problem::unauthorized("The request has the cookie of a session more than once.")
}

/// 401 for a page of another server. A browser then hides the response from it.
pub fn check_page(request: &HttpRequest) -> ApiResult<()> {
    if request.extensions().get::<ForeignPage>().is_none() {
        return Ok(());
    }
    let detail =
        "Only pages of this server can use a cookie. Behind a proxy, it must pass on the header Host.";
    Err(Problem::unauthorized(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: SessionCookie = SessionCookie { is_insecure: false };

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_cookie_is_for_this_host_over_https_and_hidden_from_scripts() {
        let (_, cleared) = COOKIE.clear();
        let attributes = "Path=/; Max-Age=0; HttpOnly; SameSite=Strict";
        assert_eq!(cleared, format!("__Host-trigrun=; {attributes}; Secure"));
        let insecure = SessionCookie { is_insecure: true };
        assert_eq!(insecure.clear().1, format!("trigrun=; {attributes}"));
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let found = |line: &str| {
            let headers = headers(&[("cookie", line)]);
            values(&headers, "trigrun").map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(found("a=b; trigrun=x;trigrun=y"), [b"x", b"y"]);
        for other in
            ["", "trigrun", "xtrigrun=x", "trigrun2=x", "Trigrun=x", "a=trigrun=x", "__Host-trigrun=x"]
        {
            assert!(found(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn pages_of_other_servers_are_foreign() {
        let is_own = |cookie: SessionCookie, host, sent: &[(&str, &str)]| {
            cookie.is_own_page(&headers(&[&[("host", host)], sent].concat()))
        };
        let (own, insecure) = ("trigrun.example", SessionCookie { is_insecure: true });
        for sent in [
            &[][..],
            &[("origin", "https://trigrun.example")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://trigrun.example")],
        ] {
            assert!(is_own(COOKIE, own, sent), "{sent:?}");
        }
        for sent in [
            ("origin", "https://trigrun.example:8443"),
            ("origin", "https://evil.trigrun.example"),
            ("origin", "https://trigrun.example.evil.example"),
            ("origin", "http://trigrun.example"),
            ("origin", "trigrun.example"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", ""),
        ] {
            assert!(!is_own(COOKIE, own, &[sent]), "{sent:?}");
            let with_own = [("origin", "https://trigrun.example"), ("sec-fetch-site", "same-origin"), sent];
            assert!(!is_own(COOKIE, own, &with_own), "{sent:?} too");
        }
        let http = [("origin", "http://trigrun.example")];
        assert!(is_own(insecure, own, &http));
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"] {
            assert!(is_own(COOKIE, host, &[("origin", &format!("http://{host}"))]), "{host}");
        }
        assert!(!is_own(COOKIE, "localhost.example", &[("origin", "http://localhost.example")]));
    }
}
