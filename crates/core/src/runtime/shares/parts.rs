//! The tree of what is held: of all, of an account, of a workspace, of a job. And who waits in each of them.

use std::collections::VecDeque;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{KeyMap, LENT_WITHIN, Owner, Share};

/// How many of the parts that wait are looked at, to find one that may hold more.
const MAX_LOOKS: usize = 16;

/// What is held, and who waits: of all, an account, a workspace, a job. Those that hold nothing and do not wait are not in memory.
pub(super) struct Part<O: Owner> {
    pub(super) held: usize,
    /// Boxed, because the most numerous parts, jobs, mostly have none: so they stay in the processor's cache.
    pub(super) inner: Option<Box<PartInner<O>>>,
}

pub(super) struct PartInner<O: Owner> {
    parts: KeyMap<Part<O>>,
    /// The parts that wait take turns.
    pub(super) turns: VecDeque<Uuid>,
    /// Of a part without parts: first come, first served.
    pub(super) waiting: VecDeque<Waiter<O>>,
}

pub(super) struct Waiter<O: Owner> {
    pub(super) owner: O,
    pub(super) amount: usize,
    pub(super) granted: oneshot::Sender<Share<O>>,
}

impl<O: Owner> Default for Part<O> {
    fn default() -> Self {
        Self { held: 0, inner: None }
    }
}

impl<O: Owner> Default for PartInner<O> {
    fn default() -> Self {
        Self { parts: KeyMap::default(), turns: VecDeque::new(), waiting: VecDeque::new() }
    }
}

impl<O: Owner> Part<O> {
    pub(super) fn part(&self, key: &Uuid) -> Option<&Self> {
        self.inner.as_ref()?.parts.get(key)
    }

    pub(super) fn at(&mut self, path: &[Uuid]) -> Option<&mut Self> {
        path.iter().try_fold(self, |part, key| part.inner.as_mut()?.parts.get_mut(key))
    }

    pub(super) fn add(&mut self, path: &[Uuid], amount: usize) {
        self.held += amount;
        if let Some((key, rest)) = path.split_first() {
            self.inner.get_or_insert_default().parts.entry(*key).or_default().add(rest, amount);
        }
    }

    pub(super) fn remove(&mut self, path: &[Uuid], amount: usize) {
        self.held -= amount;
        if let Some((key, rest)) = path.split_first()
            && let Some(inner) = &mut self.inner
            && let Some(part) = inner.parts.get_mut(key)
        {
            part.remove(rest, amount);
            if part.is_unused() {
                inner.parts.remove(key);
            }
        }
    }

    fn is_unused(&self) -> bool {
        self.held == 0 && !self.waits()
    }

    pub(super) fn waits(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| !inner.turns.is_empty() || !inner.waiting.is_empty())
    }

    pub(super) fn push(&mut self, path: &[Uuid], waiter: Waiter<O>) {
        let inner = self.inner.get_or_insert_default();
        if let Some((key, rest)) = path.split_first() {
            let part = inner.parts.entry(*key).or_default();
            if !part.waits() {
                inner.turns.push_back(*key);
            }
            return part.push(rest, waiter);
        }
        // Those that have given up go before the queue grows: it is never longer than twice what waits.
        if inner.waiting.len() == inner.waiting.capacity() {
            inner.waiting.retain(|waiter| !waiter.granted.is_closed());
        }
        inner.waiting.push_back(waiter);
    }

    fn next_waiter(&mut self, left: usize, available: usize) -> Option<Waiter<O>> {
        let inner = self.inner.as_mut()?;
        for _ in 0..inner.turns.len().min(MAX_LOOKS) {
            let key = inner.turns.pop_front()?;
            let found = inner.take_turn(key, left.saturating_mul(LENT_WITHIN), available);
            if found.is_some() {
                return found;
            }
        }
        let may_have = inner.waiting.front().is_some_and(|first| first.amount <= available);
        if may_have { inner.waiting.pop_front() } else { None }
    }
}

impl<O: Owner> PartInner<O> {
    /// The turn of a part that was at the front: the first of its waiters that may hold what it wants, within the part's limit and what is
    /// available. The part goes to the end of the turns, if it still waits.
    pub(super) fn take_turn(&mut self, key: Uuid, limit: usize, available: usize) -> Option<Waiter<O>> {
        let part = self.parts.get_mut(&key)?;
        let left = limit.saturating_sub(part.held);
        let found = if left == 0 { None } else { part.next_waiter(left, available.min(left)) };
        if part.waits() {
            self.turns.push_back(key);
        } else if part.held == 0 {
            self.parts.remove(&key);
        }
        found
    }
}
