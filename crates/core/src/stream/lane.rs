//! Who goes into which of a shard's two streams.
//!
//! Workspaces share shards. A dispatch of one that publishes more often than it may goes into the bulk stream of its shard, and waits there behind
//! its own kind; the dispatches of the others do not. Executors read both, so where nothing waits there is no difference.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;

use super::key::Lane;
use crate::domain::id::WorkspaceId;

/// What a workspace may ring, from one scheduler, without being in anybody's way.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
const AT_ONCE: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// So many workspaces are remembered before those are forgotten that have been quiet.
const REMEMBERED: usize = 10_000;

pub struct Lanes(DefaultKeyedRateLimiter<WorkspaceId>);

impl Default for Lanes {
    fn default() -> Self {
        Self(RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(AT_ONCE)))
    }
}

impl Lanes {
    pub fn of(&self, workspace: WorkspaceId) -> Lane {
        if self.0.len() > REMEMBERED {
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
    fn one_that_rings_too_often_is_in_nobodys_way() {
        let [busy, quiet] = [1, 2].map(|id| WorkspaceId::from_uuid(Uuid::from_u128(id)));
        let lanes = Lanes::default();
        let prompt = (0..2000).filter(|_| lanes.of(busy) == Lane::Prompt).count();
        assert!((100..200).contains(&prompt), "{prompt}");
        assert_eq!((lanes.of(busy), lanes.of(quiet)), (Lane::Bulk, Lane::Prompt));
    }
}
