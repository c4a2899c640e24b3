//! Errors of requests to Redis.

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("Redis is not available: {0}")]
    Unavailable(#[from] redis::RedisError),
    /// Found when a client is made, before any request.
    #[error("{0}")]
    Settings(String),
    #[error("Redis did not respond within {0:?}")]
    Timeout(std::time::Duration),
}

impl StreamError {
    /// What to do about an error that repeating does not mend.
    pub fn advice(&self) -> Option<&'static str> {
        let Self::Unavailable(error) = self else { return None };
        match error.code()? {
            "CROSSSLOT" | "MOVED" | "ASK" | "CLUSTERDOWN" => Some(
                "Redis runs in cluster mode, which TrigRun does not support: disable it, or use another server",
            ),
            "NOPERM" => {
                Some("give the user ~NAMESPACE:* +@stream +@scripting +@sortedset +get +set +del +time +info")
            }
            "READONLY" => Some("this is a replica: give the address of the primary"),
            "OOM" => Some("increase maxmemory"),
            "NOAUTH" | "WRONGPASS" => Some("the URL has no password, or a wrong one"),
            "MISCONF" => Some("Redis cannot write its snapshot: see its log"),
            "UNKNOWN" => Some("the server is too old: streams need Redis 5 or later"),
            _ => None,
        }
    }

    /// The consumer group or its stream does not exist, or was deleted while a reader waited for it: the server was wiped.
    pub(super) fn is_no_group(&self) -> bool {
        matches!(self, Self::Unavailable(error) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")))
    }

    /// The key does not exist.
    pub(super) fn is_no_key(&self) -> bool {
        matches!(self, Self::Unavailable(error) if error.to_string().contains("no such key"))
    }
}
