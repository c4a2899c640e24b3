//! The API's settings. `config.default.toml` documents them.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};
use std::{fmt::Display, net::SocketAddr, str::FromStr};
use trigrun_console::BasePath;
use trigrun_core::{
    config::{self, ConfigError},
    crypto::seal::KeySettings,
    domain::address::RefusedDestination,
    store::PostgresSettings,
    stream::RedisSettings,
    telemetry::TelemetrySettings,
};

use crate::{quotas::PlanSettings, rate_limits::LimitSettings};

pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub console: ConsoleSettings,
    pub postgres: PostgresSettings,
    pub redis: RedisSettings,
    pub limits: LimitSettings,
    pub plans: PlanSettings,
    pub keys: KeySettings,
    pub egress: EgressSettings,
    pub telemetry: TelemetrySettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    pub address: SocketAddr,
    pub sign_up: SignUp,
    pub origins: Vec<Origin>,
    pub insecure_cookies: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleSettings {
    pub enabled: bool,
    #[serde(deserialize_with = "parsed")]
    pub base_path: BasePath,
}

fn parsed<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(Error::custom)
}

/// Who can sign up.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    Open,
    Invite,
    Closed,
}

impl SignUp {
    pub const ALL: [Self; 3] = [Self::Open, Self::Invite, Self::Closed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }
}

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

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressSettings {
    pub allow: Vec<IpNet>,
    pub allow_ports: Vec<u16>,
    pub refuse: Vec<RefusedDestination>,
}

impl Settings {
    pub fn load() -> Result<Self, ConfigError> {
        config::load(DEFAULTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_and_the_struct_agree() {
        assert!(config::load_from::<Settings>(DEFAULTS, []).is_ok());
    }
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
