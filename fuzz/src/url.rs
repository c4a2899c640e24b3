//! URLs of jobs: an accepted URL is an http or https URL that reads back the same, that the HTTP client can send, and whose host
//! no parser takes for another one. By default, its host is not local to a machine or a network.
//!
//! Fields: the URL, and the allowed ranges of a policy.

use crate::{assert_refusal, first_fields};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};
use trigrun_core::domain::{
    address::EgressPolicy,
    channel::{ChannelType, Destination, Wanted},
    invalid::{FieldErrors, Invalid},
    target::{MAX_URL_CHARS, TargetUrl},
};

const CODES: &[&str] = &[
    "url_empty",
    "url_too_long",
    "url_character",
    "url_scheme",
    "url_slashes",
    "url_host",
    "url_userinfo",
    "url_port",
    "url_fragment",
    "secret_not_here",
];
/// The error codes that depend on the policy.
const POLICY_CODES: &[&str] = &["url_address_refused", "url_name_refused", "url_port_refused"];

/// Domains that no public name may be under (RFC 6761, 6762, 7686, 8375).
const PRIVATE: &[&str] = &["localhost", "local", "internal", "home.arpa", "onion"];

pub fn run(input: &[u8]) {
    let [text, ranges] = first_fields(input);
    let policies = [
        EgressPolicy::default(),
        EgressPolicy::new(ranges.split(' ').filter_map(|range| range.parse().ok()).collect()),
        EgressPolicy::new(["0.0.0.0/0", "::/0"].map(|all| all.parse::<IpNet>().unwrap_or_default()).to_vec()),
    ];
    let read = policies.each_ref().map(|policy| TargetUrl::parse(&text, policy));
    for (policy, read) in policies.iter().zip(&read) {
        match read {
            Ok(url) => check(&text, url, policy),
            Err(invalid) => assert_refusal(invalid, &[CODES, POLICY_CODES].concat()),
        }
        check_channel(&text, read, policy);
    }

    let [default, some, all] = read;
    if let Ok(url) = &default {
        check_is_public(url);
    }
    for open in [some, all] {
        match (&default, open) {
            (Ok(url), open) => assert_eq!(open.as_ref(), Ok(url), "an allowed range refuses a URL"),
            (Err(invalid), Ok(_)) => assert!(POLICY_CODES.contains(&invalid.code), "{invalid:?}"),
            (Err(one), Err(other)) => {
                assert!(*one == other || POLICY_CODES.contains(&one.code), "{one:?} {other:?}")
            }
        }
    }
}

fn check(text: &str, url: &TargetUrl, policy: &EgressPolicy) {
    let kept = url.as_str();
    assert!(kept.len() <= MAX_URL_CHARS && text.chars().count() <= MAX_URL_CHARS);
    assert_eq!(TargetUrl::parse(kept, policy).as_ref(), Ok(url), "{text:?} does not read back the same");
    assert!(kept.bytes().all(|byte| byte.is_ascii_graphic()), "{kept:?}");
    assert!(!kept.contains(['#', '\\']) && !url.authority().contains('@'), "{kept:?}");
    assert!(["http", "https"].contains(&url.scheme()) && url.path_and_query().starts_with('/'));
    assert_eq!(kept, format!("{}://{}{}", url.scheme(), url.authority(), url.path_and_query()));

    let default_port = if url.scheme() == "http" { 80 } else { 443 };
    let port = if url.port() == default_port { String::new() } else { format!(":{}", url.port()) };
    assert_eq!(url.authority(), format!("{}{port}", url.host()));
    assert!(url.port() > 0 && !url.host().is_empty());
    check_host(url);
    if let Err(refused) = url.address().map_or(Ok(()), |address| policy.check(address)) {
        panic!("{text:?} was accepted: {refused}");
    }

    // As HTTP/1.1 and HTTP/2 send it.
    let path = http::Uri::try_from(url.path_and_query()).unwrap_or_else(|error| panic!("{kept:?}: {error}"));
    assert_eq!(path.path_and_query().map(|path| path.as_str()), Some(url.path_and_query()));
    let whole = http::Uri::try_from(kept).unwrap_or_else(|error| panic!("{kept:?}: {error}"));
    assert_eq!(whole.authority().map(|authority| authority.as_str()), Some(url.authority()));
    assert_eq!(whole.port_u16().unwrap_or(default_port), url.port());
    if url.host().is_ascii() && url.address().is_none() {
        check_is_as_written(text, url);
    }
}

/// A host name is not an address to any parser: neither to this crate nor to the C library.
fn check_host(url: &TargetUrl) {
    let host = url.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    assert_eq!(bare.parse::<IpAddr>().ok(), url.address(), "{host:?}");
    if url.address().is_none() {
        assert_eq!(inet_aton(host), None, "{host:?} is an address to getaddrinfo");
        assert!(host.len() <= 253 && !host.ends_with('.'));
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        };
        assert!(host.split('.').all(is_label), "{host:?}");
    }
}

/// One to four numbers, each decimal, octal or hexadecimal, as inet_aton(3) takes them.
fn inet_aton(host: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match part.strip_prefix("0x") {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None if part.starts_with('0') && part.len() > 1 => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts = host.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, bytes) = parts.split_last()?;
    let is_small = bytes.len() < 4 && bytes.iter().all(|byte| *byte < 256);
    let fits = u64::from(*last) < 1 << (32 - 8 * bytes.len().min(3));
    let head = bytes.iter().enumerate().map(|(at, byte)| byte << (24 - 8 * at)).sum::<u32>();
    (is_small && fits).then(|| Ipv4Addr::from_bits(head | last))
}

/// In a name that is written in ASCII, only the case of the letters changes.
fn check_is_as_written(text: &str, url: &TargetUrl) {
    let written = text.split("//").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if written.is_ascii() {
        let name = written.split(':').next().unwrap_or_default();
        assert_eq!(url.host(), name.to_ascii_lowercase());
    }
}

fn check_is_public(url: &TargetUrl) {
    let host = url.host();
    match url.address() {
        Some(IpAddr::V4(address)) => assert!(
            !address.is_loopback()
                && !address.is_private()
                && !address.is_link_local()
                && !address.is_unspecified()
                && !address.is_broadcast()
                && !address.is_documentation()
                && !address.is_multicast(),
            "{address}"
        ),
        Some(IpAddr::V6(address)) => assert!(
            !address.is_loopback()
                && !address.is_unspecified()
                && !address.is_unique_local()
                && !address.is_unicast_link_local()
                && !address.is_multicast()
                && address.to_ipv4_mapped().is_none_or(|v4| !v4.is_loopback() && !v4.is_private()),
            "{address}"
        ),
        None => {
            assert!(host.contains('.'), "a single label: {host:?}");
            let is_under = |domain: &&str| host == *domain || host.ends_with(&format!(".{domain}"));
            assert_eq!(PRIVATE.iter().find(|domain| is_under(domain)), None, "{host:?}");
        }
    }
}

/// Channels accept exactly the same URLs, and show the origin, never the rest.
fn check_channel(text: &str, read: &Result<TargetUrl, Invalid>, policy: &EgressPolicy) {
    for kind in [ChannelType::Webhook, ChannelType::Slack, ChannelType::Discord] {
        let wanted = Wanted { url: Some(text.to_owned()), to: None };
        let mut errors = FieldErrors::default();
        let destination = Destination::check(kind, wanted, policy, "/config", &mut errors);
        let shown = destination.ok().map(|destination| destination.masked());
        let expected =
            read.as_ref().ok().map(|url| vec![format!("{}://{}/…", url.scheme(), url.authority())]);
        assert_eq!(shown, expected);
        assert_eq!(errors.into_vec().pop().map(|error| error.invalid), read.as_ref().err().cloned());
    }
}
