//! What can go wrong between the store and Postgres, mapped in this one place, by SQLSTATE.
//!
//! Never by text: the server translates its messages into the language of its `lc_messages`. Appendix A of PostgreSQL's documentation
//! lists the codes.

use diesel::result::Error as Diesel;
use std::{error::Error, fmt, io, sync::Arc};
use tokio_postgres::error::SqlState;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row in this workspace.
    #[error("not found")]
    NotFound,
    /// The current state forbids it. Names the constraint or the expectation that does not hold.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Postgres is unreachable, starting, stopping, read-only or full: try again.
    #[error("Postgres is not available: {0}")]
    Unavailable(String),
    /// The statement was cancelled: it ran for longer than `statement_timeout_ms`, or an administrator cancelled it.
    #[error("Postgres took too long: {0}")]
    TimedOut(String),
    /// The key of a workspace cannot be opened with the master keys of this process. The operator can change that.
    #[error("{0}")]
    KeyUnreadable(String),
    /// A bug, or a database that this version of TrigRun does not understand.
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

    /// May the same call succeed later?
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut(_) | Self::KeyUnreadable(_))
    }

    /// A stored value that the domain does not know: a newer version of TrigRun wrote it, or the database was edited by hand.
    pub fn unreadable(column: &str, why: impl fmt::Display) -> Self {
        Self::Internal(format!("stored {column} cannot be read: {why}"))
    }
}

impl From<Diesel> for StoreError {
    fn from(error: Diesel) -> Self {
        match postgres_error(&error) {
            Some(postgres) => postgres.into(),
            None if error == Diesel::NotFound => Self::NotFound,
            None if matches!(error, Diesel::BrokenTransactionManager) => {
                Self::Unavailable("the connection broke inside a transaction".into())
            }
            None => Self::Internal(error.to_string()),
        }
    }
}

impl From<&PostgresError> for StoreError {
    fn from(error: &PostgresError) -> Self {
        match error.code() {
            Some(&SqlState::UNIQUE_VIOLATION) => {
                Self::Conflict(error.constraint().unwrap_or("unique").to_owned())
            }
            Some(&SqlState::FOREIGN_KEY_VIOLATION) => Self::NotFound,
            // A row that was on its way to the default partition while its day got a partition: the violated constraint has no name.
            Some(&SqlState::CHECK_VIOLATION) if error.constraint().is_none() => {
                Self::Unavailable(error.to_string())
            }
            Some(&SqlState::QUERY_CANCELED) => Self::TimedOut(error.to_string()),
            Some(code) if is_temporary(code) => Self::Unavailable(error.to_string()),
            None if error.is_connection_lost() => Self::Unavailable(error.to_string()),
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// The same statement may succeed later, without a change of the statement.
fn is_temporary(code: &SqlState) -> bool {
    const CODES: [&SqlState; 5] = [
        // A standby, or a server that was set to read-only.
        &SqlState::READ_ONLY_SQL_TRANSACTION,
        &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        // lock_timeout.
        &SqlState::LOCK_NOT_AVAILABLE,
    ];
    // Connection exception; insufficient resources (disk full, too many connections); operator intervention (shutdown, crash, recovery);
    // system error (the server's disk fails).
    const CLASSES: [&str; 4] = ["08", "53", "57", "58"];
    CODES.contains(&code) || CLASSES.iter().any(|class| code.code().starts_with(class))
}

/// Has a statement failed because another session held a lock for longer than `lock_timeout`?
pub(super) fn is_lock_timeout(error: &Diesel) -> bool {
    postgres_error(error).and_then(PostgresError::code) == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// An error of Postgres or of the connection to it, on its way through diesel.
#[derive(Clone, Debug, Default)]
pub(super) struct PostgresError(
    /// `None`: the connection was closed, and the server did not say why.
    Option<Arc<tokio_postgres::Error>>,
);

impl PostgresError {
    fn database(&self) -> Option<&tokio_postgres::error::DbError> {
        self.0.as_ref()?.as_db_error()
    }

    fn code(&self) -> Option<&SqlState> {
        self.database().map(tokio_postgres::error::DbError::code)
    }

    fn constraint(&self) -> Option<&str> {
        self.database()?.constraint()
    }

    /// Not so when the two do not understand each other: tokio-postgres reports that as invalid input or data.
    fn is_connection_lost(&self) -> bool {
        let Some(error) = &self.0 else { return true };
        let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        error.is_closed()
            || io.is_some_and(|io| {
                !matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
            })
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(Some(Arc::new(error)))
    }
}

/// With the SQLSTATE, which can be looked up in any language; and with the causes, which tokio-postgres leaves out.
impl fmt::Display for PostgresError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = self.database() {
            return write!(out, "{} (SQLSTATE {})", error.message(), error.code().code());
        }
        let Some(error) = &self.0 else { return out.write_str("connection closed") };
        write!(out, "{error}")?;
        let mut source = error.source();
        while let Some(cause) = source {
            write!(out, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl Error for PostgresError {}

/// diesel's own variant for errors of a database has no room for a SQLSTATE. This one carries any error, and can give it back.
impl From<PostgresError> for Diesel {
    fn from(error: PostgresError) -> Self {
        Self::QueryBuilderError(Box::new(error))
    }
}

fn postgres_error(error: &Diesel) -> Option<&PostgresError> {
    match error {
        Diesel::QueryBuilderError(error) => error.downcast_ref(),
        _ => None,
    }
}
