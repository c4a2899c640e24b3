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
    /// The consumer group or its stream does not exist, or was deleted while a reader waited for it: the server was wiped.
    pub(super) fn is_no_group(&self) -> bool {
        matches!(self, Self::Unavailable(error) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")))
    }

    /// The key does not exist.
    pub(super) fn is_no_key(&self) -> bool {
        matches!(self, Self::Unavailable(error) if error.to_string().contains("no such key"))
    }
}
