//! Connections kept between exchanges, per workspace and destination. Nothing here crosses from one workspace to another.

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
    time::{Instant, timeout_at},
};
use trigrun_core::domain::id::WorkspaceId;

use super::connection::{Connection, Exclusive, Multiplexed};

/// All connections kept, of all workspaces; beyond it a connection is closed after its exchange.
const MAX_KEPT: usize = 4096;
/// For the rest of the last exchange's ending, which normally takes microseconds.
const SETTLING: Duration = Duration::from_millis(20);
/// A server that closes idle connections after a while is given less than that, so as not to send while it closes.
const CLOSING_MARGIN: Duration = Duration::from_secs(1);
/// Exchanges that one workspace has with one destination at once, to begin with; the others wait for their turn. A destination that
/// answers soon is served faster by few connections that are busy than by many.
const AT_ONCE: usize = 64;
/// One that takes longer than this is given one more at once for each time it did, up to so many in all.
const SLOW: Duration = Duration::from_millis(50);
const MOST_AT_ONCE: usize = 256;

pub(super) struct Pool {
    kept: Mutex<Kept>,
    idle_timeout: Duration,
    max_idle_per_destination: usize,
}

#[derive(Default)]
struct Kept {
    /// By workspace, then by origin (`scheme://host:port`).
    slots: HashMap<WorkspaceId, HashMap<Box<str>, Slot>>,
    count: usize,
}

struct Slot {
    idle: Vec<Idle>,
    shared: Vec<Arc<Multiplexed>>,
    turns: Arc<Semaphore>,
    /// How many more turns there may be.
    more: Arc<AtomicUsize>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            idle: Vec::new(),
            shared: Vec::new(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            more: Arc::new(AtomicUsize::new(MOST_AT_ONCE - AT_ONCE)),
        }
    }
}

impl Slot {
    /// Nothing is kept in it, and nobody has or awaits a turn.
    fn is_idle(&self) -> bool {
        self.idle.is_empty() && self.shared.is_empty() && Arc::strong_count(&self.turns) == 1
    }
}

/// The right to one exchange with a destination, until it is dropped.
pub struct Turn {
    permit: OwnedSemaphorePermit,
    more: Arc<AtomicUsize>,
}

impl Turn {
    /// The exchange is over, and took so long.
    pub fn over(self, took: Duration) {
        let fewer = |more: usize| more.checked_sub(1);
        if took > SLOW && self.more.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            self.permit.semaphore().add_permits(1);
        }
    }
}

struct Idle {
    connection: Exclusive,
    until: Instant,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle_per_destination: usize) -> Self {
        Self { kept: Mutex::default(), idle_timeout, max_idle_per_destination }
    }

    /// The right to an exchange, first come, first served. `None` never happens: nobody closes them.
    pub(super) async fn turn(&self, workspace: WorkspaceId, origin: &str) -> Option<Turn> {
        let (turns, more) = {
            let mut kept = self.kept();
            let slot = kept.slot(workspace, origin);
            (slot.turns.clone(), slot.more.clone())
        };
        let permit = turns.acquire_owned().await.ok()?;
        Some(Turn { permit, more })
    }

    /// A connection that was kept and is still good.
    pub(super) async fn take(
        &self,
        workspace: WorkspaceId,
        origin: &str,
        deadline: Instant,
    ) -> Option<Connection> {
        loop {
            let connection = self.kept().pop(workspace, origin)?;
            let Connection::Exclusive(mut exclusive) = connection else { return Some(connection) };
            let settled = deadline.min(Instant::now() + SETTLING);
            if let Ok(true) = timeout_at(settled, exclusive.is_ready()).await {
                return Some(Connection::Exclusive(exclusive));
            }
        }
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn put(&self, workspace: WorkspaceId, origin: &str, connection: Exclusive) {
        let kept_for = connection
            .kept_for
            .map_or(self.idle_timeout, |server| self.idle_timeout.min(server.saturating_sub(CLOSING_MARGIN)));
        if connection.is_closed() || kept_for.is_zero() {
            return;
        }
        let mut kept = self.kept();
        if kept.count >= MAX_KEPT {
            return;
        }
        let slot = kept.slot(workspace, origin);
        if slot.idle.len() < self.max_idle_per_destination {
            slot.idle.push(Idle { connection, until: Instant::now() + kept_for });
            kept.count += 1;
        }
    }

    /// Lets other exchanges of the workspace use this new connection, too.
    pub(super) fn share(&self, workspace: WorkspaceId, origin: &str, connection: &Arc<Multiplexed>) {
        let mut kept = self.kept();
        if kept.count < MAX_KEPT {
            kept.slot(workspace, origin).shared.push(Arc::clone(connection));
            kept.count += 1;
        }
    }

    /// Closes what has been idle for too long.
    fn purge(&self) {
        let now = Instant::now();
        let idle_since = now.checked_sub(self.idle_timeout);
        let mut kept = self.kept();
        for slots in kept.slots.values_mut() {
            for slot in slots.values_mut() {
                slot.idle.retain(|idle| idle.until > now && !idle.connection.is_closed());
                slot.shared.retain(|shared| {
                    !shared.is_spent() && !idle_since.is_some_and(|instant| shared.is_idle_since(instant))
                });
            }
            slots.retain(|_, slot| !slot.is_idle());
        }
        kept.slots.retain(|_, slots| !slots.is_empty());
        kept.count = kept
            .slots
            .values()
            .flat_map(HashMap::values)
            .map(|slot| slot.idle.len() + slot.shared.len())
            .sum();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn slot(&mut self, workspace: WorkspaceId, origin: &str) -> &mut Slot {
        let slots = self.slots.entry(workspace).or_default();
        // Looked up first, so that only a new one costs a copy of its name.
        if !slots.contains_key(origin) {
            slots.insert(origin.into(), Slot::default());
        }
        slots.get_mut(origin).expect("it is there")
    }

    /// The connection used last: the others grow old and are closed.
    fn pop(&mut self, workspace: WorkspaceId, origin: &str) -> Option<Connection> {
        let slot = self.slots.get_mut(&workspace)?.get_mut(origin)?;
        let now = Instant::now();
        while let Some(idle) = slot.idle.pop() {
            self.count = self.count.saturating_sub(1);
            if idle.until > now && !idle.connection.is_closed() {
                return Some(Connection::Exclusive(idle.connection));
            }
        }
        slot.shared.iter().find_map(Multiplexed::lease).map(Connection::Shared)
    }
}

/// Sweeps until the pool is gone.
pub(super) async fn keep_swept(pool: Weak<Pool>, idle_timeout: Duration) {
    let mut ticks = tokio::time::interval((idle_timeout / 2).max(Duration::from_millis(100)));
    loop {
        ticks.tick().await;
        match pool.upgrade() {
            Some(pool) => pool.purge(),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use uuid::Uuid;

    #[test]
    fn a_destination_that_takes_long_is_given_more_turns_up_to_a_bound() {
        let pool = Pool::new(Duration::from_secs(60), 1);
        let workspace = WorkspaceId::from_uuid(Uuid::nil());
        let turn = || pool.turn(workspace, "https://example.com").now_or_never().flatten();
        let mut held: Vec<Turn> = std::iter::from_fn(turn).collect();
        assert_eq!(held.len(), AT_ONCE);
        held.pop().unwrap().over(SLOW);
        held.extend(std::iter::from_fn(turn));
        assert_eq!(held.len(), AT_ONCE, "it was not slow");
        for _ in 0..2 * MOST_AT_ONCE {
            held.pop().unwrap().over(SLOW * 2);
            held.extend(std::iter::from_fn(turn));
        }
        assert_eq!(held.len(), MOST_AT_ONCE);
    }
}
