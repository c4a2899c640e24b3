//! The dispatch message, of which a stream entry has up to 16. It carries no payload and no secret; the executor that receives it reads the
//! execution from Postgres.

use chrono::{DateTime, Utc};

use super::id::{ExecutionId, WorkspaceId};

/// Announces that `execution` is due at `due_at` and can be leased. Only the id goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    pub execution: ExecutionId,
    /// Selects the stream.
    pub workspace: WorkspaceId,
    pub shard: i16,
    pub due_at: DateTime<Utc>,
    /// W3C trace context of the request or pass that created the execution.
    pub traceparent: Option<String>,
}
