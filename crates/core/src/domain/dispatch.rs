//! The dispatch message: all that a stream entry says. Never a payload, never a secret; whoever receives it asks Postgres.

use chrono::{DateTime, Utc};

use super::id::{ExecutionId, WorkspaceId};

/// "Execution `execution` is due at `due_at`: somebody lease it." On the wire is the id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    pub execution: ExecutionId,
    /// It decides on the stream.
    pub workspace: WorkspaceId,
    pub shard: i16,
    pub due_at: DateTime<Utc>,
    /// W3C trace context of whoever made the execution.
    pub traceparent: Option<String>,
}
