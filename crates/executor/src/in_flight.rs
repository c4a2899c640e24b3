//! What this session runs: so that it can be told to stop, and so that no shard takes all the room.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::{id::ExecutionId, workspace::SHARDS},
    telemetry::metrics::{self, Held},
};

/// An execution and the attempt at it: a retry is another entry than the attempt before.
pub type Key = (ExecutionId, u16);

/// Cheap to clone.
#[derive(Clone)]
pub struct InFlight {
    runs: Arc<Mutex<Runs>>,
    /// A shard that was full has room again.
    freed: Arc<Notify>,
    /// So many runs one shard may have at once: targets that never answer hold up their own workspace, and few others.
    most_per_shard: usize,
}

#[derive(Default)]
struct Runs {
    aborts: HashMap<Key, CancellationToken>,
    per_shard: [usize; SHARDS as usize],
}

/// One run, from its lease until it is recorded; it leaves when this is dropped.
pub struct Entry {
    key: Key,
    shard: i16,
    all: InFlight,
    _held: Held,
    /// Cancelled when the lease is no longer ours.
    pub taken_away: CancellationToken,
}

impl InFlight {
    pub fn new(most_per_shard: usize) -> Self {
        Self { runs: Arc::default(), freed: Arc::default(), most_per_shard }
    }

    pub fn enter(&self, key: Key, shard: i16, taken_away: CancellationToken) -> Entry {
        let mut runs = self.lock();
        runs.aborts.insert(key, taken_away.clone());
        *runs.of(shard) += 1;
        drop(runs);
        Entry { key, shard, all: self.clone(), _held: metrics::held(), taken_away }
    }

    /// Shards that have room.
    pub fn open(&self) -> Vec<i16> {
        let mut runs = self.lock();
        (0..SHARDS).filter(|shard| *runs.of(*shard) < self.most_per_shard).collect()
    }

    /// Resolves when a shard that was full has room again, for one of those that wait.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    pub fn all(&self) -> HashSet<Key> {
        self.lock().aborts.keys().copied().collect()
    }

    /// Aborts those of `known` that are not `held`. What came in after `known` was read may not be in `held` yet.
    pub fn abort_all_but(&self, known: &HashSet<Key>, held: &HashSet<Key>) {
        let runs = self.lock();
        for key in known.difference(held) {
            if let Some(taken_away) = runs.aborts.get(key) {
                taken_away.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    fn of(&mut self, shard: i16) -> &mut usize {
        &mut self.per_shard[usize::from(shard.unsigned_abs()) % SHARDS as usize]
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut runs = self.all.lock();
        runs.aborts.remove(&self.key);
        let of_shard = runs.of(self.shard);
        *of_shard -= 1;
        if *of_shard + 1 == self.all.most_per_shard {
            self.all.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key(id: u128) -> Key {
        (ExecutionId::from_uuid(Uuid::from_u128(id)), 1)
    }

    #[test]
    fn only_what_is_known_and_not_held_is_aborted() {
        let runs = InFlight::new(10);
        let enter = |id| runs.enter(key(id), 0, CancellationToken::new());
        let (held, gone) = (enter(1), enter(2));
        let known = runs.all();
        let later = enter(3);
        runs.abort_all_but(&known, &HashSet::from([key(1)]));
        let aborted = [&held, &gone, &later].map(|entry| entry.taken_away.is_cancelled());
        assert_eq!(aborted, [false, true, false]);
        drop((held, gone, later));
        assert!(runs.all().is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_a_full_shard_is_told() {
        let runs = InFlight::new(2);
        let mut entries: Vec<Entry> =
            (1..=3).map(|id| runs.enter(key(id), 3, CancellationToken::new())).collect();
        entries.pop();
        let freed = runs.freed();
        tokio::pin!(freed);
        assert!(futures_util::poll!(&mut freed).is_pending(), "it is full still");
        entries.pop();
        freed.await;
    }

    #[test]
    fn a_shard_that_is_full_leaves_the_others_open() {
        let runs = InFlight::new(2);
        let full = [1, 2].map(|id| runs.enter(key(id), 3, CancellationToken::new()));
        assert!(runs.open().len() == 15 && !runs.open().contains(&3));
        drop(full);
        assert_eq!(runs.open().len(), 16);
    }
}
