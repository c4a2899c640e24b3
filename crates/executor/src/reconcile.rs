//! Compares the leases in this process's memory with those in Postgres.
//!
//! A run whose lease is gone (cancelled, deleted, reclaimed) is aborted. A lease that this process does not know of, because a
//! response of Postgres was lost, is released: while the session is live, no other executor would ever run it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::id::ExecutionId,
    runtime::tasks::every,
    store::{
        Db, StoreError,
        leases::{self, AfterRelease},
        wake::Waker,
    },
};

use crate::{
    in_flight::{AttemptKey, InFlight},
    retries::Retries,
    session::Session,
};

/// The promise to users: a cancelled run is aborted within this time.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);
const RECONCILE_INTERVAL: Duration = Duration::from_secs(1);
/// The search for unknown leases reads all open work, which takes longer, so only every tenth round searches.
const ROUNDS_PER_SEARCH: u32 = 10;
/// Longer than any wait for the response to a lease or record statement: after it, an unknown lease stays unknown.
const UNKNOWN_TIMEOUT: Duration = Duration::from_secs(40);

// Leaves time for a slow statement and for the end of the run.
const _: () = assert!(2 * RECONCILE_INTERVAL.as_secs() < ABORT_TIMEOUT.as_secs());

pub struct LeaseReconciler {
    pub db: Db,
    pub session: Session,
    pub in_flight: InFlight,
    pub retries: std::sync::Arc<Retries>,
    pub waker: Waker,
}

impl LeaseReconciler {
    /// Runs until `ended`. Among unknown leases, retries have the attempt number 0.
    pub async fn run(self, ended: CancellationToken) {
        let unknown = Mutex::<HashMap<AttemptKey, Instant>>::default();
        let rounds = AtomicU32::new(0);
        let pass = || async {
            if rounds.fetch_add(1, Ordering::Relaxed).is_multiple_of(ROUNDS_PER_SEARCH) {
                self.release_unknown(&unknown).await?;
            }
            self.abort_revoked().await
        };
        every("reconcile", ended, RECONCILE_INTERVAL, std::future::pending, pass).await;
    }

    /// Aborts runs whose leases are gone.
    async fn abort_revoked(&self) -> Result<(), StoreError> {
        let running = self.in_flight.keys();
        let ids: Vec<ExecutionId> = running.iter().map(|(id, _)| *id).collect();
        let owned = leases::owned_of(&mut *self.db.conn().await?, self.session.id, &ids).await?;
        self.in_flight.abort_missing(&running, &owned.running);
        Ok(())
    }

    /// Releases leases that have been unknown for too long.
    async fn release_unknown(&self, unknown: &Mutex<HashMap<AttemptKey, Instant>>) -> Result<(), StoreError> {
        let (running, waiting) = (self.in_flight.keys(), self.retries.ids());
        let mut conn = self.db.conn().await?;
        let owned = leases::owned(&mut conn, self.session.id).await?;
        let found = owned.running.difference(&running).copied();
        let found: Vec<AttemptKey> =
            found.chain(owned.retrying.difference(&waiting).map(|id| (*id, 0))).collect();
        let expired =
            unknown_for_too_long(&mut unknown.lock().unwrap_or_else(PoisonError::into_inner), &found);
        if expired.is_empty() {
            return Ok(());
        }
        tracing::warn!(executions = expired.len(), "leased by this session and unknown to it: released");
        let (retrying, running): (Vec<AttemptKey>, Vec<AttemptKey>) =
            expired.into_iter().partition(|(_, number)| *number == 0);
        leases::release(&mut conn, self.session.id, &running, AfterRelease::Publish).await?;
        let retrying: Vec<_> = retrying.into_iter().map(|(id, _)| id).collect();
        leases::release_retrying(&mut conn, self.session.id, Some(&retrying)).await?;
        self.waker.wake();
        Ok(())
    }
}

/// Remembers the unknown leases of this round, forgets the others, and returns those that have been unknown for too long.
fn unknown_for_too_long(unknown: &mut HashMap<AttemptKey, Instant>, found: &[AttemptKey]) -> Vec<AttemptKey> {
    let now = Instant::now();
    unknown.retain(|key, _| found.contains(key));
    let mut old = Vec::new();
    for key in found {
        if now.duration_since(*unknown.entry(*key).or_insert(now)) >= UNKNOWN_TIMEOUT {
            old.push(*key);
        }
    }
    old
}
