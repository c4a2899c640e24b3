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

use crate::{account_mail::MailSettings, origin::Origin, quotas::PlanSettings, rate_limits::LimitSettings};

pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub operator: OperatorSettings,
    pub console: ConsoleSettings,
    pub postgres: PostgresSettings,
    pub redis: RedisSettings,
    pub limits: LimitSettings,
    pub plans: PlanSettings,
    pub keys: KeySettings,
    pub smtp: MailSettings,
    pub egress: EgressSettings,
    pub telemetry: TelemetrySettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    pub address: SocketAddr,
    pub sign_up: SignUp,
    /// Where people reach the server.
    #[serde(deserialize_with = "given")]
    pub public_url: Option<Origin>,
    pub origins: Vec<Origin>,
    pub insecure_cookies: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSettings {
    #[serde(deserialize_with = "given")]
    pub address: Option<SocketAddr>,
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

/// An empty text is none.
fn given<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(Error::custom) }
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
        let settings = config::load_from::<Settings>(DEFAULTS, []).expect("the defaults are valid");
        // Probes and metrics need no token: another machine reaches them only if the operator says so.
        assert!(settings.telemetry.probes_address.ip().is_loopback());
    }
}
