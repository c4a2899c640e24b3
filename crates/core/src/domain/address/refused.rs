//! What the operator refuses although it is public (`egress.refuse`), such as the public URL of the installation itself.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::Deserialize;
use url::Host;

use super::embedded;

/// An entry of `egress.refuse`: an address, a range, or a host name, which also stands for the names below it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum RefusedDestination {
    Range(IpNet),
    /// In lower case, international labels in their `xn--` form, without a trailing dot.
    Name(String),
}

/// A text that is no entry of `egress.refuse`. Settings are not repeated in errors, so it is not either.
#[derive(Debug, thiserror::Error)]
#[error("must have addresses, ranges (203.0.113.0/24) or host names (api.example.com) only")]
pub struct InvalidDestination;

impl RefusedDestination {
    /// Whether it covers this address.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        matches!(self, Self::Range(range) if range.contains(&address))
    }

    /// Whether it covers this name, which is in the form that the `url` crate serialises.
    pub(super) fn covers(&self, name: &str) -> bool {
        let Self::Name(refused) = self else { return false };
        let above = name.strip_suffix('.').unwrap_or(name).strip_suffix(refused.as_str());
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }
}

impl FromStr for RefusedDestination {
    type Err = InvalidDestination;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        if let Ok(range) = range {
            return Ok(Self::Range(embedded::unmapped_net(range)));
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if is_name(&name) => Ok(Self::Name(name.trim_end_matches('.').to_owned())),
            _ => Err(InvalidDestination),
        }
    }
}

impl TryFrom<String> for RefusedDestination {
    type Error = InvalidDestination;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Without a wildcard, which a name needs not have, and other characters that no name of a target has.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    name.starts_with(|first: char| first != '.') && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_itself_and_the_names_below_it() {
        let refused: RefusedDestination = "API.Bücher.example.".parse().unwrap();
        for name in
            ["api.xn--bcher-kva.example", "api.xn--bcher-kva.example.", "v2.api.xn--bcher-kva.example"]
        {
            assert!(refused.covers(name), "{name}");
        }
        for name in ["xn--bcher-kva.example", "myapi.xn--bcher-kva.example", "api.xn--bcher-kva.example.com"]
        {
            assert!(!refused.covers(name), "{name}");
        }
    }

    #[test]
    fn an_entry_is_an_address_a_range_or_a_name() {
        for (text, range) in [
            ("203.0.113.7", "203.0.113.7/32"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ] {
            assert_eq!(
                text.parse::<RefusedDestination>().unwrap(),
                RefusedDestination::Range(range.parse().unwrap())
            );
        }
        for text in [
            "",
            ".",
            "https://api.example.com",
            "api.example.com/v1",
            "api.example.com:443",
            "*.example.com",
            "203.0.113.0/33",
            "8.8",
        ] {
            let parsed = text.parse::<RefusedDestination>();
            assert!(parsed.is_err(), "{text:?} was read as {parsed:?}");
        }
    }
}
