//! The gate in front of a destination: how many exchanges with it may be young at the same time, over all workspaces.
//!
//! Workspaces share no connections, so without a gate their number decides how many connections a destination gets, however quickly it
//! responds. An exchange leaves the gate when it ends, or when it is no longer young: a destination that takes longer needs more exchanges
//! at the same time, and a target that hangs holds up no others. See decision 32.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};
use trigrun_core::runtime::tasks;

/// Young exchanges with one destination, for each core: more do not make a destination faster that responds within [`YOUNG_TIME`].
const YOUNG_PER_CORE: usize = 48;
/// How long an exchange is young, from the time at which it may open a connection.
pub(super) const YOUNG_TIME: Duration = Duration::from_millis(10);

/// Cheap to clone; the clones share it.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    max_young: usize,
    young_time: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the time of entry. Those that have left in the meantime stay until all before them have left.
    entries: VecDeque<Entry>,
    /// The number of the first entry. They are numbered in order.
    first: u64,
    young: usize,
    /// First come, first served. It is empty unless the gate is full.
    waiting: VecDeque<oneshot::Sender<Young>>,
    /// Whether a task watches for exchanges that are no longer young.
    is_watched: bool,
}

struct Entry {
    at: Instant,
    has_left: bool,
}

/// A young exchange. Dropping it lets the next one in.
pub(super) struct Young(Option<(Gate, u64)>);

/// For a gate of a process that may use the cores of this machine.
pub(super) fn max_young() -> usize {
    YOUNG_PER_CORE * thread::available_parallelism().map_or(1, Into::into)
}

impl Gate {
    pub(super) fn new(max_young: usize, young_time: Duration) -> Self {
        Self(Arc::new(Inner { max_young, young_time, state: Mutex::default() }))
    }

    /// Waits in line while the gate is full. `is_only`: the workspace has no other exchange with this destination, so it need not wait for
    /// those of other workspaces.
    pub(super) async fn enter(&self, is_only: bool) -> Young {
        let entered = {
            let (now, mut state) = (Instant::now(), self.lock());
            state.leave_old(now, self.0.young_time);
            if state.young < self.0.max_young && state.waiting.is_empty() {
                return self.young(&mut state, now);
            }
            if is_only {
                return Young(None);
            }
            let (enter, entered) = oneshot::channel();
            state.waiting.push_back(enter);
            if !std::mem::replace(&mut state.is_watched, true) {
                // Ends when no exchange waits.
                tasks::spawn("gate", self.clone().watch());
            }
            // Some may have left by their age.
            self.let_in(state);
            entered
        };
        // The sender is dropped only after it has sent.
        entered.await.unwrap_or(Young(None))
    }

    /// Whether there is no other clone: nothing uses it.
    pub(super) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn young(&self, state: &mut State, now: Instant) -> Young {
        state.entries.push_back(Entry { at: now, has_left: false });
        state.young += 1;
        Young(Some((self.clone(), state.first + state.entries.len() as u64 - 1)))
    }

    /// Lets in those that wait, as far as there is room. One that has given up is dropped without the lock, because dropping it takes the
    /// lock.
    fn let_in(&self, mut state: MutexGuard<'_, State>) {
        let (now, mut entering) = (Instant::now(), Vec::new());
        state.leave_old(now, self.0.young_time);
        while state.young < self.0.max_young
            && let Some(enter) = state.next_waiting()
        {
            entering.push((enter, self.young(&mut state, now)));
        }
        drop(state);
        for (enter, young) in entering {
            drop(enter.send(young));
        }
    }

    /// Lets others in when exchanges are no longer young, as long as any wait.
    async fn watch(self) {
        loop {
            let oldest = self.lock().oldest_if_any_wait();
            let Some(oldest) = oldest else { return };
            sleep_until(oldest + self.0.young_time).await;
            self.let_in(self.lock());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn leave_old(&mut self, now: Instant, young_time: Duration) {
        while let Some(oldest) = self.entries.front()
            && (oldest.has_left || now.saturating_duration_since(oldest.at) >= young_time)
        {
            self.young -= usize::from(!oldest.has_left);
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// Whether it was still young.
    fn leave(&mut self, number: u64) -> bool {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) else { return false };
        entry.has_left = true;
        self.young -= 1;
        true
    }

    fn next_waiting(&mut self) -> Option<oneshot::Sender<Young>> {
        std::iter::from_fn(|| self.waiting.pop_front()).find(|enter| !enter.is_closed())
    }

    /// When the oldest young exchange entered. `None` if none waits; then the gate is no longer watched.
    fn oldest_if_any_wait(&mut self) -> Option<Instant> {
        self.waiting.retain(|enter| !enter.is_closed());
        let oldest = self.entries.iter().find(|entry| !entry.has_left).map(|entry| entry.at);
        let oldest = oldest.filter(|_| !self.waiting.is_empty());
        self.is_watched = oldest.is_some();
        oldest
    }
}

impl Drop for Young {
    fn drop(&mut self) {
        let Some((gate, number)) = self.0.take() else { return };
        let mut state = gate.lock();
        if state.leave(number) && !state.waiting.is_empty() {
            gate.let_in(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, poll};
    use std::pin::pin;

    /// No exchange of a test lasts so long.
    const LONG: Duration = Duration::from_secs(3600);

    /// Enters if it need not wait.
    fn try_enter(gate: &Gate) -> Option<Young> {
        gate.enter(false).now_or_never()
    }

    #[tokio::test]
    async fn young_exchanges_are_limited_and_the_next_enters_when_one_ends() {
        let gate = Gate::new(2, LONG);
        let mut inside = vec![try_enter(&gate).unwrap(), try_enter(&gate).unwrap()];
        let (mut first, mut second) = (pin!(gate.enter(false)), pin!(gate.enter(false)));
        assert!(poll!(first.as_mut()).is_pending() && poll!(second.as_mut()).is_pending());
        inside.pop();
        assert!(poll!(second.as_mut()).is_pending(), "first come, first served");
        let first = first.now_or_never().unwrap();
        drop((first, inside));
        assert!(second.now_or_never().is_some());
    }

    #[tokio::test]
    async fn an_exchange_that_is_no_longer_young_holds_up_no_other() {
        let gate = Gate::new(1, YOUNG_TIME);
        let hanging = try_enter(&gate).unwrap();
        let begun = Instant::now();
        let next = gate.enter(false).await;
        assert!(begun.elapsed() >= YOUNG_TIME / 2, "{:?}", begun.elapsed());
        drop((hanging, next));
        assert_eq!(gate.lock().young, 0, "each left once");
        assert!(try_enter(&gate).is_some());
        assert_eq!(gate.lock().entries.len(), 1, "nothing is kept of those that left");
    }

    #[tokio::test]
    async fn the_only_exchange_of_a_workspace_does_not_wait() {
        let gate = Gate::new(1, LONG);
        let _inside = try_enter(&gate).unwrap();
        assert!(try_enter(&gate).is_none());
        assert!(gate.enter(true).now_or_never().is_some());
    }

    #[tokio::test]
    async fn those_that_give_up_take_no_room() {
        let gate = Gate::new(1, LONG);
        let inside = try_enter(&gate).unwrap();
        {
            let (mut gives_up, mut has_entered) = (pin!(gate.enter(false)), pin!(gate.enter(false)));
            assert!(poll!(gives_up.as_mut()).is_pending() && poll!(has_entered.as_mut()).is_pending());
            drop(inside);
        }
        assert!(try_enter(&gate).is_some());
        assert!(gate.lock().waiting.is_empty());
    }
}
