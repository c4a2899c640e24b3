//! Dispatch messages that are planned and not yet published, in a heap: the next one is on top.

use chrono::{DateTime, Utc};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, MutexGuard},
};
use tokio::sync::Notify;
use trigrun_core::domain::dispatch::Dispatch;

/// `plan` pauses above this. What is lost with this process, the `republish` pass of any scheduler publishes again.
const MAX_PENDING: usize = 200_000;

#[derive(Default)]
pub struct PendingDispatches {
    waiting: Mutex<BinaryHeap<Reverse<ByDue>>>,
    pushed: Notify,
}

struct ByDue(Dispatch);

impl PendingDispatches {
    pub fn push(&self, dispatches: Vec<Dispatch>) {
        if !dispatches.is_empty() {
            self.lock().extend(dispatches.into_iter().map(|dispatch| Reverse(ByDue(dispatch))));
            self.pushed.notify_one();
        }
    }

    /// Removes and returns up to `limit` of those due until `until`, the first ones.
    pub fn take_due(&self, until: DateTime<Utc>, limit: usize) -> Vec<Dispatch> {
        let mut waiting = self.lock();
        let mut due = Vec::new();
        while due.len() < limit
            && waiting.peek().is_some_and(|Reverse(ByDue(dispatch))| dispatch.due_at <= until)
        {
            due.extend(waiting.pop().map(|Reverse(ByDue(dispatch))| dispatch));
        }
        due
    }

    /// Removes and returns everything.
    pub fn take_all(&self) -> Vec<Dispatch> {
        self.take_due(DateTime::<Utc>::MAX_UTC, usize::MAX)
    }

    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.lock().peek().map(|Reverse(ByDue(dispatch))| dispatch.due_at)
    }

    pub fn is_full(&self) -> bool {
        self.lock().len() >= MAX_PENDING
    }

    /// Resolves after a `push`.
    pub async fn pushed(&self) {
        self.pushed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Reverse<ByDue>>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl PartialEq for ByDue {
    fn eq(&self, other: &Self) -> bool {
        self.0.due_at == other.0.due_at
    }
}

impl Eq for ByDue {}

impl PartialOrd for ByDue {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByDue {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.due_at.cmp(&other.0.due_at)
    }
}
