//! What the Redis server says of itself: for whoever asks whether it will do.

use redis::InfoDict;
use std::time::Duration;

use super::{RedisSettings, StreamError, link::Link};

#[derive(Debug)]
pub struct Server {
    pub version: String,
    /// `maxmemory_policy`; some servers do not tell.
    pub eviction: Option<String>,
    /// `maxmemory`, 0 for no limit; some servers do not tell.
    pub max_memory_bytes: Option<u64>,
}

pub async fn look(settings: &RedisSettings) -> Result<Server, StreamError> {
    let mut link = Link::new(settings)?;
    let info: InfoDict = link.command(redis::cmd("INFO").arg("everything"), Duration::ZERO).await?;
    Ok(Server {
        version: info.get("redis_version").unwrap_or_else(|| "unknown".to_owned()),
        eviction: info.get("maxmemory_policy"),
        max_memory_bytes: info.get("maxmemory"),
    })
}
