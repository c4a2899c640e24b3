//! Clients that wait for an execution to end.
//!
//! A client that waits holds no connection to Postgres. One task per process asks for all awaited executions together: first after a quarter
//! of a second, then less and less often, down to once a second for each.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::id::{AccountId, ExecutionId},
    runtime::tasks,
    store::{Db, StoreError, executions},
};

use crate::{connections, time_limit};

/// The longest time that a client may wait, in seconds.
pub const MAX_WAIT_SECONDS: i64 = 25;
/// How many clients of an account may wait in this process. Further ones get the present state at once.
pub const MAX_WAITING: usize = 64;
/// How often the task looks for executions that have ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How often it looks for each of them at least.
const MAX_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How many executions one statement asks for.
const LOOK_BATCH: usize = 1000;

/// Cheap to clone.
#[derive(Clone)]
pub struct Waiting {
    registry: Arc<Mutex<Registry>>,
    shutdown: CancellationToken,
}

#[derive(Default)]
struct Registry {
    executions: HashMap<ExecutionId, Awaited>,
    clients: BTreeMap<Option<AccountId>, usize>,
}

/// An execution for which clients wait.
struct Awaited {
    clients: usize,
    /// Cancelled when the execution has ended.
    ended: CancellationToken,
    look_at: Instant,
    look_interval: Duration,
}

/// The place of a client that waits. Dropping it ends the wait.
struct Place {
    waiting: Waiting,
    account: Option<AccountId>,
    execution: ExecutionId,
    ended: CancellationToken,
}

impl Waiting {
    /// After `shutdown`, no client waits.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { registry: Arc::default(), shutdown }
    }

    /// Waits until the execution has ended, for this time at most. Returns at once if too many clients of the account wait. The time limit
    /// of the request does not count this time.
    pub async fn until_ended(&self, execution: ExecutionId, time: Duration) {
        let Some(place) = self.enter(connections::account(), execution) else { return };
        let end = async {
            tokio::select! {
                () = place.ended.cancelled() => {}
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(time) => {}
            }
        };
        time_limit::wait(time, end).await;
    }

    /// Looks for executions that have ended, until shutdown.
    pub async fn run(self, db: Db) {
        let shutdown = self.shutdown.clone();
        tasks::every("wait", shutdown, LOOK_INTERVAL, std::future::pending, || self.look(&db)).await;
    }

    async fn look(&self, db: &Db) -> Result<(), StoreError> {
        let due = self.registry().take_due(Instant::now());
        for ids in due.chunks(LOOK_BATCH) {
            let open = executions::find_open(&mut *db.conn().await?, ids).await?;
            self.registry().release(ids.iter().filter(|id| !open.contains(id)));
        }
        Ok(())
    }

    fn enter(&self, account: Option<AccountId>, execution: ExecutionId) -> Option<Place> {
        let mut registry = self.registry();
        let clients = registry.clients.entry(account).or_default();
        if *clients >= MAX_WAITING {
            return None;
        }
        *clients += 1;
        let awaited = registry.executions.entry(execution).or_insert_with(Awaited::new);
        awaited.clients += 1;
        let ended = awaited.ended.clone();
        Some(Place { waiting: self.clone(), account, execution, ended })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// The executions to look for now. Each is looked for again later, and then less often.
    fn take_due(&mut self, now: Instant) -> Vec<ExecutionId> {
        let due = self.executions.iter_mut().filter(|(_, awaited)| awaited.look_at <= now);
        due.map(|(id, awaited)| {
            awaited.look_interval = (awaited.look_interval + LOOK_INTERVAL).min(MAX_LOOK_INTERVAL);
            awaited.look_at = now + awaited.look_interval;
            *id
        })
        .collect()
    }

    /// Ends the wait for these executions.
    fn release<'a>(&self, ended: impl Iterator<Item = &'a ExecutionId>) {
        for awaited in ended.filter_map(|id| self.executions.get(id)) {
            awaited.ended.cancel();
        }
    }

    fn leave(&mut self, account: Option<AccountId>, execution: ExecutionId) {
        if let Some(clients) = self.clients.get_mut(&account) {
            *clients -= 1;
            if *clients == 0 {
                self.clients.remove(&account);
            }
        }
        if let Some(awaited) = self.executions.get_mut(&execution) {
            awaited.clients -= 1;
            if awaited.clients == 0 {
                self.executions.remove(&execution);
            }
        }
    }
}

impl Awaited {
    fn new() -> Self {
        Self {
            clients: 0,
            ended: CancellationToken::new(),
            look_at: Instant::now() + LOOK_INTERVAL,
            look_interval: LOOK_INTERVAL,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.registry().leave(self.account, self.execution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn account(number: u128) -> Option<AccountId> {
        Some(AccountId::from_uuid(Uuid::from_u128(number)))
    }

    fn execution(number: u128) -> ExecutionId {
        ExecutionId::from_uuid(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn an_account_has_a_number_of_places_and_gets_them_back() {
        let waiting = Waiting::new(CancellationToken::new());
        let mut places: Vec<_> =
            (0..MAX_WAITING as u128).map(|n| waiting.enter(account(1), execution(n % 3)).unwrap()).collect();
        assert!(waiting.enter(account(1), execution(9)).is_none());
        drop(waiting.enter(account(2), execution(9)).expect("the other account has its own places"));
        places.pop();
        places.push(waiting.enter(account(1), execution(9)).unwrap());
        assert_eq!(waiting.registry().executions.len(), 4);
        drop(places);
        let registry = waiting.registry();
        assert!(registry.clients.is_empty() && registry.executions.is_empty());
    }

    #[tokio::test]
    async fn the_longer_an_execution_is_awaited_the_less_often_it_is_looked_for() {
        let waiting = Waiting::new(CancellationToken::new());
        let _place = waiting.enter(account(1), execution(1)).unwrap();
        let start = waiting.registry().executions[&execution(1)].look_at - LOOK_INTERVAL;
        let looks = |tick: &u32| {
            !waiting.registry().take_due(start + LOOK_INTERVAL * *tick + LOOK_INTERVAL / 10).is_empty()
        };
        let ticks: Vec<u32> = (0..20).filter(looks).collect();
        assert_eq!(ticks, [1, 3, 6, 10, 14, 18]);
    }

    #[tokio::test]
    async fn shutdown_and_the_end_of_the_execution_release_every_client() {
        let shutdown = CancellationToken::new();
        let waiting = Waiting::new(shutdown.clone());
        let place = waiting.enter(account(1), execution(1)).unwrap();
        waiting.registry().release([execution(2)].iter());
        assert!(!place.ended.is_cancelled());
        waiting.registry().release([execution(1)].iter());
        assert!(place.ended.is_cancelled());
        shutdown.cancel();
        // A test that waited so long would be noticed.
        waiting.until_ended(execution(3), Duration::from_secs(86_400)).await;
        drop(place);
        assert!(waiting.registry().executions.is_empty());
    }
}
