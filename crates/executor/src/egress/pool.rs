//! Keeps connections between exchanges, per workspace and destination, and limits concurrent exchanges. Workspaces share nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use trigrun_core::domain::id::WorkspaceId;

use super::{
    connection::{Connection, Multiplexed},
    destinations::{Destinations, Limits},
    gate::Young,
    http1::Exclusive,
};
use crate::owner::{Owner, Share};

/// Idle and shared connections of all workspaces. Above it, a connection is closed after its exchange.
pub(super) const MAX_CONNECTIONS: usize = 4096;
/// A connection is kept for less time than its server announces, so that no request is sent while the server closes it.
const CLOSE_MARGIN: Duration = Duration::from_secs(1);
/// Concurrent exchanges of one workspace with one destination at first; the others wait for a permit. A destination that responds
/// quickly is faster over few busy connections than over many.
const INITIAL_PERMITS: usize = 64;
/// Each exchange that takes longer adds one permit, up to what one destination may have in total.
const SLOW_EXCHANGE: Duration = Duration::from_millis(50);

pub(super) struct Pool {
    connections: Mutex<Connections>,
    idle_timeout: Duration,
    max_idle_per_destination: usize,
    max_permits: usize,
}

#[derive(Default)]
struct Connections {
    /// By workspace, then by origin (`scheme://host:port`).
    destinations: HashMap<WorkspaceId, HashMap<Box<str>, Destination>>,
    count: usize,
}

struct Destination {
    idle: Vec<Idle>,
    shared: Vec<Arc<Multiplexed>>,
    permits: Arc<Semaphore>,
    /// How many permits may still be added.
    addable: Arc<AtomicUsize>,
    /// Of the host and port, over all workspaces. Looked up once.
    limits: Option<Limits>,
}

impl Destination {
    fn new(max_permits: usize) -> Self {
        Self {
            idle: Vec::new(),
            shared: Vec::new(),
            permits: Arc::new(Semaphore::new(INITIAL_PERMITS)),
            addable: Arc::new(AtomicUsize::new(max_permits.saturating_sub(INITIAL_PERMITS))),
            limits: None,
        }
    }

    /// It has no connection, and no task has or awaits a permit.
    fn is_unused(&self) -> bool {
        self.idle.is_empty() && self.shared.is_empty() && Arc::strong_count(&self.permits) == 1
    }
}

/// The right to one exchange with a destination, until it is dropped.
pub struct ExchangePermit {
    permit: OwnedSemaphorePermit,
    addable: Arc<AtomicUsize>,
    _request: Share,
    _young: Young,
}

impl ExchangePermit {
    /// The exchange is over and took this long.
    pub fn release(self, took: Duration) {
        let fewer = |addable: usize| addable.checked_sub(1);
        if took > SLOW_EXCHANGE
            && self.addable.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok()
        {
            self.permit.semaphore().add_permits(1);
        }
    }
}

struct Idle {
    connection: Box<Exclusive>,
    until: Instant,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle_per_destination: usize, max_permits: usize) -> Self {
        Self { connections: Mutex::default(), idle_timeout, max_idle_per_destination, max_permits }
    }

    /// The right to an exchange, in order of arrival within the workspace. `limits` are those of the destination, over all workspaces.
    /// Never `None`: the semaphores are not closed.
    pub(super) async fn permit(
        &self,
        owner: &Owner,
        origin: &str,
        limits: impl FnOnce() -> Limits,
    ) -> Option<ExchangePermit> {
        let (permits, addable, limits, is_only) = {
            let mut connections = self.lock();
            let destination = connections.destination(owner.workspace(), origin, self.max_permits);
            let limits = destination.limits.get_or_insert_with(limits).clone();
            let is_only = Arc::strong_count(&destination.permits) == 1;
            (destination.permits.clone(), destination.addable.clone(), limits, is_only)
        };
        let permit = permits.acquire_owned().await.ok()?;
        let request = limits.requests.take(*owner, 1).await;
        let young = limits.gate.enter(is_only).await;
        Some(ExchangePermit { permit, addable, _request: request, _young: young })
    }

    /// A kept connection that is still usable.
    pub(super) fn take(&self, workspace: WorkspaceId, origin: &str) -> Option<Connection> {
        self.lock().pop(workspace, origin)
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn put(&self, workspace: WorkspaceId, origin: &str, mut connection: Box<Exclusive>) {
        let kept_for = connection
            .kept_for
            .map_or(self.idle_timeout, |server| self.idle_timeout.min(server.saturating_sub(CLOSE_MARGIN)));
        if kept_for.is_zero() || !connection.can_be_kept() {
            return;
        }
        connection.has_rested = true;
        let mut connections = self.lock();
        if connections.count >= MAX_CONNECTIONS {
            return;
        }
        let destination = connections.destination(workspace, origin, self.max_permits);
        if destination.idle.len() < self.max_idle_per_destination {
            destination.idle.push(Idle { connection, until: Instant::now() + kept_for });
            connections.count += 1;
        }
    }

    /// Makes a new connection available to other exchanges of the workspace.
    pub(super) fn share(&self, workspace: WorkspaceId, origin: &str, connection: &Arc<Multiplexed>) {
        let mut connections = self.lock();
        if connections.count < MAX_CONNECTIONS {
            let destination = connections.destination(workspace, origin, self.max_permits);
            destination.shared.push(Arc::clone(connection));
            connections.count += 1;
        }
    }

    /// Closes the oldest idle connection of each workspace to this host and port.
    pub(super) fn make_room(&self, host: &str, port: u16) {
        let is_theirs = |origin: &str| origin_ends_with(origin, host, port);
        let mut connections = self.lock();
        for destinations in connections.destinations.values_mut() {
            for (_, destination) in destinations.iter_mut().filter(|(origin, _)| is_theirs(origin)) {
                if !destination.idle.is_empty() {
                    destination.idle.remove(0);
                }
            }
        }
        connections.count_again();
    }

    /// Closes the idle connections of this workspace, or all.
    pub(super) fn close_idle(&self, of: Option<WorkspaceId>) {
        let mut connections = self.lock();
        let affected = connections.destinations.iter_mut();
        let affected = affected.filter(|(workspace, _)| of.is_none_or(|of| of == **workspace));
        for destination in affected.flat_map(|(_, destinations)| destinations.values_mut()) {
            destination.idle.clear();
            destination.shared.retain(|shared| !shared.is_idle());
        }
        connections.count_again();
    }

    /// Closes connections that have been idle for too long.
    fn purge(&self) {
        let now = Instant::now();
        let idle_since = now.checked_sub(self.idle_timeout);
        let mut connections = self.lock();
        for destinations in connections.destinations.values_mut() {
            for destination in destinations.values_mut() {
                destination.idle.retain_mut(|idle| idle.until > now && !idle.connection.is_closed());
                destination.shared.retain(|shared| {
                    !shared.is_spent() && !idle_since.is_some_and(|instant| shared.is_idle_since(instant))
                });
            }
            destinations.retain(|_, destination| !destination.is_unused());
        }
        connections.destinations.retain(|_, destinations| !destinations.is_empty());
        connections.count_again();
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    fn destination(&mut self, workspace: WorkspaceId, origin: &str, max_permits: usize) -> &mut Destination {
        let destinations = self.destinations.entry(workspace).or_default();
        // Looked up first, so that only a new destination costs a copy of its name.
        if !destinations.contains_key(origin) {
            destinations.insert(origin.into(), Destination::new(max_permits));
        }
        destinations.get_mut(origin).expect("it was inserted")
    }

    fn count_again(&mut self) {
        let destinations = self.destinations.values().flat_map(HashMap::values);
        self.count = destinations.map(|destination| destination.idle.len() + destination.shared.len()).sum();
    }

    /// The connection that was used last, so that surplus ones become idle and are closed.
    fn pop(&mut self, workspace: WorkspaceId, origin: &str) -> Option<Connection> {
        let destination = self.destinations.get_mut(&workspace)?.get_mut(origin)?;
        let now = Instant::now();
        while let Some(mut idle) = destination.idle.pop() {
            self.count = self.count.saturating_sub(1);
            if idle.until > now && !idle.connection.is_closed() {
                return Some(Connection::Exclusive(idle.connection));
            }
        }
        destination.shared.iter().find_map(Multiplexed::reserve).map(Connection::Shared)
    }
}

/// Whether it is `scheme://host:port`, or without the port if that is the scheme's.
fn origin_ends_with(origin: &str, host: &str, port: u16) -> bool {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    let rest = authority.strip_prefix(host);
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':') == Some(port.to_string().as_str()))
}

/// Purges until the pool is dropped.
pub(super) async fn purge_repeatedly(
    pool: Weak<Pool>,
    destinations: Arc<Destinations>,
    idle_timeout: Duration,
) {
    let mut ticks = tokio::time::interval((idle_timeout / 2).max(Duration::from_millis(100)));
    loop {
        ticks.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        pool.purge();
        destinations.purge();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::gate::{Gate, YOUNG_TIME},
        *,
    };
    use crate::owner::Shares;
    use futures_util::FutureExt;
    use uuid::Uuid;

    #[test]
    fn a_slow_destination_gets_more_permits_up_to_a_maximum() {
        const MAX_PERMITS: usize = 256;
        let pool = Pool::new(Duration::from_secs(60), 1, MAX_PERMITS);
        let owner = Owner::alone(Uuid::nil().into(), Uuid::nil().into());
        let limits = || Limits {
            requests: Shares::new(4 * MAX_PERMITS, 100),
            gate: Gate::new(MAX_PERMITS, YOUNG_TIME),
        };
        let permit = || pool.permit(&owner, "https://example.com", limits).now_or_never().flatten();
        let mut permits: Vec<ExchangePermit> = std::iter::from_fn(permit).collect();
        assert_eq!(permits.len(), INITIAL_PERMITS);
        permits.pop().unwrap().release(SLOW_EXCHANGE);
        permits.extend(std::iter::from_fn(permit));
        assert_eq!(permits.len(), INITIAL_PERMITS, "it was not slow");
        for _ in 0..2 * MAX_PERMITS {
            permits.pop().unwrap().release(SLOW_EXCHANGE * 2);
            permits.extend(std::iter::from_fn(permit));
        }
        assert_eq!(permits.len(), MAX_PERMITS);
    }
}
