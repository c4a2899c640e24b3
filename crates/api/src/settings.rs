//! The API's settings. `config.default.toml` documents them.

use ipnet::IpNet;
use serde::Deserialize;
use std::net::SocketAddr;
use trigrun_core::{
    config::{self, ConfigError},
    crypto::seal::KeySettings,
    store::PostgresSettings,
    stream::RedisSettings,
    telemetry::TelemetrySettings,
};

use crate::{middleware::cors::Origin, quotas::PlanSettings, rate_limits::LimitSettings};

pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
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
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    Open,
    Invite,
    Closed,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressSettings {
    pub allow: Vec<IpNet>,
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
}
