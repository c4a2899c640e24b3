//! The tenant, and how its work is spread over the streams.

use super::{id::WorkspaceId, invalid::Invalid};

/// Number of streams that executions are spread over. Fixed: the shard is stored with every execution.
pub const SHARDS: i16 = 16;

/// The stream of a workspace. All its work shares one, so a workspace with a hundred thousand runs delays only its own shard.
pub fn shard(workspace: WorkspaceId) -> i16 {
    let digest = ring::digest::digest(&ring::digest::SHA256, workspace.uuid().as_bytes());
    i16::from(digest.as_ref()[0]) % SHARDS
}

/// Checks a name, of a workspace or of a person.
pub fn name(text: &str) -> Result<String, Invalid> {
    super::job::name(text)
}

#[derive(Clone, Debug)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
}
