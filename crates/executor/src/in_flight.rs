//! The runs of this session: so that each can be aborted.

use futures_util::task::AtomicWaker;
use std::{
    collections::{HashMap, HashSet},
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
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
pub struct InFlight(Arc<Mutex<Runs>>);

#[derive(Default)]
struct Runs {
    of: HashMap<AttemptKey, Arc<Revocation>>,
    /// The session has expired, and all leases with it.
    has_expired: bool,
}

/// Whether the lease of a run is gone. Smaller than a child of the session's token, which takes the lock of its parent twice.
#[derive(Default)]
pub struct Revocation {
    is_revoked: AtomicBool,
    run: AtomicWaker,
}

impl Revocation {
    pub fn is_revoked(&self) -> bool {
        self.is_revoked.load(Ordering::Acquire)
    }

    /// `None` if the lease is gone before the run ends. For one task at a time.
    pub async fn run_until_revoked<F: Future>(&self, run: F) -> Option<F::Output> {
        let mut run = pin!(run);
        poll_fn(|context| {
            // Registered first, so that no revocation is missed.
            self.run.register(context.waker());
            if self.is_revoked() { Poll::Ready(None) } else { run.as_mut().poll(context).map(Some) }
        })
        .await
    }

    fn revoke(&self) {
        self.is_revoked.store(true, Ordering::Release);
        self.run.wake();
    }
}

/// One run, from its lease until it is recorded. Dropping it removes the run.
pub struct InFlightGuard {
    key: AttemptKey,
    all: InFlight,
    _counted: Held,
    pub revocation: Arc<Revocation>,
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
    pub fn add(&self, key: AttemptKey) -> InFlightGuard {
        let revocation = Arc::<Revocation>::default();
        let mut runs = self.lock();
        if runs.has_expired {
            revocation.revoke();
        }
        runs.of.insert(key, revocation.clone());
        drop(runs);
        InFlightGuard { key, all: self.clone(), _counted: metrics::held(), revocation }
    }

    pub fn count(&self) -> usize {
        self.lock().of.len()
    }

    pub fn keys(&self) -> HashSet<AttemptKey> {
        self.lock().of.keys().copied().collect()
    }

    /// Aborts all runs when the session expires; ends when it has `ended`.
    pub async fn abort_when_expired(self, expired: CancellationToken, ended: CancellationToken) {
        tokio::select! {
            biased;
            () = expired.cancelled() => {
                let mut runs = self.lock();
                runs.has_expired = true;
                runs.of.values().for_each(|run| run.revoke());
            }
            () = ended.cancelled() => {}
        }
    }

    /// Aborts those of `known` that are not `owned`. A run that was added after `known` was read may not be in `owned` yet.
    pub fn abort_missing(&self, known: &HashSet<AttemptKey>, owned: &HashSet<AttemptKey>) {
        let runs = self.lock();
        for key in known.difference(owned) {
            if let Some(run) = runs.of.get(key) {
                run.revoke();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.all.lock().of.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigrun_core::runtime::tasks::spawn;
    use uuid::Uuid;

    fn key(id: u128) -> AttemptKey {
        (ExecutionId::from_uuid(Uuid::from_u128(id)), 1)
    }

    #[test]
    fn only_known_runs_without_a_lease_are_aborted() {
        let runs = InFlight::default();
        let add = |id| runs.add(key(id));
        let (owned, gone) = (add(1), add(2));
        let known = runs.keys();
        let later = add(3);
        runs.abort_missing(&known, &HashSet::from([key(1)]));
        let aborted = [&owned, &gone, &later].map(|run| run.revocation.is_revoked());
        assert_eq!(aborted, [false, true, false]);
        drop((owned, gone, later));
        assert!(runs.keys().is_empty());
    }

    #[tokio::test]
    async fn a_run_ends_when_its_lease_is_gone_or_its_session_expired() {
        let (runs, expired) = (InFlight::default(), CancellationToken::new());
        let (first, second) = (runs.add(key(1)), runs.add(key(2)));
        let aborted = spawn("run", {
            let revocation = first.revocation.clone();
            async move { revocation.run_until_revoked(std::future::pending::<()>()).await }
        });
        runs.abort_missing(&runs.keys(), &HashSet::from([key(2)]));
        assert_eq!(aborted.await.unwrap(), None);
        assert_eq!(second.revocation.run_until_revoked(async { 7 }).await, Some(7));
        let ended = CancellationToken::new();
        ended.cancel();
        runs.clone().abort_when_expired(expired.clone(), ended.clone()).await;
        assert!(!second.revocation.is_revoked());
        expired.cancel();
        runs.clone().abort_when_expired(expired, ended).await;
        assert_eq!(second.revocation.run_until_revoked(async { 7 }).await, None);
        assert!(runs.add(key(3)).revocation.is_revoked(), "what was leased before and starts later");
    }
}
