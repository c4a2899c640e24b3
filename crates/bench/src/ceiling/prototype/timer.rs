//! A precise timer: keeps runs until their instant. Its thread sleeps for exactly the remaining time, and is late by hundredths of a
//! millisecond.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc::UnboundedSender;

use super::run::Run;
use crate::ceiling::unix_us;

/// In a large burst, the first runs are sent before the last are taken.
const RELEASE_BATCH: usize = 2000;
const MAX_SLEEP: Duration = Duration::from_millis(100);
/// How much the kernel may delay a wake-up to save power: PR_SET_TIMERSLACK(2const). The default is 50 µs.
const TIMER_SLACK_NS: u64 = 1;

/// Not a channel, because those of the standard library yield a few times before they sleep.
#[derive(Default)]
pub struct Timer {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// By instant and job.
    runs: BTreeMap<(i64, i64), Run>,
    is_complete: bool,
}

impl Timer {
    pub fn add(&self, runs: Vec<Run>) {
        self.lock().runs.extend(runs.into_iter().map(|run| ((run.at, run.job), run)));
        self.changed.notify_one();
    }

    /// No more runs will be added.
    pub fn complete(&self) {
        self.lock().is_complete = true;
        self.changed.notify_one();
    }

    /// Releases each run at its instant; ends after the last.
    pub fn release(&self, due: &UnboundedSender<Vec<Run>>) -> anyhow::Result<()> {
        // Without it, runs are a little later.
        let _unsupported = nix::sys::prctl::set_timerslack(TIMER_SLACK_NS);
        let mut waiting = self.lock();
        while !(waiting.is_complete && waiting.runs.is_empty()) {
            let now = waiting.take_due();
            if now.is_empty() {
                let remaining = waiting.until_next();
                waiting =
                    self.changed.wait_timeout(waiting, remaining).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                drop(waiting);
                due.send(now)?;
                waiting = self.lock();
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take_due(&mut self) -> Vec<Run> {
        let now = unix_us();
        let mut due = Vec::new();
        while due.len() < RELEASE_BATCH
            && let Some(first) = self.runs.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
        due
    }

    /// Until the next run is due.
    fn until_next(&self) -> Duration {
        let until = |at: i64| Duration::from_micros(u64::try_from(at - unix_us()).unwrap_or(0));
        self.runs.first_key_value().map_or(MAX_SLEEP, |((at, _), _)| until(*at).min(MAX_SLEEP))
    }
}
