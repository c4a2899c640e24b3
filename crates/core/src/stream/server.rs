//! What the Redis server says of itself: for whoever asks whether it will do.

use redis::InfoDict;
use std::time::Duration;

use super::{RedisSettings, StreamError, link::Link};

/// Some servers do not tell all of it.
#[derive(Debug)]
pub struct Server {
    pub version: String,
    pub is_replica: bool,
    /// It has a limit of memory, and forgets when it comes there.
    pub forgets: bool,
    /// It has a limit of memory, and has come there.
    pub is_full: bool,
}

/// `None` when the server is there and may not be asked.
pub async fn look(settings: &RedisSettings) -> Result<Option<Server>, StreamError> {
    let mut link = Link::new(settings)?;
    let told: Result<InfoDict, StreamError> =
        link.command(redis::cmd("INFO").arg("everything"), Duration::ZERO).await;
    let info = match told {
        Err(StreamError::Unavailable(error)) if error.code() == Some("NOPERM") => return Ok(None),
        told => told?,
    };
    let text = |name| info.get::<String>(name).unwrap_or_default();
    let limit: u64 = info.get("maxmemory").unwrap_or_default();
    let used: u64 = info.get("used_memory").unwrap_or_default();
    Ok(Some(Server {
        version: text("redis_version"),
        is_replica: matches!(text("role").as_str(), "slave" | "replica"),
        forgets: limit > 0 && !matches!(text("maxmemory_policy").as_str(), "noeviction" | ""),
        is_full: limit > 0 && used >= limit,
    }))
}
