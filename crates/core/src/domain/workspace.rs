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

/// What one workspace may have, instead of what its plan says. `None`: as in the plan; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnLimits {
    pub jobs: Option<u32>,
    pub tokens: Option<u32>,
    /// Executions whose time a client chooses.
    pub executions_per_minute: Option<u32>,
    /// With the users who are invited.
    pub members: Option<u32>,
    pub channels: Option<u32>,
}

/// Every creation counts up to the limit, while others of the workspace wait.
pub const MAX_OWN_LIMIT: u32 = 100_000;

/// Checks one of these limits.
pub fn own_limit(number: i64, max: i64) -> Result<u32, Invalid> {
    u32::try_from(number)
        .ok()
        .filter(|_| number <= max)
        .ok_or_else(|| Invalid::new("out_of_range", format!("must be from 0 to {max}; 0 means no limit")))
}

impl OwnLimits {
    /// Each limit with its name.
    pub fn named(&self) -> [(&'static str, Option<u32>); 5] {
        [
            ("jobs", self.jobs),
            ("tokens", self.tokens),
            ("executions_per_minute", self.executions_per_minute),
            ("members", self.members),
            ("channels", self.channels),
        ]
    }
}

/// What decides how much a workspace may have. The default is that of a new workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspacePlan {
    /// The name of one of the plans in the settings.
    pub name: String,
    pub own: OwnLimits,
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
