//! Places that accounts share: an account may take a place as long as it holds fewer than are free. One account alone gets half of them,
//! two get a third each: the next account finds places free, however many requests the others send.
//!
//! This is the dynamic threshold of Choudhury and Hahne ("Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};
use trigrun_core::domain::id::AccountId;

/// How many requests of an account wait for a place. Further ones are refused at once.
const MAX_WAITING: usize = 1000;

/// The account has too many requests in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Cheap to clone.
#[derive(Clone)]
pub struct Shares(Arc<Mutex<Places>>);

struct Places {
    free: usize,
    /// Accounts that hold places or wait for some.
    of: HashMap<AccountId, Account>,
    /// Accounts with waiting requests; each gets a place in turn.
    turns: VecDeque<AccountId>,
}

#[derive(Default)]
struct Account {
    held: usize,
    waiting: VecDeque<oneshot::Sender<Share>>,
}

/// A place, until it is dropped.
pub struct Share {
    shares: Shares,
    account: AccountId,
    is_taken: bool,
}

impl Shares {
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Places { free: places, of: HashMap::new(), turns: VecDeque::new() })))
    }

    /// Waits up to `wait` for a place.
    pub async fn take(&self, account: AccountId, wait: Duration) -> Result<Share, Refused> {
        let granted = {
            let mut places = self.lock();
            let Account { waiting, .. } = places.of.entry(account).or_default();
            // Those that gave up.
            waiting.retain(|waiting| !waiting.is_closed());
            if waiting.len() >= MAX_WAITING {
                return Err(Refused);
            }
            let (grant, granted) = oneshot::channel();
            waiting.push_back(grant);
            if waiting.len() == 1 && !places.turns.contains(&account) {
                places.turns.push_back(account);
            }
            self.grant(&mut places);
            granted
        };
        match timeout(wait, granted).await {
            Ok(Ok(share)) => Ok(share),
            _ => Err(Refused),
        }
    }

    /// Gives free places to waiting requests, account by account.
    fn grant(&self, places: &mut Places) {
        let mut passed_over = 0;
        while passed_over < places.turns.len()
            && let Some(id) = places.turns.pop_front()
        {
            let Some(account) = places.of.get_mut(&id) else { continue };
            if account.held >= places.free {
                places.turns.push_back(id);
                passed_over += 1;
                continue;
            }
            if let Some(waiting) = account.waiting.pop_front() {
                match waiting.send(Share { shares: self.clone(), account: id, is_taken: true }) {
                    Ok(()) => {
                        account.held += 1;
                        places.free -= 1;
                    }
                    // It has given up.
                    Err(mut share) => share.is_taken = false,
                }
            }
            if !account.waiting.is_empty() {
                places.turns.push_back(id);
            } else if account.held == 0 {
                places.of.remove(&id);
            }
            passed_over = 0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.is_taken {
            return;
        }
        let mut places = self.shares.lock();
        places.free += 1;
        if let Some(account) = places.of.get_mut(&self.account) {
            account.held -= 1;
            if account.held == 0 && account.waiting.is_empty() {
                places.of.remove(&self.account);
            }
        }
        self.shares.grant(&mut places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    /// All places that the account gets without waiting.
    async fn take_all(shares: &Shares, number: u128) -> Vec<Share> {
        let mut taken = Vec::new();
        while let Ok(share) = shares.take(account(number), Duration::ZERO).await {
            taken.push(share);
        }
        taken
    }

    #[tokio::test]
    async fn every_account_leaves_places_free() {
        let shares = Shares::new(12);
        let first = take_all(&shares, 1).await;
        let second = take_all(&shares, 2).await;
        let third = take_all(&shares, 3).await;
        assert_eq!([first.len(), second.len(), third.len()], [6, 3, 2]);
        drop((first, second, third));
        assert_eq!(take_all(&shares, 4).await.len(), 6);
        assert!(shares.lock().of.is_empty() && shares.lock().turns.len() <= 1);
    }

    #[tokio::test]
    async fn a_waiting_request_gets_a_place_that_is_returned() {
        let shares = Shares::new(4);
        let mut taken = take_all(&shares, 1).await;
        assert_eq!(taken.len(), 2);
        let long = Duration::from_secs(60);
        let (waited, ()) = tokio::join!(shares.take(account(1), long), async { drop(taken.pop()) });
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn only_so_many_requests_of_an_account_wait() {
        let shares = Shares::new(2);
        let _held = take_all(&shares, 1).await;
        let long = Duration::from_secs(60);
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(shares.take(account(1), long))).collect();
        for wait in &mut waiting {
            assert!(futures_util::poll!(wait).is_pending());
        }
        assert_eq!(shares.take(account(1), long).await.err(), Some(Refused));
        // Another account does not wait behind them.
        assert!(shares.take(account(2), Duration::ZERO).await.is_ok());
        waiting.clear();
        assert!(futures_util::poll!(Box::pin(shares.take(account(1), long))).is_pending());
    }
}
