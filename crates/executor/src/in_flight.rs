//! The runs of this session: so that each can be aborted, and no shard takes the whole capacity.

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

/// An execution and the number of its attempt: a retry has another key than the attempt before.
pub type AttemptKey = (ExecutionId, u16);

/// Cheap to clone.
#[derive(Clone)]
pub struct InFlight {
    runs: Arc<Mutex<Runs>>,
    /// Raised when a shard that was full has capacity again.
    capacity_freed: Arc<Notify>,
    /// Targets that never respond delay the workspaces of their own shard only.
    max_per_shard: usize,
}

#[derive(Default)]
struct Runs {
    aborts: HashMap<AttemptKey, CancellationToken>,
    per_shard: [usize; SHARDS as usize],
}

/// One run, from its lease until it is recorded. Dropping it removes the run.
pub struct InFlightGuard {
    key: AttemptKey,
    shard: i16,
    all: InFlight,
    _counted: Held,
    /// Cancelled when the lease is gone.
    pub revoked: CancellationToken,
}

impl InFlight {
    pub fn new(max_per_shard: usize) -> Self {
        Self { runs: Arc::default(), capacity_freed: Arc::default(), max_per_shard }
    }

    pub fn add(&self, key: AttemptKey, shard: i16, revoked: CancellationToken) -> InFlightGuard {
        let mut runs = self.lock();
        runs.aborts.insert(key, revoked.clone());
        *runs.of(shard) += 1;
        drop(runs);
        InFlightGuard { key, shard, all: self.clone(), _counted: metrics::held(), revoked }
    }

    /// The shards that have capacity.
    pub fn available_shards(&self) -> Vec<i16> {
        let mut runs = self.lock();
        (0..SHARDS).filter(|shard| *runs.of(*shard) < self.max_per_shard).collect()
    }

    /// Resolves when a shard that was full has capacity again, for one of the tasks that wait.
    pub async fn capacity_freed(&self) {
        self.capacity_freed.notified().await;
    }

    pub fn keys(&self) -> HashSet<AttemptKey> {
        self.lock().aborts.keys().copied().collect()
    }

    /// Aborts those of `known` that are not `owned`. A run that was added after `known` was read may not be in `owned` yet.
    pub fn abort_missing(&self, known: &HashSet<AttemptKey>, owned: &HashSet<AttemptKey>) {
        let runs = self.lock();
        for key in known.difference(owned) {
            if let Some(revoked) = runs.aborts.get(key) {
                revoked.cancel();
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

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut runs = self.all.lock();
        runs.aborts.remove(&self.key);
        let of_shard = runs.of(self.shard);
        *of_shard -= 1;
        if *of_shard + 1 == self.all.max_per_shard {
            self.all.capacity_freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key(id: u128) -> AttemptKey {
        (ExecutionId::from_uuid(Uuid::from_u128(id)), 1)
    }

    #[test]
    fn only_known_runs_without_a_lease_are_aborted() {
        let runs = InFlight::new(10);
        let add = |id| runs.add(key(id), 0, CancellationToken::new());
        let (owned, gone) = (add(1), add(2));
        let known = runs.keys();
        let later = add(3);
        runs.abort_missing(&known, &HashSet::from([key(1)]));
        let aborted = [&owned, &gone, &later].map(|run| run.revoked.is_cancelled());
        assert_eq!(aborted, [false, true, false]);
        drop((owned, gone, later));
        assert!(runs.keys().is_empty());
    }

    #[tokio::test]
    async fn a_task_that_waits_for_a_full_shard_is_woken() {
        let runs = InFlight::new(2);
        let mut guards: Vec<InFlightGuard> =
            (1..=3).map(|id| runs.add(key(id), 3, CancellationToken::new())).collect();
        guards.pop();
        let freed = runs.capacity_freed();
        tokio::pin!(freed);
        assert!(futures_util::poll!(&mut freed).is_pending(), "it is still full");
        guards.pop();
        freed.await;
    }

    #[test]
    fn a_full_shard_leaves_the_others_available() {
        let runs = InFlight::new(2);
        let full = [1, 2].map(|id| runs.add(key(id), 3, CancellationToken::new()));
        assert!(runs.available_shards().len() == 15 && !runs.available_shards().contains(&3));
        drop(full);
        assert_eq!(runs.available_shards().len(), 16);
    }
}
