//! Executions of this session that wait for their next attempt. Their due times are in Postgres too, so that another executor can
//! continue.

use chrono::{DateTime, Utc};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use trigrun_core::{domain::id::ExecutionId, runtime::clock::Clock};

/// More are released to Postgres.
const MAX_WAITING: usize = 100_000;
/// How long before it is due a retry is leased.
const LEAD: Duration = Duration::from_millis(50);

type Waiting = BinaryHeap<Reverse<(DateTime<Utc>, ExecutionId)>>;

#[derive(Default)]
pub struct Retries {
    waiting: Mutex<Waiting>,
    pushed: Notify,
}

/// The due times are compared with Postgres's clock at least this often, because that clock may be set.
const MAX_SLEEP: Duration = Duration::from_secs(2);

fn next_check(instant: Instant) -> Instant {
    instant.min(Instant::now() + MAX_SLEEP)
}

impl Retries {
    /// `false` when the queue is full.
    pub fn push(&self, execution: ExecutionId, due_at: DateTime<Utc>) -> bool {
        let mut waiting = self.lock();
        if waiting.len() >= MAX_WAITING {
            return false;
        }
        waiting.push(Reverse((due_at, execution)));
        drop(waiting);
        self.pushed.notify_one();
        true
    }

    pub fn ids(&self) -> HashSet<ExecutionId> {
        self.lock().iter().map(|Reverse((_, execution))| *execution).collect()
    }

    /// Waits until some are due soon, then removes and returns at most `limit` of them.
    pub async fn next(&self, clock: &Clock, limit: usize) -> Vec<ExecutionId> {
        loop {
            let due = self.take_due(clock.now() + LEAD, limit);
            if !due.is_empty() {
                return due;
            }
            let next = self.lock().peek().map(|Reverse((due_at, _))| *due_at);
            match next {
                Some(due_at) => tokio::select! {
                    () = tokio::time::sleep_until(next_check(clock.instant_of(due_at) - LEAD).into()) => {}
                    () = self.pushed.notified() => {}
                },
                None => self.pushed.notified().await,
            }
        }
    }

    fn take_due(&self, until: DateTime<Utc>, limit: usize) -> Vec<ExecutionId> {
        let mut waiting = self.lock();
        let mut due = Vec::new();
        while due.len() < limit && waiting.peek().is_some_and(|Reverse((due_at, _))| *due_at <= until) {
            due.extend(waiting.pop().map(|Reverse((_, execution))| execution));
        }
        due
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
