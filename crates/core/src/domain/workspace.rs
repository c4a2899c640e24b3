//! The tenant, and how its work is spread over the streams.

use super::id::WorkspaceId;

/// Number of streams that executions are spread over. Fixed: the shard is stored with every execution.
pub const SHARDS: i16 = 16;

/// The stream of a workspace. All its work shares one, so a workspace with a hundred thousand runs delays only its own shard.
pub fn shard(workspace: WorkspaceId) -> i16 {
    let digest = ring::digest::digest(&ring::digest::SHA256, workspace.uuid().as_bytes());
    i16::from(digest.as_ref()[0]) % SHARDS
}

#[derive(Clone, Debug)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
}
