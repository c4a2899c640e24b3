//! Holds runs until their instant, on a thread of its own.
//!
//! tokio's timers have a granularity of a millisecond and come one or two late; a thread that sleeps for exactly the rest is
//! late by hundredths of one.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Lets go of what it holds, and ends its thread, when it is dropped.
pub struct Hold(Arc<Shared>);

#[derive(Default)]
struct Shared {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    waiting: BinaryHeap<Reverse<Waiting>>,
    closed: bool,
}

struct Waiting {
    until: Instant,
    go: oneshot::Sender<()>,
}

/// A sleep is never longer, so that a thread that was not told ends all the same.
const LONGEST: Duration = Duration::from_secs(1);
/// How much the kernel may delay a wake-up to save power (prctl(2), PR_SET_TIMERSLACK); 50 µs otherwise.
const SLACK_NS: u64 = 1_000;

impl Hold {
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let on_thread = shared.clone();
        thread::Builder::new().name("hold".into()).spawn(move || {
            // Without it, merely a little later.
            let _ = nix::sys::prctl::set_timerslack(SLACK_NS);
            on_thread.run();
        })?;
        Ok(Self(shared))
    }

    /// Resolves at `until`, at once if that is past.
    pub async fn until(&self, until: Instant) {
        if until <= Instant::now() {
            return;
        }
        // An error means that the thread has ended, with the process.
        let _ = self.push(until).await;
    }

    fn push(&self, until: Instant) -> oneshot::Receiver<()> {
        let (go, gone) = oneshot::channel();
        let mut held = self.0.lock();
        let is_next = held.waiting.peek().is_none_or(|Reverse(next)| until < next.until);
        held.waiting.push(Reverse(Waiting { until, go }));
        drop(held);
        if is_next {
            self.0.changed.notify_one();
        }
        gone
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn run(&self) {
        let mut held = self.lock();
        while !held.closed {
            let now = Instant::now();
            while held.waiting.peek().is_some_and(|Reverse(next)| next.until <= now) {
                if let Some(Reverse(next)) = held.waiting.pop() {
                    // Who waited may have given up meanwhile.
                    let _ = next.go.send(());
                }
            }
            let sleep = held
                .waiting
                .peek()
                .map_or(LONGEST, |Reverse(next)| next.until.saturating_duration_since(Instant::now()));
            if !sleep.is_zero() {
                held = match self.changed.wait_timeout(held, sleep.min(LONGEST)) {
                    Ok((held, _)) => held,
                    Err(poisoned) => poisoned.into_inner().0,
                };
            }
        }
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.until.cmp(&other.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_let_go_at_its_instant_and_not_before() {
        let hold = Hold::start().unwrap();
        let start = Instant::now();
        let instants: Vec<Instant> =
            [30u64, 10, 20, 10, 0].iter().map(|ms| start + Duration::from_millis(*ms)).collect();
        let held = instants.iter().map(|until| async {
            hold.until(*until).await;
            assert!(Instant::now() >= *until);
        });
        futures_util::future::join_all(held).await;
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
