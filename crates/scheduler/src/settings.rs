//! The scheduler's settings. `config.default.toml` documents them.

use serde::Deserialize;
use trigrun_core::{
    config::{self, ConfigError},
    store::PostgresSettings,
    stream::RedisSettings,
    telemetry::TelemetrySettings,
};

pub const DEFAULTS: &str = include_str!("../config.default.toml");

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub postgres: PostgresSettings,
    pub redis: RedisSettings,
    pub scheduler: SchedulerSettings,
    pub telemetry: TelemetrySettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulerSettings {
    pub horizon_ms: u64,
    pub lead_ms: u64,
    pub poll_ms: u64,
    pub retention_days: u16,
    pub audit_retention_days: u16,
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
