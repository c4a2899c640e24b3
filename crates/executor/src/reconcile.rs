//! Keeps what this process runs and what Postgres says that it holds in step.
//!
//! What was taken away (cancelled, deleted, taken over) is aborted. What is held and that nobody here knows of, because an
//! answer of Postgres was lost, is handed back: under a session that lives, nobody else would ever run it.

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
    store::{Db, StoreError, leases, wake::Waker},
};

use crate::{
    in_flight::{InFlight, Key},
    retries::Retries,
    session::Session,
};

/// An abort is promised within five seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is held and unknown here is looked for among all open work, which takes longer, and so less often.
const STRAYS_EVERY: u32 = 10;
/// Longer than any answer to a lease or a record is waited for: what is unknown for so long stays unknown.
const ORPHANED: Duration = Duration::from_secs(40);

pub struct Watch {
    pub db: Db,
    pub session: Session,
    pub in_flight: InFlight,
    pub retries: std::sync::Arc<Retries>,
    pub waker: Waker,
}

impl Watch {
    /// Looks until `ended`. Retries have number 0 among the unknown.
    pub async fn run(self, ended: CancellationToken) {
        let unknown = Mutex::<HashMap<Key, Instant>>::default();
        let looks = AtomicU32::new(0);
        let look = || async {
            if looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(STRAYS_EVERY) {
                self.look_for_strays(&unknown).await?;
            }
            self.look().await
        };
        every("watch", ended, LOOK_EVERY, std::future::pending, look).await;
    }

    /// Aborts what was taken away.
    async fn look(&self) -> Result<(), StoreError> {
        let running = self.in_flight.all();
        let ids: Vec<ExecutionId> = running.iter().map(|(id, _)| *id).collect();
        let held = leases::owned_of(&mut *self.db.conn().await?, self.session.id, &ids).await?;
        self.in_flight.abort_all_but(&running, &held.running);
        Ok(())
    }

    /// Hands back what has been held and unknown for too long.
    async fn look_for_strays(&self, unknown: &Mutex<HashMap<Key, Instant>>) -> Result<(), StoreError> {
        let (running, waiting) = (self.in_flight.all(), self.retries.ids());
        let mut conn = self.db.conn().await?;
        let held = leases::owned(&mut conn, self.session.id).await?;
        let strays = held.running.difference(&running).copied();
        let strays: Vec<Key> = strays.chain(held.retrying.difference(&waiting).map(|id| (*id, 0))).collect();
        let orphans = since(&mut unknown.lock().unwrap_or_else(PoisonError::into_inner), &strays);
        if orphans.is_empty() {
            return Ok(());
        }
        tracing::warn!(executions = orphans.len(), "held by this session and known to nobody: handed back");
        let (retrying, running): (Vec<Key>, Vec<Key>) =
            orphans.into_iter().partition(|(_, number)| *number == 0);
        leases::release(&mut conn, self.session.id, &running).await?;
        let retrying: Vec<_> = retrying.into_iter().map(|(id, _)| id).collect();
        leases::release_retrying(&mut conn, self.session.id, Some(&retrying)).await?;
        self.waker.wake();
        Ok(())
    }
}

/// Notes the strays of this look, forgets the others, and says which have been so for too long.
fn since(unknown: &mut HashMap<Key, Instant>, strays: &[Key]) -> Vec<Key> {
    let now = Instant::now();
    unknown.retain(|key, _| strays.contains(key));
    let mut old = Vec::new();
    for key in strays {
        if now.duration_since(*unknown.entry(*key).or_insert(now)) >= ORPHANED {
            old.push(*key);
        }
    }
    old
}
