//! Divides a capacity of this process among accounts, so that no account can use it up.
//!
//! Half of a capacity goes to the first accounts that ask for it. For the other half, the rule is one of *dynamic thresholds*: an account may hold a
//! percentage of what is free. (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
//! Transactions on Networking 6 (2), 1998.) Each further greedy account gets a little less, and something is always left for the next one:
//! no account waits until another's slow target responds. What comes back soon can be lent without harm, so an account may also hold as
//! much as it gave back soon within the last second, up to all that is free. Within an account, a workspace may hold three times as much
//! as the account has left, and likewise a job within its workspace.

use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

mod parts;
#[cfg(test)]
mod tests;

use parts::{Part, Waiter};

/// One part of this many goes to the first accounts that ask for it.
const LENT_DIVISOR: usize = 2;
/// A single workspace may hold three quarters of what its account may hold, and a single job three quarters of that.
const LENT_WITHIN: usize = 3;
/// What is given back after this time was held for long.
const SOON: Duration = Duration::from_secs(1);
/// With more accounts than this in memory, those are forgotten that have given nothing back lately.
const MAX_RETURNS: usize = 1024;

/// For whom something is held.
pub trait Owner: Copy + Send + Sync + 'static {
    /// An account first, then possibly a part of it, a part of that, and so on. All owners of a capacity have paths of the same length.
    fn path(&self) -> &[Uuid];
}

impl<const LEVELS: usize> Owner for [Uuid; LEVELS] {
    fn path(&self) -> &[Uuid] {
        self
    }
}

/// A capacity: of places, bytes, look-ups. Cheap to clone; the clones share it.
pub struct Shares<O: Owner>(Arc<Inner<O>>);

struct Inner<O: Owner> {
    state: Mutex<State<O>>,
    /// Raised when something was given back.
    freed: Notify,
}

struct State<O: Owner> {
    capacity: usize,
    percent: usize,
    /// Its parts are the accounts.
    all: Part<O>,
    /// By account. Empty if the percentage lends all that is free anyway.
    returns: KeyMap<Returns>,
}

/// Keys are ids that this product made, or digests: users cannot choose them so that they collide.
type KeyMap<T> = HashMap<Uuid, T, RandomState>;

/// What an account gave back soon, within about the last second.
#[derive(Clone, Copy)]
struct Returns {
    amount: f64,
    at: Instant,
}

/// A part of a capacity that its owner holds until it is dropped.
pub struct Share<O: Owner> {
    of: Shares<O>,
    owner: O,
    amount: usize,
    since: Instant,
}

impl<O: Owner> Shares<O> {
    /// An account may hold `percent` of what is free.
    pub fn new(capacity: usize, percent: usize) -> Self {
        let state = State { capacity, percent, all: Part::default(), returns: KeyMap::default() };
        Self(Arc::new(Inner { state: Mutex::new(state), freed: Notify::new() }))
    }

    /// What is held beyond a smaller capacity is kept until it is given back.
    pub fn set_capacity(&self, capacity: usize) {
        let mut state = self.lock();
        state.capacity = capacity;
        self.grant_and_unlock(state, Instant::now());
    }

    /// How much is not held.
    pub fn free(&self) -> usize {
        self.lock().free()
    }

    /// How much more this owner may hold now.
    pub fn available(&self, owner: &O) -> usize {
        self.lock().available(owner, Instant::now())
    }

    /// How many wait for the same owner.
    pub fn waiting(&self, owner: &O) -> usize {
        let mut state = self.lock();
        let part = state.all.at(owner.path()).and_then(|part| part.inner.as_mut());
        part.map_or(0, |part| {
            part.waiting.retain(|waiter| !waiter.granted.is_closed());
            part.waiting.len()
        })
    }

    /// Whether nothing is held, and there is no other clone.
    pub fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// `None` if the owner would hold more than its share.
    pub fn try_take(&self, owner: O, amount: usize) -> Option<Share<O>> {
        let now = Instant::now();
        let mut state = self.lock();
        (state.available(&owner, now) >= amount).then(|| self.take_from(&mut state, owner, amount, now))
    }

    /// Waits until the owner may hold this much. An amount over what one owner can ever hold counts as that.
    pub async fn take(&self, owner: O, amount: usize) -> Share<O> {
        let granted = {
            let now = Instant::now();
            let mut state = self.lock();
            let amount = amount.min(state.most_of_one_owner(owner.path().len()));
            let is_first = state.all.at(owner.path()).is_none_or(|part| !part.waits());
            if is_first && state.available(&owner, now) >= amount {
                return self.take_from(&mut state, owner, amount, now);
            }
            let (granted, is_granted) = oneshot::channel();
            state.all.push(owner.path(), Waiter { owner, amount, granted });
            is_granted
        };
        match granted.await {
            Ok(share) => share,
            // The sender is dropped only after it has sent.
            Err(_) => self.take_from(&mut self.lock(), owner, 0, Instant::now()),
        }
    }

    /// Resolves when something was given back, for one of the tasks that wait.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn take_from(&self, state: &mut State<O>, owner: O, amount: usize, now: Instant) -> Share<O> {
        state.all.add(owner.path(), amount);
        Share { of: self.clone(), owner, amount, since: now }
    }

    fn give_back(&self, owner: &O, amount: usize, since: Instant) {
        let now = Instant::now();
        let mut state = self.lock();
        state.all.remove(owner.path(), amount);
        if now.saturating_duration_since(since) < SOON {
            state.returned_soon(owner, amount, now);
        }
        self.grant_and_unlock(state, now);
        self.0.freed.notify_one();
    }

    /// Grants what may be granted now. A share whose waiter is gone is dropped without the lock, because dropping it takes the lock.
    fn grant_and_unlock(&self, mut state: MutexGuard<'_, State<O>>, now: Instant) {
        let mut granted = Vec::new();
        while let Some(waiter) = state.next_waiter(now) {
            granted.push((waiter.granted, self.take_from(&mut state, waiter.owner, waiter.amount, now)));
        }
        drop(state);
        for (waiter, share) in granted {
            drop(waiter.send(share));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Owner> State<O> {
    fn free(&self) -> usize {
        self.capacity.saturating_sub(self.all.held)
    }

    /// How much more this owner may hold.
    fn available(&self, owner: &O, now: Instant) -> usize {
        let (mut limit, mut available, mut part) = (0, self.free(), Some(&self.all));
        for (level, key) in owner.path().iter().enumerate() {
            part = part.and_then(|part| part.part(key));
            let held = part.map_or(0, |part| part.held);
            if level == 0 {
                limit = self.limit_of(key, held, now);
            }
            let left = limit.saturating_sub(held);
            available = available.min(left);
            limit = left.saturating_mul(LENT_WITHIN);
        }
        available
    }

    /// How much an account that holds this much may hold. One that holds nothing gets the last bit of a capacity, so that small ones serve
    /// every account.
    fn limit_of(&self, account: &Uuid, held: usize, now: Instant) -> usize {
        let free = self.free();
        let returns = self.returns.get(account).map_or(0.0, |returns| returns.recent(now));
        let lent = free.saturating_sub(self.capacity - self.capacity / LENT_DIVISOR);
        let limit =
            (free.saturating_mul(self.percent) / 100).max((returns as usize).min(free)).max(held + lent);
        if held == 0 { limit.max(free.min(1)) } else { limit }
    }

    /// Of a capacity that no other account uses, when each owner is one of so many levels.
    fn most_of_one_owner(&self, levels: usize) -> usize {
        let account = (self.capacity * self.percent / (100 + self.percent)).max(self.capacity / LENT_DIVISOR);
        let within = |most: usize, _| most * LENT_WITHIN / (1 + LENT_WITHIN);
        (1..levels).fold(account, within).max(1)
    }

    fn returned_soon(&mut self, owner: &O, amount: usize, now: Instant) {
        if self.percent >= 100 {
            return;
        }
        let Some(account) = owner.path().first().copied() else { return };
        if self.returns.len() >= MAX_RETURNS && !self.returns.contains_key(&account) {
            self.returns.retain(|_, returns| returns.recent(now) > 1.0);
        }
        if self.returns.len() < 8 * MAX_RETURNS || self.returns.contains_key(&account) {
            let returns = self.returns.entry(account).or_insert(Returns { amount: 0.0, at: now });
            *returns = Returns { amount: returns.recent(now) + amount as f64, at: now };
        }
    }

    /// Removes and returns the first waiter whose owner may hold what it wants.
    fn next_waiter(&mut self, now: Instant) -> Option<Waiter<O>> {
        for _ in 0..self.all.inner.as_ref()?.turns.len() {
            let account = self.all.inner.as_mut()?.turns.pop_front()?;
            let held = self.all.part(&account).map_or(0, |part| part.held);
            let (limit, free) = (self.limit_of(&account, held, now), self.free());
            let found = self.all.inner.as_mut()?.take_turn(account, limit, free);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl Returns {
    /// Half of it counts after a second, none after two.
    fn recent(self, now: Instant) -> f64 {
        let left = (2 * SOON).saturating_sub(now.saturating_duration_since(self.at));
        self.amount * left.as_secs_f64() / (2 * SOON).as_secs_f64()
    }
}

impl<O: Owner> Share<O> {
    /// Adds to what is held, unless the owner would hold more than its share.
    pub fn try_grow(&mut self, amount: usize) -> bool {
        let mut state = self.of.lock();
        let may_have = state.available(&self.owner, Instant::now()) >= amount;
        if may_have {
            state.all.add(self.owner.path(), amount);
            self.amount += amount;
        }
        may_have
    }

    /// More for the same owner: waits until it may hold it.
    pub async fn take_also(&self, amount: usize) -> Self {
        self.of.take(self.owner, amount).await
    }

    /// Adds a share of the same owner and capacity.
    pub fn merge(&mut self, mut other: Self) {
        self.amount += std::mem::take(&mut other.amount);
    }

    pub const fn owner(&self) -> O {
        self.owner
    }
}

impl<O: Owner> Drop for Share<O> {
    fn drop(&mut self) {
        self.of.give_back(&self.owner, self.amount, self.since);
    }
}

impl<O: Owner> Clone for Shares<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O: Owner> fmt::Debug for Share<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("owner", &self.owner.path()).field("amount", &self.amount).finish()
    }
}
