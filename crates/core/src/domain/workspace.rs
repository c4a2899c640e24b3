//! The tenant, and how its executions are spread over the shards.

use chrono::{DateTime, Utc};

use super::{id::WorkspaceId, invalid::Invalid};

/// How many shards executions are spread over. Fixed, because the shard is stored with every execution.
pub const SHARDS: i16 = 16;

/// The shard of a workspace. All its executions share one, so a workspace with a hundred thousand runs delays only that shard.
pub fn shard(workspace: WorkspaceId) -> i16 {
    let digest = ring::digest::digest(&ring::digest::SHA256, workspace.uuid().as_bytes());
    i16::from(digest.as_ref()[0]) % SHARDS
}

/// Checks the name of a workspace or a user.
pub fn name(text: &str) -> Result<String, Invalid> {
    super::job::name(text)
}

#[derive(Clone, Debug)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
}

/// The operator's decision that nothing is sent for a workspace. Its fires are recorded as skipped, and its members can read and delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    pub since: DateTime<Utc>,
    /// In the operator's words. The members see it.
    pub reason: String,
}

impl Suspension {
    /// Why a fire was skipped.
    pub const SKIP_REASON: &str = "suspended";

    /// From two columns that are both null, or neither.
    pub fn of(since: Option<DateTime<Utc>>, reason: Option<String>) -> Option<Self> {
        Some(Self { since: since?, reason: reason? })
    }
}
