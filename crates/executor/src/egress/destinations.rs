//! How much of one target this process may use, over all workspaces, so that the service is no weapon: requests in flight and connections
//! to a destination (host and port), and connections to an address. Accounts have shares of these, and of all connections.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use trigrun_core::domain::target::TargetUrl;

use super::gate::Gate;
use crate::owner::{Owner, Share, Shares};

/// Many hosts can have one address: those of a content delivery network, for example.
const CONNECTIONS_PER_REQUEST: usize = 4;
/// An account may have as much of a target as is free: alone, half of it.
const ACCOUNT_PERCENT: usize = 100;

pub(super) struct Destinations {
    /// Of the installation.
    max_requests: usize,
    requests: Capacities<Box<str>>,
    gates: Mutex<HashMap<Box<str>, Gate>>,
    /// Of each gate.
    max_young: usize,
    young_time: Duration,
    /// Also idle ones.
    connections: Capacities<Box<str>>,
    address_connections: Capacities<IpAddr>,
    all_connections: Shares,
}

/// What limits the exchanges with one destination, over all workspaces.
#[derive(Clone)]
pub(super) struct Limits {
    /// Those in flight.
    pub(super) requests: Shares,
    /// Those that began a moment ago.
    pub(super) gate: Gate,
}

/// One of the connections to a destination, to an address, and of all, until it is dropped.
pub(super) struct ConnectionShares {
    _shares: [Share; 3],
}

impl Destinations {
    pub(super) fn new(
        max_requests: usize,
        max_connections: usize,
        (max_young, young_time): (usize, Duration),
    ) -> Self {
        Self {
            all_connections: Shares::new(max_connections, ACCOUNT_PERCENT),
            max_requests,
            requests: Capacities::new(max_requests),
            gates: Mutex::default(),
            max_young,
            young_time,
            connections: Capacities::new(max_requests),
            address_connections: Capacities::new(max_requests * CONNECTIONS_PER_REQUEST),
        }
    }

    /// Each executor has an equal part of what the installation may use.
    pub(super) fn set_live_executors(&self, executors: usize) {
        let part = self.max_requests.div_ceil(executors.max(1)).max(1);
        self.requests.set_capacity(part);
        self.connections.set_capacity(part);
        self.address_connections.set_capacity(part * CONNECTIONS_PER_REQUEST);
    }

    /// Of the URL's host and port.
    pub(super) fn limits(&self, url: &TargetUrl) -> Limits {
        let key = key(url.host(), url.port());
        let gate = self
            .gates()
            .entry(key.clone())
            .or_insert_with(|| Gate::new(self.max_young, self.young_time))
            .clone();
        Limits { requests: self.requests.of(key), gate }
    }

    /// Waits until the owner may have one more connection to the host and port, and to its address.
    pub(super) async fn connection(&self, owner: Owner, host: &str, address: SocketAddr) -> ConnectionShares {
        let of_destination = self.connections.of(key(host, address.port())).take(owner, 1).await;
        let of_address = self.address_connections.of(address.ip()).take(owner, 1).await;
        let of_all = self.all_connections.take(owner, 1).await;
        ConnectionShares { _shares: [of_destination, of_address, of_all] }
    }

    /// How many more connections this process may have.
    pub(super) fn connections_left(&self) -> usize {
        self.all_connections.free()
    }

    pub(super) fn purge(&self) {
        self.requests.purge();
        self.connections.purge();
        self.address_connections.purge();
        self.gates().retain(|_, gate| !gate.is_unused());
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<Box<str>, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(host: &str, port: u16) -> Box<str> {
    format!("{host}:{port}").into()
}

/// The same capacity for each key.
struct Capacities<K>(Mutex<Inner<K>>);

struct Inner<K> {
    capacity: usize,
    of: HashMap<K, Shares>,
}

impl<K: Eq + Hash> Capacities<K> {
    fn new(capacity: usize) -> Self {
        Self(Mutex::new(Inner { capacity, of: HashMap::new() }))
    }

    fn set_capacity(&self, capacity: usize) {
        let mut inner = self.lock();
        if inner.capacity != capacity {
            inner.capacity = capacity;
            inner.of.values().for_each(|shares| shares.set_capacity(capacity));
        }
    }

    /// All that have it at the same time share it.
    fn of(&self, key: K) -> Shares {
        let mut inner = self.lock();
        let capacity = inner.capacity;
        inner.of.entry(key).or_insert_with(|| Shares::new(capacity, ACCOUNT_PERCENT)).clone()
    }

    /// Forgets the keys that are not used or waited for.
    fn purge(&self) {
        self.lock().of.retain(|_, shares| !shares.is_unused());
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::gate::YOUNG_TIME, *};
    use trigrun_core::domain::{
        address::EgressPolicy,
        id::{JobId, WorkspaceId},
    };
    use uuid::Uuid;

    fn owner(number: u128) -> Owner {
        let id = Uuid::from_u128(number);
        Owner::alone(WorkspaceId::from_uuid(id), JobId::from_uuid(id))
    }

    fn url(text: &str) -> TargetUrl {
        TargetUrl::parse(text, &EgressPolicy::default()).unwrap()
    }

    /// Takes as much as the owner may have.
    fn take_all(destinations: &Destinations, number: u128, text: &str) -> Vec<Share> {
        let requests = destinations.limits(&url(text)).requests;
        std::iter::from_fn(|| requests.try_take(owner(number), 1)).collect()
    }

    #[test]
    fn all_accounts_together_have_no_more_than_the_maximum() {
        let destinations = Destinations::new(64, 1000, (48, YOUNG_TIME));
        let greedy = take_all(&destinations, 1, "https://example.com/a");
        assert!(greedy.len() <= 32 && greedy.len() > 16, "{}", greedy.len());
        let others =
            (2..100).flat_map(|account| take_all(&destinations, account, "http://EXAMPLE.com:443/b"));
        let others: Vec<Share> = others.collect();
        assert_eq!(greedy.len() + others.len(), 64);
        assert!(!take_all(&destinations, 100, "http://example.com/").is_empty(), "another port");
    }

    #[test]
    fn each_executor_has_a_part() {
        let destinations = Destinations::new(64, 1000, (48, YOUNG_TIME));
        destinations.set_live_executors(5);
        let all = |first| {
            (first..first + 50).flat_map(|account| take_all(&destinations, account, "https://example.com/"))
        };
        let held: Vec<Share> = all(1).collect();
        assert_eq!(held.len(), 13);
        destinations.set_live_executors(1);
        let more: Vec<Share> = all(100).collect();
        assert_eq!(held.len() + more.len(), 64);
        destinations.set_live_executors(1000);
        drop((held, more));
        assert_eq!(all(200).collect::<Vec<_>>().len(), 1);
    }

    #[test]
    fn unused_targets_are_forgotten() {
        let destinations = Destinations::new(64, 1000, (48, YOUNG_TIME));
        let held = take_all(&destinations, 1, "https://example.com/");
        drop(take_all(&destinations, 1, "https://example.org/"));
        destinations.purge();
        assert_eq!((destinations.requests.lock().of.len(), destinations.gates().len()), (1, 0));
        drop(held);
        destinations.purge();
        assert_eq!(destinations.requests.lock().of.len(), 0);
    }
}
