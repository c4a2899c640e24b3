//! Holds runs until their instant. A thread that sleeps for exactly the rest is late by hundredths of a millisecond.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc::UnboundedSender;

use super::run::Run;
use crate::ceiling::unix_us;

/// As many as are let go at once: of a great burst the first should be on their way before the last is looked at.
const AT_ONCE: usize = 2000;
const LONGEST: Duration = Duration::from_millis(100);
/// How much the kernel may delay a wake-up to save power (prctl(2), PR_SET_TIMERSLACK); 50 µs otherwise.
const SLACK_NS: u64 = 1;

/// Not a channel: those of the standard library yield a few times before they sleep.
#[derive(Default)]
pub struct Hold {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    /// By instant and job.
    runs: BTreeMap<(i64, i64), Run>,
    is_complete: bool,
}

impl Hold {
    pub fn put(&self, runs: Vec<Run>) {
        self.lock().runs.extend(runs.into_iter().map(|run| ((run.at, run.job), run)));
        self.changed.notify_one();
    }

    /// Nothing more will be put.
    pub fn complete(&self) {
        self.lock().is_complete = true;
        self.changed.notify_one();
    }

    /// Lets each go at its instant; ends when nothing is held and nothing can come.
    pub fn let_go(&self, due: &UnboundedSender<Vec<Run>>) -> anyhow::Result<()> {
        // Without it, merely a little later.
        let _ = nix::sys::prctl::set_timerslack(SLACK_NS);
        let mut held = self.lock();
        while !(held.is_complete && held.runs.is_empty()) {
            let now = held.take_due();
            if now.is_empty() {
                let rest = held.rest();
                held = self.changed.wait_timeout(held, rest).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                drop(held);
                due.send(now)?;
                held = self.lock();
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn take_due(&mut self) -> Vec<Run> {
        let now = unix_us();
        let mut due = Vec::new();
        while due.len() < AT_ONCE
            && let Some(first) = self.runs.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
        due
    }

    /// Until the next is due.
    fn rest(&self) -> Duration {
        let until = |at: i64| Duration::from_micros(u64::try_from(at - unix_us()).unwrap_or(0));
        self.runs.first_key_value().map_or(LONGEST, |((at, _), _)| until(*at).min(LONGEST))
    }
}
