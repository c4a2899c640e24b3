//! What may be on its way at once: so many of a shard, and so many of a workspace within it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use trigrun_core::domain::{
    id::WorkspaceId,
    workspace::{SHARDS, shard},
};

/// Receivers that never answer hold up their own workspace first, then their shard, and never the others.
const PER_SHARD: usize = 16;
const PER_WORKSPACE: usize = 4;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Room(Arc<Mutex<HashMap<WorkspaceId, usize>>>);

/// A place that is taken; it is free again when this is dropped.
pub struct Place {
    room: Room,
    workspace: WorkspaceId,
}

/// Where there is room: these shards, but for these workspaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Open {
    pub shards: Vec<i16>,
    pub full: Vec<WorkspaceId>,
}

impl Room {
    pub fn open(&self) -> Open {
        let taken = self.lock();
        let mut of_shard = [0; SHARDS as usize];
        for (workspace, count) in taken.iter() {
            of_shard[usize::from(shard(*workspace).unsigned_abs())] += count;
        }
        let has_room = |shard: &i16| of_shard[usize::from(shard.unsigned_abs())] < PER_SHARD;
        let full =
            taken.iter().filter(|(_, count)| **count >= PER_WORKSPACE).map(|(workspace, _)| *workspace);
        Open { shards: (0..SHARDS).filter(has_room).collect(), full: full.collect() }
    }

    pub fn take(&self, workspace: WorkspaceId) -> Place {
        *self.lock().entry(workspace).or_default() += 1;
        Place { room: self.clone(), workspace }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.lock();
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
        let (room, workspaces) = (Room::default(), neighbours(4));
        let mut places: Vec<Place> = (0..4).map(|_| room.take(workspaces[0])).collect();
        let open = room.open();
        assert_eq!((open.shards.len(), open.full), (16, vec![workspaces[0]]));
        for workspace in &workspaces[1..] {
            places.extend((0..4).map(|_| room.take(*workspace)));
        }
        assert!(room.open().shards.len() == 15 && !room.open().shards.contains(&3));
        drop(places);
        assert_eq!(room.open(), Open { shards: (0..SHARDS).collect(), full: vec![] });
    }
}
