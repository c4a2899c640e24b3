//! How many notifications may be in flight: per shard, and per workspace within it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use trigrun_core::domain::{
    id::WorkspaceId,
    workspace::{SHARDS, shard},
};

/// Receivers that never respond delay their own workspace first, then their shard, and never the others.
const MAX_PER_SHARD: usize = 16;
const MAX_PER_WORKSPACE: usize = 4;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Capacity(Arc<Mutex<HashMap<WorkspaceId, usize>>>);

/// The right to one delivery, until it is dropped.
pub struct Permit {
    capacity: Capacity,
    workspace: WorkspaceId,
}

/// Where there is capacity: in these shards, except for these workspaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Available {
    pub shards: Vec<i16>,
    pub except: Vec<WorkspaceId>,
}

impl Capacity {
    pub fn available(&self) -> Available {
        let taken = self.lock();
        let mut of_shard = [0; SHARDS as usize];
        for (workspace, count) in taken.iter() {
            of_shard[usize::from(shard(*workspace).unsigned_abs())] += count;
        }
        let has_capacity = |shard: &i16| of_shard[usize::from(shard.unsigned_abs())] < MAX_PER_SHARD;
        let full =
            taken.iter().filter(|(_, count)| **count >= MAX_PER_WORKSPACE).map(|(workspace, _)| *workspace);
        Available { shards: (0..SHARDS).filter(has_capacity).collect(), except: full.collect() }
    }

    pub fn take(&self, workspace: WorkspaceId) -> Permit {
        *self.lock().entry(workspace).or_default() += 1;
        Permit { capacity: self.clone(), workspace }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.capacity.lock();
        if let Some(count) = taken.get_mut(&self.workspace) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// Workspaces that share a shard.
    fn neighbours(count: usize) -> Vec<WorkspaceId> {
        let all = (0u128..).map(|n| WorkspaceId::from_uuid(Uuid::from_u128(n)));
        all.filter(|workspace| shard(*workspace) == 3).take(count).collect()
    }

    #[test]
    fn a_workspace_is_full_before_its_shard() {
        let (capacity, workspaces) = (Capacity::default(), neighbours(4));
        let mut permits: Vec<Permit> = (0..4).map(|_| capacity.take(workspaces[0])).collect();
        let available = capacity.available();
        assert_eq!((available.shards.len(), available.except), (16, vec![workspaces[0]]));
        for workspace in &workspaces[1..] {
            permits.extend((0..4).map(|_| capacity.take(*workspace)));
        }
        assert!(capacity.available().shards.len() == 15 && !capacity.available().shards.contains(&3));
        drop(permits);
        assert_eq!(capacity.available(), Available { shards: (0..SHARDS).collect(), except: vec![] });
    }
}
