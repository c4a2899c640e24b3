//! What can go wrong between us and Postgres, mapped once.

use diesel::result::{DatabaseErrorKind, Error as Diesel};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row in this workspace.
    #[error("not found")]
    NotFound,
    /// The state of things forbids it; names the constraint or the expectation that did not hold.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Postgres is away, starting, stopping, or too slow: worth trying again.
    #[error("Postgres is not available: {0}")]
    Unavailable(String),
    /// A defect of ours.
    #[error("store: {0}")]
    Internal(String),
}

impl StoreError {
    pub fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict(what.into())
    }

    pub fn is_conflict(&self, what: &str) -> bool {
        matches!(self, Self::Conflict(constraint) if constraint == what)
    }

    /// Somebody else held a lock for longer than `lock_timeout`.
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(message) if message.contains("lock timeout"))
    }

    /// A stored value that the domain does not know: a newer version wrote it, or somebody edited the database.
    pub fn unreadable(column: &str, why: impl std::fmt::Display) -> Self {
        Self::Internal(format!("stored {column} cannot be read: {why}"))
    }
}

impl From<Diesel> for StoreError {
    fn from(error: Diesel) -> Self {
        match error {
            Diesel::NotFound => Self::NotFound,
            Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                Self::Conflict(info.constraint_name().unwrap_or("unique").to_owned())
            }
            Diesel::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::NotFound,
            Diesel::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                Self::Unavailable(info.message().to_owned())
            }
            Diesel::DatabaseError(DatabaseErrorKind::UnableToSendCommand, info) => {
                Self::Unavailable(info.message().to_owned())
            }
            Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, info) => {
                Self::Unavailable(info.message().to_owned())
            }
            Diesel::DatabaseError(_, info) if is_passing(info.message()) => {
                Self::Unavailable(info.message().to_owned())
            }
            Diesel::BrokenTransactionManager => {
                Self::Unavailable("the connection broke inside a transaction".into())
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

/// Conditions that diesel has no kind for, by Postgres's own words: timeouts, shutdown, recovery, deadlock, read-only standby, and
/// a row on its way to the default partition while its day gets one of its own.
fn is_passing(message: &str) -> bool {
    const PASSING: [&str; 14] = [
        "terminating connection",
        "canceling statement",
        "the database system is",
        "deadlock detected",
        "lock timeout",
        "connection closed",
        "connection error",
        "error communicating with the server",
        "too many clients",
        "remaining connection slots",
        "read-only transaction",
        "violates partition constraint",
        "No space left on device",
        "closed",
    ];
    PASSING.iter().any(|known| message.contains(known))
}
