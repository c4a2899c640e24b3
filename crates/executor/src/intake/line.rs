//! Leases that wait in this process, for a moment and a few of each account: runs with fast targets return their permits within
//! milliseconds, and to wait in Postgres would cost more than the run.

use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};
use trigrun_core::{
    store::leases::{AfterRelease, Lease},
    stream::key::Lane,
};

use super::Intake;
use crate::{
    in_flight::{AttemptKey, Capacity},
    owner::{Owner, Share, Shares},
};

/// How many leases are in line.
pub const MAX_IN_LINE: usize = 1024;
/// Then they wait in Postgres.
const LINE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often bulk entries are read while the line is long and stands still.
const BULK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a read waits for the first entry, while the line is long and otherwise.
const PROMPT_READ_TIMEOUT: Duration = Duration::from_millis(10);
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// A lease in line.
pub(super) struct InLine {
    lease: Lease,
    owner: Owner,
    memory: Share,
    _in_line: Share,
}

impl Intake {
    /// `Err` if the account has its share of the line, or of the memory.
    pub(super) fn stand_in_line(&self, owner: Owner, lease: Lease) -> Result<InLine, AttemptKey> {
        let in_line = self.line.try_take(owner, 1);
        let memory = in_line.as_ref().and_then(|_| self.memory.try_take(owner, lease.bytes()));
        match (in_line, memory) {
            (Some(in_line), Some(memory)) => Ok(InLine { lease, owner, memory, _in_line: in_line }),
            _ => Err((lease.execution, lease.number)),
        }
    }

    /// Starts each of these runs as soon as it gets a permit. What has none after a second waits in Postgres.
    pub(super) async fn wait_in_line(self: Arc<Self>, line: Vec<InLine>) {
        let permit = |(at, in_line): (usize, &InLine)| {
            let (permits, owner) = (&self.permits, in_line.owner);
            async move { (at, permits.take(owner, 1).await) }
        };
        let mut permits: FuturesUnordered<_> = line.iter().enumerate().map(permit).collect();
        let mut line: Vec<Option<InLine>> = line.into_iter().map(Some).collect();
        let starting = async {
            while let Some((at, permit)) = permits.next().await {
                if let Some(InLine { lease, memory, .. }) = line[at].take() {
                    self.begin([(lease, Capacity::new(permit, memory))]);
                }
            }
        };
        let _ = self.stop.run_until_cancelled(timeout(LINE_TIMEOUT, starting)).await;
        let excess: Vec<AttemptKey> = line.iter().flatten().map(InLine::key).collect();
        if !excess.is_empty() {
            self.waiting_jobs.expect();
            let then = if self.stop.is_cancelled() { AfterRelease::Publish } else { AfterRelease::Wait };
            self.release(&excess, then).await;
        }
    }
}

/// Decides which streams are read. While many leases are in line and the line moves, entries of the bulk lane would only join it or wait in
/// Postgres, so they stay in the stream.
pub(super) struct Reading {
    /// Of the line, at the last look.
    free: usize,
    /// When the line moved, or bulk entries were read although it did not.
    moved_at: Instant,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self { free: MAX_IN_LINE, moved_at: Instant::now() }
    }

    /// The lanes to read, and how long to wait for an entry. A line that stands still must not hold up the entries of other accounts: then
    /// bulk entries are read from time to time.
    pub(super) fn lanes(&mut self, line: &Shares, now: Instant) -> (&'static [Lane], Duration) {
        let before = std::mem::replace(&mut self.free, line.free());
        let is_short = self.free >= MAX_IN_LINE / 2;
        let stands_still = self.free <= before && now - self.moved_at >= BULK_INTERVAL;
        if is_short || stands_still || self.free > before {
            self.moved_at = now;
        }
        if is_short || stands_still {
            (&Lane::ALL, READ_TIMEOUT)
        } else {
            (&[Lane::Prompt], PROMPT_READ_TIMEOUT)
        }
    }
}

impl InLine {
    const fn key(&self) -> AttemptKey {
        (self.lease.execution, self.lease.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigrun_core::domain::id::{JobId, WorkspaceId};
    use uuid::Uuid;

    const ALL: &[Lane] = &Lane::ALL;
    const PROMPT: &[Lane] = &[Lane::Prompt];

    #[test]
    fn bulk_entries_are_read_unless_a_long_line_moves() {
        let line = Shares::new(MAX_IN_LINE, 1000);
        let owner = Owner::alone(WorkspaceId::from_uuid(Uuid::nil()), JobId::from_uuid(Uuid::nil()));
        let mut reading = Reading::new();
        let mut now = reading.moved_at;
        let mut lanes = |line: &Shares, passed: Duration| {
            now += passed;
            reading.lanes(line, now).0
        };
        assert_eq!(lanes(&line, BULK_INTERVAL), ALL, "it is empty");
        let mut waiting: Vec<Share> = std::iter::from_fn(|| line.try_take(owner, 1)).collect();
        assert!(line.free() < MAX_IN_LINE / 2);
        assert_eq!(lanes(&line, Duration::ZERO), PROMPT, "it is long");
        for _ in 0..5 {
            waiting.pop();
            assert_eq!(lanes(&line, BULK_INTERVAL), PROMPT, "it moves");
        }
        for _ in 0..3 {
            assert_eq!(lanes(&line, BULK_INTERVAL / 2), PROMPT, "it has only just stood still");
            assert_eq!(lanes(&line, BULK_INTERVAL / 2), ALL, "it stands still");
        }
        waiting.clear();
        assert_eq!(lanes(&line, Duration::ZERO), ALL, "it is empty again");
    }
}
