//! Divides a capacity of this process among accounts, so that no account can use it up.
//!
//! The rule is one of *dynamic thresholds*: an account may hold a percentage of what is free. (Choudhury and Hahne, "Dynamic queue length
//! thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking 6 (2), 1998.) Each further greedy account gets a little
//! less, and something is always left for the next one: no account waits until another's slow target responds. What comes back
//! soon can be lent without harm, so an account may also hold as much as it gave back soon within the last second, up to all that is
//! free. Within an account, a workspace may hold three times as much as the account has left, and likewise a job within
//! its workspace.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, oneshot};
use trigrun_core::domain::id::{AccountId, JobId, WorkspaceId};
use uuid::Uuid;

/// A single workspace may hold three quarters of what its account may hold, and a single job three quarters of that.
const LENT_WITHIN: usize = 3;
/// What is given back after this time was held for long.
const SOON: Duration = Duration::from_secs(1);
/// With more accounts than this in memory, those are forgotten that have given nothing back lately.
const MAX_RETURNS: usize = 1024;
/// How many owners of an account are looked at, to find one that may hold more.
const MAX_LOOKS: usize = 16;

/// For whom something is held: an account, one of its workspaces, and a part of that (a job, or a channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner([Uuid; 3]);

impl Owner {
    pub const fn new(account: AccountId, workspace: WorkspaceId, part: Uuid) -> Self {
        Self([account.uuid(), workspace.uuid(), part])
    }

    /// Of a workspace that is an account of its own.
    pub const fn alone(workspace: WorkspaceId, job: JobId) -> Self {
        Self([workspace.uuid(), workspace.uuid(), job.uuid()])
    }

    pub const fn account(&self) -> AccountId {
        AccountId::from_uuid(self.0[0])
    }

    pub const fn workspace(&self) -> WorkspaceId {
        WorkspaceId::from_uuid(self.0[1])
    }
}

/// A capacity: of places, bytes, look-ups. Cheap to clone; the clones share it.
#[derive(Clone)]
pub struct Shares(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Raised when something was given back.
    freed: Notify,
}

#[derive(Default)]
struct State {
    capacity: usize,
    percent: usize,
    used: usize,
    /// What is held by each account, workspace and part. Those that hold nothing are not in it.
    held: [HashMap<Uuid, usize>; 3],
    /// By account.
    returns: HashMap<Uuid, Returns>,
    waiting: Waiting,
}

/// What an account gave back soon, within about the last second.
#[derive(Clone, Copy)]
struct Returns {
    amount: f64,
    at: Instant,
}

impl Returns {
    /// Half of it counts after a second, none after two.
    fn recent(self, now: Instant) -> f64 {
        let left = (2 * SOON).saturating_sub(now.saturating_duration_since(self.at));
        self.amount * left.as_secs_f64() / (2 * SOON).as_secs_f64()
    }
}

/// Who waits, first come first served within an owner; the accounts take turns, and the owners of an account.
#[derive(Default)]
struct Waiting {
    queues: HashMap<Owner, VecDeque<Waiter>>,
    /// Of each account, those that wait.
    owners: HashMap<Uuid, VecDeque<Owner>>,
    /// The accounts that wait. To look at one that may hold no more takes the same time whatever it waits for.
    turns: VecDeque<Uuid>,
}

struct Waiter {
    amount: usize,
    granted: oneshot::Sender<Share>,
}

/// A part of a capacity that its owner holds until it is dropped.
pub struct Share {
    of: Shares,
    owner: Owner,
    amount: usize,
    since: Instant,
}

impl Shares {
    /// An account may hold `percent` of what is free.
    pub fn new(capacity: usize, percent: usize) -> Self {
        let state = State { capacity, percent, ..State::default() };
        Self(Arc::new(Inner { state: Mutex::new(state), freed: Notify::new() }))
    }

    /// What is held beyond a smaller capacity is kept until it is given back.
    pub fn set_capacity(&self, capacity: usize) {
        let mut state = self.lock();
        state.capacity = capacity;
        self.grant_and_unlock(state);
    }

    /// How much is not held.
    pub fn free(&self) -> usize {
        let state = self.lock();
        state.capacity.saturating_sub(state.used)
    }

    /// How much more this owner may hold now.
    pub fn available(&self, owner: &Owner) -> usize {
        self.lock().available(owner)
    }

    /// `None` if the owner would hold more than its share.
    pub fn try_take(&self, owner: Owner, amount: usize) -> Option<Share> {
        let mut state = self.lock();
        (state.available(&owner) >= amount).then(|| self.take_from(&mut state, owner, amount))
    }

    /// Waits until the owner may hold this much. An amount over what one job can ever hold counts as that.
    pub async fn take(&self, owner: Owner, amount: usize) -> Share {
        let granted = {
            let mut state = self.lock();
            let amount = amount.min(state.most_of_one_job());
            if state.waiting.is_empty_for(&owner) && state.available(&owner) >= amount {
                return self.take_from(&mut state, owner, amount);
            }
            let (granted, is_granted) = oneshot::channel();
            state.waiting.push(owner, Waiter { amount, granted });
            is_granted
        };
        match granted.await {
            Ok(share) => share,
            // The sender is dropped only after it has sent.
            Err(_) => self.take_from(&mut self.lock(), owner, 0),
        }
    }

    /// Resolves when something was given back, for one of the tasks that wait.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn take_from(&self, state: &mut State, owner: Owner, amount: usize) -> Share {
        state.add(&owner, amount);
        Share { of: self.clone(), owner, amount, since: Instant::now() }
    }

    fn give_back(&self, owner: &Owner, amount: usize, since: Instant) {
        let now = Instant::now();
        let mut state = self.lock();
        state.remove(owner, amount);
        if now.saturating_duration_since(since) < SOON {
            state.returned_soon(owner, amount, now);
        }
        self.grant_and_unlock(state);
        self.0.freed.notify_one();
    }

    /// Grants what may be granted now. A share whose waiter is gone is dropped without the lock, because dropping it takes the lock.
    fn grant_and_unlock(&self, mut state: MutexGuard<'_, State>) {
        let mut granted = Vec::new();
        while let Some((owner, waiter)) = state.next_waiter() {
            granted.push((waiter.granted, self.take_from(&mut state, owner, waiter.amount)));
        }
        drop(state);
        for (waiter, share) in granted {
            drop(waiter.send(share));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How much more this owner may hold. An account that holds nothing gets the last bit of a capacity, so that small ones serve everybody.
    fn available(&self, owner: &Owner) -> usize {
        let free = self.capacity.saturating_sub(self.used);
        let mut limit = self.limit_of(&owner.0[0], free);
        let mut available = free;
        for (level, key) in owner.0.iter().enumerate() {
            let held = self.held[level].get(key).copied().unwrap_or_default();
            let left = limit.saturating_sub(held);
            available = available.min(left);
            limit = left.saturating_mul(LENT_WITHIN);
        }
        let holds_nothing = !self.held[0].contains_key(&owner.0[0]);
        if holds_nothing { available.max(free.min(1)) } else { available }
    }

    /// Of a capacity that no other account uses.
    fn most_of_one_job(&self) -> usize {
        let account = self.capacity * self.percent / (100 + self.percent);
        (account * LENT_WITHIN * LENT_WITHIN / (1 + LENT_WITHIN).pow(2)).max(1)
    }

    fn returned_soon(&mut self, owner: &Owner, amount: usize, now: Instant) {
        let account = owner.0[0];
        if self.returns.len() >= MAX_RETURNS && !self.returns.contains_key(&account) {
            self.returns.retain(|_, returns| returns.recent(now) > 1.0);
        }
        if self.returns.len() < 8 * MAX_RETURNS || self.returns.contains_key(&account) {
            let returns = self.returns.entry(account).or_insert(Returns { amount: 0.0, at: now });
            *returns = Returns { amount: returns.recent(now) + amount as f64, at: now };
        }
    }

    fn add(&mut self, owner: &Owner, amount: usize) {
        self.used += amount;
        for (held, key) in self.held.iter_mut().zip(owner.0) {
            *held.entry(key).or_default() += amount;
        }
    }

    fn remove(&mut self, owner: &Owner, amount: usize) {
        self.used -= amount;
        for (held, key) in self.held.iter_mut().zip(owner.0) {
            if let Some(count) = held.get_mut(&key) {
                *count -= amount;
                if *count == 0 {
                    held.remove(&key);
                }
            }
        }
    }

    /// Removes and returns the first waiter whose owner may hold what it wants.
    fn next_waiter(&mut self) -> Option<(Owner, Waiter)> {
        for _ in 0..self.waiting.turns.len() {
            let account = self.waiting.turns.pop_front()?;
            let mut owners = self.waiting.owners.remove(&account).unwrap_or_default();
            let found =
                if self.available_to_account(&account) > 0 { self.next_of(&mut owners) } else { None };
            if !owners.is_empty() {
                self.waiting.owners.insert(account, owners);
                self.waiting.turns.push_back(account);
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn next_of(&mut self, owners: &mut VecDeque<Owner>) -> Option<(Owner, Waiter)> {
        for _ in 0..owners.len().min(MAX_LOOKS) {
            let owner = owners.pop_front()?;
            let wanted = self.waiting.queues.get(&owner).and_then(VecDeque::front).map(|first| first.amount);
            let may_have = wanted.is_some_and(|amount| self.available(&owner) >= amount);
            let waiter = if may_have { self.waiting.pop(&owner) } else { None };
            if self.waiting.queues.contains_key(&owner) {
                owners.push_back(owner);
            }
            if let Some(waiter) = waiter {
                return Some((owner, waiter));
            }
        }
        None
    }

    fn available_to_account(&self, account: &Uuid) -> usize {
        let free = self.capacity.saturating_sub(self.used);
        match self.held[0].get(account) {
            Some(held) => self.limit_of(account, free).saturating_sub(*held),
            None => free,
        }
    }

    /// How much an account may hold while so much is free.
    fn limit_of(&self, account: &Uuid, free: usize) -> usize {
        let returns = self.returns.get(account).map_or(0.0, |returns| returns.recent(Instant::now()));
        (free * self.percent / 100).max((returns as usize).min(free))
    }
}

impl Waiting {
    fn is_empty_for(&self, owner: &Owner) -> bool {
        !self.queues.contains_key(owner)
    }

    fn push(&mut self, owner: Owner, waiter: Waiter) {
        let queue = self.queues.entry(owner).or_default();
        if queue.is_empty() {
            let owners = self.owners.entry(owner.0[0]).or_default();
            if owners.is_empty() {
                self.turns.push_back(owner.0[0]);
            }
            owners.push_back(owner);
        }
        // Those that have given up go before the queue grows: it is never longer than twice what waits.
        if queue.len() == queue.capacity() {
            queue.retain(|waiter| !waiter.granted.is_closed());
        }
        queue.push_back(waiter);
    }

    fn pop(&mut self, owner: &Owner) -> Option<Waiter> {
        let queue = self.queues.get_mut(owner)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(owner);
        }
        waiter
    }
}

impl Share {
    /// Adds to what is held, unless the owner would hold more than its share.
    pub fn try_grow(&mut self, amount: usize) -> bool {
        let mut state = self.of.lock();
        let may_have = state.available(&self.owner) >= amount;
        if may_have {
            state.add(&self.owner, amount);
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

    pub const fn owner(&self) -> Owner {
        self.owner
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.give_back(&self.owner, self.amount, self.since);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("owner", &self.owner).field("amount", &self.amount).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    fn owner(account: u128, workspace: u128, job: u128) -> Owner {
        Owner([account, workspace, job].map(Uuid::from_u128))
    }

    /// Takes one at a time until the owner may hold no more.
    fn take_all(shares: &Shares, owner: Owner) -> Vec<Share> {
        std::iter::from_fn(|| shares.try_take(owner, 1)).collect()
    }

    #[test]
    fn greedy_accounts_leave_room_for_the_next() {
        let shares = Shares::new(4096, 12);
        let mut held = Vec::new();
        for account in 1..=16 {
            held.push(take_all(&shares, owner(account, account, account)));
        }
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert!(counts[0] > 256 && counts[0] < 512 && counts[15] > 32, "{counts:?}");
        assert!(shares.available(&owner(17, 17, 17)) > 32);
    }

    #[test]
    fn what_comes_back_soon_is_lent_up_to_half() {
        let (shares, owner) = (Shares::new(4096, 12), owner(1, 1, 1));
        let mut most = 0;
        for _ in 0..10 {
            most = take_all(&shares, owner).len();
        }
        assert!(most > 1024 && most <= 2048, "{most}");
    }

    #[test]
    fn returns_are_forgotten() {
        let (at, amount) = (Instant::now(), 1000.0);
        let recent = [0, 1, 2, 3].map(|seconds| Returns { amount, at }.recent(at + seconds * SOON));
        assert_eq!(recent, [1000.0, 500.0, 0.0, 0.0]);
    }

    #[test]
    fn workspaces_of_one_account_share_its_part() {
        let shares = Shares::new(4096, 100);
        let held: Vec<Share> =
            (1..=20).flat_map(|workspace| take_all(&shares, owner(1, workspace, workspace))).collect();
        assert!(held.len() <= 2048, "{}", held.len());
        assert!(shares.available(&owner(2, 100, 100)) > 1000);
    }

    #[test]
    fn a_greedy_job_leaves_room_for_the_other_jobs_of_its_workspace() {
        let shares = Shares::new(4096, 100);
        let greedy = take_all(&shares, owner(1, 1, 1));
        assert!(greedy.len() > 1024, "{}", greedy.len());
        assert!(shares.available(&owner(1, 1, 2)) > 100);
        assert!(shares.available(&owner(1, 2, 3)) > 100);
    }

    #[test]
    fn nobody_waits_for_more_than_it_can_get() {
        let (shares, owner) = (Shares::new(4096, 12), owner(1, 1, 1));
        let most = shares.lock().most_of_one_job();
        assert!(shares.try_take(owner, most).is_some());
    }

    #[test]
    fn a_small_capacity_serves_everybody() {
        let shares = Shares::new(1, 100);
        let held = shares.try_take(owner(1, 1, 1), 1).unwrap();
        assert!(shares.try_take(owner(2, 2, 2), 1).is_none());
        drop(held);
        assert!(shares.try_take(owner(2, 2, 2), 1).is_some());
    }

    #[tokio::test]
    async fn owners_take_turns() {
        let shares = Shares::new(8, 100);
        let mut held: Vec<Share> = (1..=8).filter_map(|id| shares.try_take(owner(id, id, id), 1)).collect();
        assert_eq!(held.len(), 8);
        let (greedy, modest) = (owner(10, 10, 10), owner(11, 11, 11));
        let (mut first, mut second) = (pin!(shares.take(greedy, 1)), pin!(shares.take(greedy, 1)));
        let mut third = pin!(shares.take(modest, 1));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        held.pop();
        let first = poll!(&mut first);
        assert!(first.is_ready());
        held.pop();
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn what_was_granted_to_a_waiter_that_is_gone_is_given_back() {
        let shares = Shares::new(1, 100);
        let held = shares.try_take(owner(1, 1, 1), 1);
        {
            let mut waiting = pin!(shares.take(owner(2, 2, 2), 1));
            assert!(poll!(&mut waiting).is_pending());
            drop(held);
        }
        assert_eq!(shares.free(), 1);
        let held = shares.try_take(owner(1, 1, 1), 1);
        {
            let mut waiting = pin!(shares.take(owner(2, 2, 2), 1));
            assert!(poll!(&mut waiting).is_pending());
        }
        drop(held);
        assert_eq!(shares.free(), 1);
    }

    #[tokio::test]
    async fn waiters_that_give_up_leave_no_trace() {
        let shares = Shares::new(1, 100);
        let _held = shares.try_take(owner(1, 1, 1), 1);
        for _ in 0..10_000 {
            let mut waiting = pin!(shares.take(owner(2, 2, 2), 1));
            assert!(poll!(&mut waiting).is_pending());
        }
        let left = shares.lock().waiting.queues.values().map(VecDeque::capacity).sum::<usize>();
        assert!(left < 100, "{left}");
    }

    #[test]
    fn a_share_grows_within_its_limit() {
        let shares = Shares::new(100, 100);
        let mut share = shares.try_take(owner(1, 1, 1), 10).unwrap();
        assert!(share.try_grow(20));
        assert!(!share.try_grow(80));
        drop(share);
        assert_eq!(shares.free(), 100);
    }
}
