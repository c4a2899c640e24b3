//! Information about the Redis server, to check whether it is suitable.

use redis::InfoDict;
use std::time::Duration;

use super::{RedisSettings, StreamError, link::Link};

/// Fields that a server does not report have default values.
#[derive(Debug)]
pub struct Server {
    pub version: String,
    pub is_replica: bool,
    pub is_cluster: bool,
    /// It has a memory limit, and evicts keys when it reaches the limit.
    pub evicts: bool,
    /// It has a memory limit and has reached it.
    pub is_full: bool,
}

/// `None` if the server responds but does not permit `INFO`.
pub async fn info(settings: &RedisSettings) -> Result<Option<Server>, StreamError> {
    let mut link = Link::new(settings)?;
    let reply: Result<InfoDict, StreamError> =
        link.command(redis::cmd("INFO").arg("everything"), Duration::ZERO).await;
    let info = match reply {
        Err(StreamError::Unavailable(error)) if error.code() == Some("NOPERM") => return Ok(None),
        reply => reply?,
    };
    let text = |name| info.get::<String>(name).unwrap_or_default();
    let limit: u64 = info.get("maxmemory").unwrap_or_default();
    let used: u64 = info.get("used_memory").unwrap_or_default();
    Ok(Some(Server {
        version: text("redis_version"),
        is_cluster: text("cluster_enabled") == "1",
        is_replica: matches!(text("role").as_str(), "slave" | "replica"),
        evicts: limit > 0 && !matches!(text("maxmemory_policy").as_str(), "noeviction" | ""),
        is_full: limit > 0 && used >= limit,
    }))
}
