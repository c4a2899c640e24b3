//! Selects one of a shard's two streams for a dispatch message.
//!
//! Workspaces share shards. Messages of a workspace that exceeds its rate go to the bulk stream of its shard, and wait there behind other bulk
//! messages, while the messages of other workspaces do not. Executors read both streams, so without a backlog there is no difference.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;

use super::key::Lane;
use crate::domain::id::WorkspaceId;

/// How many messages of a workspace one scheduler publishes to the prompt stream.
const PROMPT_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
const PROMPT_BURST: NonZeroU32 = NonZeroU32::new(400).unwrap();
/// With more workspaces than this in memory, idle ones are removed.
const MAX_WORKSPACES: usize = 10_000;

pub struct Lanes(DefaultKeyedRateLimiter<WorkspaceId>);

impl Default for Lanes {
    fn default() -> Self {
        Self(RateLimiter::keyed(Quota::per_second(PROMPT_PER_SECOND).allow_burst(PROMPT_BURST)))
    }
}

impl Lanes {
    pub fn of(&self, workspace: WorkspaceId) -> Lane {
        if self.0.len() > MAX_WORKSPACES {
            self.0.retain_recent();
        }
        if self.0.check_key(&workspace).is_ok() { Lane::Prompt } else { Lane::Bulk }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_busy_workspace_does_not_delay_others() {
        let [busy, quiet] = [1, 2].map(|id| WorkspaceId::from_uuid(Uuid::from_u128(id)));
        let lanes = Lanes::default();
        // The allowance refills while the test runs, on a busy machine also between two calls.
        let prompt = (0..1_000_000).take_while(|_| lanes.of(busy) == Lane::Prompt).count();
        assert!((400..1_000_000).contains(&prompt), "{prompt}");
        assert_eq!(lanes.of(quiet), Lane::Prompt);
    }
}
