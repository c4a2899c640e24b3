//! Bells that are recorded and not yet rung, the next one first.

use chrono::{DateTime, Utc};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, MutexGuard},
};
use tokio::sync::Notify;
use trigrun_core::domain::bell::Bell;

/// So many may wait here; `plan` pauses above it. What is lost with the process is rung by somebody's `recover`.
const FULL: usize = 200_000;

#[derive(Default)]
pub struct Bells {
    waiting: Mutex<BinaryHeap<Reverse<ByDue>>>,
    pushed: Notify,
}

struct ByDue(Bell);

impl Bells {
    pub fn push(&self, bells: Vec<Bell>) {
        if !bells.is_empty() {
            self.lock().extend(bells.into_iter().map(|bell| Reverse(ByDue(bell))));
            self.pushed.notify_one();
        }
    }

    /// Takes out those due until `until`.
    pub fn take_due(&self, until: DateTime<Utc>) -> Vec<Bell> {
        let mut waiting = self.lock();
        let mut due = Vec::new();
        while waiting.peek().is_some_and(|Reverse(ByDue(bell))| bell.due_at <= until) {
            due.extend(waiting.pop().map(|Reverse(ByDue(bell))| bell));
        }
        due
    }

    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.lock().peek().map(|Reverse(ByDue(bell))| bell.due_at)
    }

    pub fn is_full(&self) -> bool {
        self.lock().len() >= FULL
    }

    /// Resolves when more have come in.
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
