//! The runs of this session: so that each can be aborted.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::id::ExecutionId,
    telemetry::metrics::{self, Held},
};

use crate::owner::Share;

/// An execution and the number of its attempt: a retry has another key than the attempt before.
pub type AttemptKey = (ExecutionId, u16);

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashMap<AttemptKey, CancellationToken>>>);

/// One run, from its lease until it is recorded. Dropping it removes the run.
pub struct InFlightGuard {
    key: AttemptKey,
    all: InFlight,
    _counted: Held,
    /// Cancelled when the lease is gone.
    pub revoked: CancellationToken,
}

/// What a run holds of this process until its result is recorded.
pub struct Capacity {
    _permit: Share,
    pub memory: Share,
}

impl Capacity {
    /// Boxed, because it moves from the intake to the run to the recorder.
    pub fn new(permit: Share, memory: Share) -> Box<Self> {
        Box::new(Self { _permit: permit, memory })
    }
}

impl InFlight {
    pub fn add(&self, key: AttemptKey, revoked: CancellationToken) -> InFlightGuard {
        self.lock().insert(key, revoked.clone());
        InFlightGuard { key, all: self.clone(), _counted: metrics::held(), revoked }
    }

    pub fn keys(&self) -> HashSet<AttemptKey> {
        self.lock().keys().copied().collect()
    }

    /// Aborts those of `known` that are not `owned`. A run that was added after `known` was read may not be in `owned` yet.
    pub fn abort_missing(&self, known: &HashSet<AttemptKey>, owned: &HashSet<AttemptKey>) {
        let runs = self.lock();
        for key in known.difference(owned) {
            if let Some(revoked) = runs.get(key) {
                revoked.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptKey, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
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
        let runs = InFlight::default();
        let add = |id| runs.add(key(id), CancellationToken::new());
        let (owned, gone) = (add(1), add(2));
        let known = runs.keys();
        let later = add(3);
        runs.abort_missing(&known, &HashSet::from([key(1)]));
        let aborted = [&owned, &gone, &later].map(|run| run.revoked.is_cancelled());
        assert_eq!(aborted, [false, true, false]);
        drop((owned, gone, later));
        assert!(runs.keys().is_empty());
    }
}
