//! The URL that a job calls: parsed by the WHATWG rules, but URLs that those rules would silently repair are
//! refused.
//!
//! Only the form that the `url` crate serialises is stored and used, so that the URL that was checked is the URL
//! that is called. A host that is an address is checked here; the addresses of a name are checked when it is
//! dialled. This module resolves no names.
//!
//! Accepted, because they are other spellings of the same URL and not repairs: upper case in scheme and host, a
//! default port, dot segments in the path, international names (stored in their `xn--` form), other spellings of
//! an IPv6 address, characters that are percent-encoded.

mod name;
pub mod template;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use url::{Host, ParseError, Position, Url};

use super::address::EgressPolicy;
use super::{invalid::Invalid, secret};

/// The longest URL, both as written and as stored.
pub const MAX_URL_CHARS: usize = 2048;

/// An http or https URL whose host may be called, as far as that is known without resolving it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TargetUrl {
    /// Has a host, no user information and no fragment.
    url: Url,
    port: u16,
}

impl TargetUrl {
    /// Parses a URL and checks its host.
    ///
    /// Names that exist only inside a network (`localhost`, single labels, `*.internal`) are refused unless
    /// `egress.allow` opens any range: then the address of the name decides, which is checked when it is
    /// dialled.
    ///
    /// # Errors
    /// Codes: `url_empty`, `url_too_long`, `url_character`, `url_scheme`, `url_slashes`, `url_host`,
    /// `url_userinfo`, `url_port`, `url_fragment`, `url_address_refused`, `url_name_refused`, `url_port_refused`, `secret_not_here`.
    pub fn parse(text: &str, policy: &EgressPolicy) -> Result<Self, Invalid> {
        check_characters(text)?;
        secret::check_absent(text)?;
        let written = check_authority(authority_of(text)?)?;
        if text.contains('#') {
            return Err(Invalid::new("url_fragment", "The URL has a fragment, which is never sent.")
                .hint("Leave out # and what follows, or write %23 for a # in the path or query."));
        }
        let url = Url::parse(text).map_err(unreadable)?;
        let Some(port) = url.port_or_known_default().filter(|port| *port != 0) else {
            return Err(port_invalid());
        };
        match url.host() {
            Some(Host::Ipv4(address)) => {
                check_address(address.into(), policy)?;
                check_spelling_of_ipv4(written, address)?;
            }
            Some(Host::Ipv6(address)) => check_address(address.into(), policy)?,
            Some(Host::Domain(name)) => {
                name::check(name, policy)?;
                name::check_spelling(written, name)?;
            }
            None => return Err(host_missing()),
        }
        check_port(port, url.host(), policy)?;
        // Percent-encoding makes it longer.
        if url.as_str().len() > MAX_URL_CHARS {
            return Err(too_long());
        }
        Ok(Self { url, port })
    }

    /// The whole URL, always ASCII.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The host in lower case; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The host if it is an address, which needs no resolution.
    pub fn address(&self) -> Option<IpAddr> {
        match self.url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        }
    }

    /// The port; the default of the scheme if none was written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host, and the port unless it is the scheme's default: the value of the `Host` header (RFC 9110, 7.2).
    pub fn authority(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// The request target (RFC 9112, 3.2.1); it begins with `/`.
    pub fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TargetUrl({})", self.as_str())
    }
}

/// The host of a stored URL, in lower case, without its port; an IPv6 address is in brackets. Variables are in its path and query only.
pub fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    &authority[..end]
}

/// A host, with a port or without, as it is in the URLs that are stored.
///
/// # Errors
/// `host_invalid`
pub fn host(text: &str) -> Result<String, Invalid> {
    let invalid = || Invalid::new("host_invalid", "must be the name of a host, such as example.com");
    let url = Url::parse(&format!("https://{text}/")).map_err(|_| invalid())?;
    let host = &url[Position::BeforeHost..Position::AfterPort];
    // Nothing but a host: no path, no user name, nothing that was repaired.
    let is_whole =
        url.path() == "/" && url.username().is_empty() && url.query().is_none() && url.fragment().is_none();
    if !is_whole || text.contains(['/', '@', '\\']) || text.chars().any(char::is_whitespace) {
        return Err(invalid());
    }
    Ok(host.to_owned())
}

/// A host without a port, as it is in the URLs that are stored.
///
/// # Errors
/// `host_invalid`
pub fn host_name(text: &str) -> Result<String, Invalid> {
    let host = host(text)?;
    if host_of(&host).len() < host.len() {
        return Err(Invalid::new("host_invalid", "must be the name of a host without a port"));
    }
    Ok(host)
}

/// Refuses characters that WHATWG parsing would silently strip, replace or encode.
fn check_characters(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("url_empty", "The URL is empty."));
    }
    if text.chars().nth(MAX_URL_CHARS).is_some() {
        return Err(too_long());
    }
    if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        let detail = "The URL contains a space, a line break or a control character.";
        return Err(
            Invalid::new("url_character", detail).hint("Write %20 for a space inside the path or query.")
        );
    }
    if text.contains('\\') {
        return Err(Invalid::new("url_character", "The URL contains a backslash.")
            .hint("Write / between the parts of a URL, or %5C for a backslash in the path or query."));
    }
    Ok(())
}

/// The text between `http://` and the path, exactly as written.
fn authority_of(text: &str) -> Result<&str, Invalid> {
    let scheme_refused = || {
        Invalid::new("url_scheme", "Only http and https URLs can be called.")
            .hint("Begin with https:// or http://.")
    };
    let (scheme, rest) = text.split_once(':').ok_or_else(scheme_refused)?;
    if !["http", "https"].iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed)) {
        return Err(scheme_refused());
    }
    let Some(rest) = rest.strip_prefix("//") else {
        let detail = "The scheme of a URL must be followed by two slashes and the host.";
        return Err(Invalid::new("url_slashes", detail)
            .hint(format!("Begin with {}://.", scheme.to_ascii_lowercase())));
    };
    if rest.starts_with('/') {
        return Err(Invalid::new("url_slashes", "The URL has more than two slashes before the host."));
    }
    Ok(rest.split(['/', '?', '#']).next().unwrap_or_default())
}

/// Returns the host as it is written.
fn check_authority(authority: &str) -> Result<&str, Invalid> {
    if authority.contains('@') {
        let detail = "The URL contains a user name or password before an @.";
        return Err(Invalid::new("url_userinfo", detail)
            .hint("Send credentials in a header, for example Authorization: Basic secret://name."));
    }
    let (host, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        // The parser reports an IPv6 address without a closing bracket.
        None if authority.starts_with('[') => return Ok(authority),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if authority.contains("{{") {
        return Err(Invalid::new("url_host", "The host contains a variable.").hint(VARIABLES_HINT));
    }
    if host.is_empty() {
        return Err(host_missing());
    }
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(port_invalid());
    }
    // The parser would drop the dot after an IPv4 address; the other characters are mapped to dots (UTS 46).
    if host.ends_with(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']) {
        return Err(Invalid::new("url_host", "The host ends in a dot.").hint(name::EXAMPLE_HINT));
    }
    // Decoded, it could be any host.
    if host.contains('%') {
        return Err(
            Invalid::new("url_host", "The host contains a percent sign.").hint("Write the host plainly.")
        );
    }
    Ok(host)
}

/// Digits only, and not 0. The parser would drop an empty port, and a port has no sign.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn check_address(address: IpAddr, policy: &EgressPolicy) -> Result<(), Invalid> {
    policy.check(address).map_err(|refused| Invalid::new("url_address_refused", refused.to_string()))
}

/// WHATWG parsing also reads `8.8`, `134744072` and `0x8.8` as addresses, each as another one than most people expect.
fn check_spelling_of_ipv4(written: &str, address: Ipv4Addr) -> Result<(), Invalid> {
    if written == address.to_string() {
        return Ok(());
    }
    Err(Invalid::new("url_host", "The host is a number but is not written as an IPv4 address.")
        .hint("Write all four numbers of the address in decimal, as in 192.0.2.1."))
}

/// The addresses of a name are known when it is dialled. If the operator opened a range, they decide then.
fn check_port(port: u16, host: Option<Host<&str>>, policy: &EgressPolicy) -> Result<(), Invalid> {
    let is_opened = match host {
        Some(Host::Ipv4(address)) => policy.opens(address.into()),
        Some(Host::Ipv6(address)) => policy.opens(address.into()),
        Some(Host::Domain(_)) | None => policy.opens_anything(),
    };
    if is_opened || !policy.refuses_port(port) {
        return Ok(());
    }
    let detail =
        format!("Port {port} may not be called: it is used for mail, shells, databases or the like.");
    Err(Invalid::new("url_port_refused", detail)
        .hint("Use a port for HTTP. The operator of TrigRun can open this one with egress.allow_ports."))
}

fn unreadable(error: ParseError) -> Invalid {
    match error {
        ParseError::EmptyHost => host_missing(),
        ParseError::InvalidPort => port_invalid(),
        ParseError::InvalidIpv4Address => {
            Invalid::new("url_host", "The host ends in a number but is not an IPv4 address.")
                .hint("Write it as 192.0.2.1.")
        }
        ParseError::InvalidIpv6Address => Invalid::new("url_host", "The host is not a valid IPv6 address.")
            .hint("Write it as [2001:db8::1], without a zone."),
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => {
            Invalid::new("url_host", "The host is not a valid name.").hint(name::EXAMPLE_HINT)
        }
        other => Invalid::new("url_host", format!("The URL cannot be read: {other}.")),
    }
}

/// The host is always known, so that it can be checked.
const VARIABLES_HINT: &str = "Variables are allowed in the path and the query only.";

fn host_missing() -> Invalid {
    Invalid::new("url_host", "The URL has no host.").hint(name::EXAMPLE_HINT)
}

fn port_invalid() -> Invalid {
    Invalid::new("url_port", "The port is not a number from 1 to 65535.")
}

fn too_long() -> Invalid {
    Invalid::new("url_too_long", format!("A URL has at most {MAX_URL_CHARS} characters."))
}

#[cfg(test)]
mod tests;
