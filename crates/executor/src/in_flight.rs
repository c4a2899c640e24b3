//! What this session is running, so that it can be told to stop.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio_util::sync::CancellationToken;
use trigrun_core::domain::id::ExecutionId;

/// An execution and the attempt at it: a retry is another entry than the attempt before.
type Key = (ExecutionId, u16);

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<Key, CancellationToken>>>);

/// One run; it leaves when this is dropped.
pub struct Entry {
    key: Key,
    all: InFlight,
    /// Cancelled when the lease is no longer ours.
    pub taken_away: CancellationToken,
}

impl InFlight {
    pub fn enter(&self, execution: ExecutionId, number: u16) -> Entry {
        let (key, taken_away) = ((execution, number), CancellationToken::new());
        self.lock().insert(key, taken_away.clone());
        Entry { key, all: self.clone(), taken_away }
    }

    pub fn all(&self) -> Vec<Key> {
        self.lock().keys().copied().collect()
    }

    /// Aborts those of `known` that are not `held`. What came in after `known` was read may not be in `held` yet.
    pub fn abort_all_but(&self, known: &[Key], held: &HashSet<Key>) {
        let runs = self.lock();
        for key in known.iter().filter(|key| !held.contains(key)) {
            if let Some(taken_away) = runs.get(key) {
                taken_away.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, CancellationToken>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn only_what_is_known_and_not_held_is_aborted() {
        let runs = InFlight::default();
        let enter = |id| runs.enter(ExecutionId::from_uuid(Uuid::from_u128(id)), 1);
        let (held, gone) = (enter(1), enter(2));
        let known = runs.all();
        let later = enter(3);
        runs.abort_all_but(&known, &HashSet::from([held.key]));
        let aborted = [&held, &gone, &later].map(|entry| entry.taken_away.is_cancelled());
        assert_eq!(aborted, [false, true, false]);
        drop((held, gone, later));
        assert!(runs.all().is_empty());
    }
}
