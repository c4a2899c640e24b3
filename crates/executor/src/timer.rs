//! The precise timer: a thread that sleeps until the next instant and wakes the tasks that wait for it.
//!
//! tokio's timers have a granularity of a millisecond and fire one or two milliseconds late. A thread that sleeps for exactly the
//! remaining time is late by hundredths of a millisecond.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// When it is dropped, its thread ends and all waits resolve.
pub struct PreciseTimer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: BinaryHeap<Reverse<Waiting>>,
    closed: bool,
}

struct Waiting {
    until: Instant,
    wake: oneshot::Sender<()>,
}

/// The thread checks at least this often whether it must end.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// How much the kernel may delay a wake-up to save power (prctl(2), PR_SET_TIMERSLACK); 50 µs otherwise.
const TIMER_SLACK_NS: u64 = 1_000;

impl PreciseTimer {
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let on_thread = shared.clone();
        thread::Builder::new().name("timer".into()).spawn(move || {
            // If this fails, the timer is merely a little less precise.
            let _ = nix::sys::prctl::set_timerslack(TIMER_SLACK_NS);
            on_thread.run();
        })?;
        Ok(Self(shared))
    }

    /// Resolves at `until`, or immediately if that is past.
    pub async fn until(&self, until: Instant) {
        if until <= Instant::now() {
            return;
        }
        // An error means that the thread has ended, with the process.
        let _ = self.push(until).await;
    }

    fn push(&self, until: Instant) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let mut queue = self.0.lock();
        let is_next = queue.waiting.peek().is_none_or(|Reverse(next)| until < next.until);
        queue.waiting.push(Reverse(Waiting { until, wake }));
        drop(queue);
        if is_next {
            self.0.changed.notify_one();
        }
        woken
    }
}

impl Drop for PreciseTimer {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn run(&self) {
        let mut queue = self.lock();
        while !queue.closed {
            let now = Instant::now();
            while queue.waiting.peek().is_some_and(|Reverse(next)| next.until <= now) {
                if let Some(Reverse(next)) = queue.waiting.pop() {
                    // The task may have stopped waiting.
                    let _ = next.wake.send(());
                }
            }
            let sleep = queue
                .waiting
                .peek()
                .map_or(MAX_SLEEP, |Reverse(next)| next.until.saturating_duration_since(Instant::now()));
            if !sleep.is_zero() {
                queue = match self.changed.wait_timeout(queue, sleep.min(MAX_SLEEP)) {
                    Ok((queue, _)) => queue,
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
    async fn each_wait_ends_at_its_instant_and_not_before() {
        let timer = PreciseTimer::start().unwrap();
        let start = Instant::now();
        let instants: Vec<Instant> =
            [30u64, 10, 20, 10, 0].iter().map(|ms| start + Duration::from_millis(*ms)).collect();
        let waits = instants.iter().map(|until| async {
            timer.until(*until).await;
            assert!(Instant::now() >= *until);
        });
        futures_util::future::join_all(waits).await;
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
