//! What can go wrong between us and Redis.

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("Redis is not available: {0}")]
    Unavailable(#[from] redis::RedisError),
    #[error("Redis did not answer within {0:?}")]
    Timeout(std::time::Duration),
}

impl StreamError {
    /// The consumer group, or its stream, is not there, or went while a reader waited for it: the server was wiped.
    pub(super) fn is_no_group(&self) -> bool {
        matches!(self, Self::Unavailable(error) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")))
    }

    /// The key is not there.
    pub(super) fn is_no_key(&self) -> bool {
        matches!(self, Self::Unavailable(error) if error.to_string().contains("no such key"))
    }
}
