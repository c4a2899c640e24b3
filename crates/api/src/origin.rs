//! The origin of a page (RFC 6454).

use serde::Deserialize;
use std::str::FromStr;

/// Scheme, host and port of a page, as browsers send it: `https://console.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

#[derive(Debug, thiserror::Error)]
#[error("an origin is a scheme and a host, like https://console.example.com")]
pub struct InvalidOrigin;

impl TryFrom<String> for Origin {
    type Error = InvalidOrigin;

    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        let (scheme, host) = text.split_once("://").unwrap_or_default();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c);
        let valid = matches!(scheme, "http" | "https") && !host.is_empty() && host.chars().all(plain);
        if valid { Ok(Self(text)) } else { Err(InvalidOrigin) }
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        Self::try_from(text.to_owned())
    }
}

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let origin = |text: &str| Origin::try_from(text.to_owned());
        for valid in ["https://console.example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert!(origin(valid).is_ok(), "{valid}");
        }
        for invalid in [
            "*",
            "null",
            "",
            "example.com",
            "https://",
            "ftp://a",
            "https://a/",
            "https://*.a",
            "https://u@a",
        ] {
            assert!(origin(invalid).is_err(), "{invalid}");
        }
    }
}
