//! Holds runs until their instant. A thread that sleeps for exactly the rest is late by hundredths of a millisecond.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError},
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

/// Ends when nothing more can come and nothing is held.
pub fn all(read: &Receiver<Vec<Run>>, due: &UnboundedSender<Vec<Run>>) -> anyhow::Result<()> {
    // Without it, merely a little later.
    let _ = nix::sys::prctl::set_timerslack(SLACK_NS);
    let mut held: BTreeMap<(i64, i64), Run> = BTreeMap::new();
    let mut more = true;
    while more || !held.is_empty() {
        let rest = held.first_key_value().map_or(LONGEST, |((at, _), _)| until(*at).min(LONGEST));
        match read.recv_timeout(rest) {
            Ok(runs) => held.extend(runs.into_iter().map(|run| ((run.at, run.job), run))),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                more = false;
                std::thread::sleep(rest);
            }
        }
        let go = take_due(&mut held);
        if !go.is_empty() {
            due.send(go)?;
        }
    }
    Ok(())
}

fn until(at: i64) -> Duration {
    Duration::from_micros(u64::try_from(at - unix_us()).unwrap_or(0))
}

fn take_due(held: &mut BTreeMap<(i64, i64), Run>) -> Vec<Run> {
    let now = unix_us();
    let mut due = Vec::new();
    while due.len() < AT_ONCE
        && let Some(first) = held.first_entry()
        && first.key().0 <= now
    {
        due.push(first.remove());
    }
    due
}
