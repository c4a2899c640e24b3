//! Which installations use a namespace. Each should be alone in it: their keys differ (`RedisSettings::of_installation`), but two that use
//! the same namespace have most likely been configured by mistake, and may share more than that.

use std::time::Duration;
use uuid::Uuid;

use super::{RedisSettings, StreamError, link::Link};

/// An installation that has not announced itself for so long is gone.
const GONE_AFTER_SECONDS: u64 = 300;
const MAX_INSTALLATIONS: u64 = 100;

/// `KEYS[1]` has the installations by the time of their last announcement. Adds `ARGV[1]` unless it is empty, forgets those that are gone
/// and all but the newest `ARGV[3]`, and returns the others.
const SCRIPT: &str = r"
    local now = redis.call('TIME')[1]
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
    if ARGV[1] ~= '' then
        redis.call('ZADD', KEYS[1], now, ARGV[1])
        redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3] - 1)
    end
    return redis.call('ZRANGE', KEYS[1], 0, -1)";

/// The installations in a namespace.
pub struct Installations {
    link: Link,
    key: String,
    own: Uuid,
}

impl Installations {
    /// `settings` are those of the file, whose namespace installations may share.
    pub fn new(settings: &RedisSettings, own: Uuid) -> Result<Self, StreamError> {
        Ok(Self { link: Link::new(settings)?, key: format!("{}:installations", settings.namespace), own })
    }

    /// Says that this installation uses the namespace; returns the others that do.
    pub async fn announce(&mut self) -> Result<Vec<String>, StreamError> {
        self.exchange(&self.own.to_string()).await
    }

    /// The other installations that have used the namespace within five minutes.
    pub async fn others(&mut self) -> Result<Vec<String>, StreamError> {
        self.exchange("").await
    }

    async fn exchange(&mut self, announced: &str) -> Result<Vec<String>, StreamError> {
        let mut script = redis::cmd("EVAL");
        script.arg(SCRIPT).arg(1).arg(&self.key);
        script.arg(announced).arg(GONE_AFTER_SECONDS).arg(MAX_INSTALLATIONS);
        let mut all: Vec<String> = self.link.command(&script, Duration::ZERO).await?;
        let own = self.own.to_string();
        all.retain(|id| *id != own);
        Ok(all)
    }
}
