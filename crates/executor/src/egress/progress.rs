//! How far a dial has come, and how long each of its phases took.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use trigrun_core::domain::attempt::PhaseTimings;

use super::connection::Peer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Of the wait until its account may look up another name.
    AwaitLookUp,
    Resolve,
    /// Of the wait until its account may have another connection to the address.
    AwaitConnection,
    Connect,
    Tls,
}

/// How far a dial has come, and how long each of its phases took. The clones share it.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<State>>);

struct State {
    timing: PhaseTimings,
    current: Option<(Phase, Instant)>,
    peer: Option<Peer>,
    /// The address that was tried last.
    tried: Option<SocketAddr>,
}

impl Progress {
    pub(super) fn new(timing: PhaseTimings) -> Self {
        Self(Arc::new(Mutex::new(State { timing, current: None, peer: None, tried: None })))
    }

    /// Ends the current phase, whose duration is now known, and begins another, if any.
    pub(super) fn enter(&self, next: Option<Phase>) {
        self.enter_at(next, Instant::now());
    }

    /// Possibly beside other addresses.
    pub(super) fn begin_to_connect(&self, address: SocketAddr) {
        self.lock().tried = Some(address);
        if self.current() == Some(Phase::AwaitConnection) {
            self.enter(Some(Phase::Connect));
        }
    }

    fn enter_at(&self, next: Option<Phase>, now: Instant) {
        let mut state = self.lock();
        if let Some((phase, since)) = state.current.take() {
            match phase {
                // One after the other.
                Phase::AwaitLookUp | Phase::Resolve => add(&mut state.timing.dns, now - since),
                Phase::AwaitConnection | Phase::Connect => add(&mut state.timing.connect, now - since),
                Phase::Tls => add(&mut state.timing.tls, now - since),
            }
        }
        state.current = next.map(|phase| (phase, now));
    }

    /// The phase that has begun and not ended.
    pub(super) fn current(&self) -> Option<Phase> {
        self.lock().current.map(|(phase, _)| phase)
    }

    pub(super) fn timing(&self) -> PhaseTimings {
        self.lock().timing
    }

    /// `None` before one was tried.
    pub(super) fn tried(&self) -> Option<SocketAddr> {
        self.lock().tried
    }

    /// `None` before there is a connection.
    pub(super) fn take_peer(&self) -> Option<Peer> {
        self.lock().peer.take()
    }

    pub(super) fn connected(&self, peer: Peer) {
        let mut state = self.lock();
        state.tried = Some(peer.address);
        state.peer = Some(peer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(sum: &mut Option<Duration>, duration: Duration) {
    *sum = Some(sum.unwrap_or_default() + duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_ends_when_the_next_begins() {
        let (progress, start) = (Progress::new(PhaseTimings::default()), Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        progress.enter_at(Some(Phase::Connect), at(0));
        progress.enter_at(Some(Phase::Tls), at(30));
        assert_eq!(progress.current(), Some(Phase::Tls));
        progress.enter_at(None, at(100));
        let timing = progress.timing();
        let expected = (None, Some(Duration::from_millis(30)), Some(Duration::from_millis(70)));
        assert_eq!((timing.dns, timing.connect, timing.tls), expected);
        assert_eq!(progress.current(), None);
    }
}
