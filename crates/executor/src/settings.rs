//! The executor's settings. `config.default.toml` documents them.

use ipnet::IpNet;
use serde::Deserialize;
use std::num::NonZeroUsize;
use trigrun_core::{
    config::{self, ConfigError},
    crypto::seal::KeySettings,
    domain::address::RefusedDestination,
    store::PostgresSettings,
    stream::RedisSettings,
    telemetry::TelemetrySettings,
};

use crate::notify::email::SmtpSettings;

pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub postgres: PostgresSettings,
    pub redis: RedisSettings,
    pub executor: ExecutorSettings,
    pub keys: KeySettings,
    pub egress: EgressSettings,
    pub smtp: SmtpSettings,
    pub telemetry: TelemetrySettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorSettings {
    pub max_in_flight: usize,
    pub max_buffered_bytes: usize,
    pub account_percent: usize,
    pub drain_seconds: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressSettings {
    pub allow: Vec<IpNet>,
    pub allow_ports: Vec<u16>,
    pub refuse: Vec<RefusedDestination>,
    pub max_requests_per_destination: NonZeroUsize,
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
