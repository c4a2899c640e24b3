//! Leases that wait in this process, for a moment and a few of each account: runs with fast targets return their permits within
//! milliseconds, and to wait in Postgres would cost more than the run.

use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};
use trigrun_core::store::leases::{AfterRelease, Lease};

use super::Intake;
use crate::{
    in_flight::{AttemptKey, Capacity},
    shares::{Owner, Share},
};

/// How many leases are in line.
pub const MAX_IN_LINE: usize = 1024;
/// Then they wait in Postgres.
const LINE_TIMEOUT: Duration = Duration::from_secs(1);
/// While the line is long, reading pauses, at most for this long: what would be read now had to wait in Postgres.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// A lease in line.
pub(super) struct InLine {
    lease: Lease,
    memory: Share,
    _in_line: Share,
}

impl Intake {
    /// `Err` if the account has its share of the line, or of the memory.
    pub(super) fn stand_in_line(&self, owner: Owner, lease: Lease) -> Result<InLine, AttemptKey> {
        let in_line = self.line.try_take(owner, 1);
        let memory = in_line.as_ref().and_then(|_| self.memory.try_take(owner, lease.bytes()));
        match (in_line, memory) {
            (Some(in_line), Some(memory)) => Ok(InLine { lease, memory, _in_line: in_line }),
            _ => Err((lease.execution, lease.number)),
        }
    }

    /// Starts these runs of one owner one after the other, as it gets permits. What has none after a second waits in Postgres.
    pub(super) async fn wait_in_line(self: Arc<Self>, owner: Owner, line: Vec<InLine>) {
        let (deadline, mut excess) = (Instant::now() + LINE_TIMEOUT, Vec::new());
        for InLine { lease, memory, _in_line } in line {
            if Instant::now() >= deadline {
                excess.push((lease.execution, lease.number));
                continue;
            }
            let permit = timeout_at(deadline, self.permits.take(owner, 1));
            match self.stop.run_until_cancelled(permit).await {
                Some(Ok(permit)) => self.begin(vec![(lease, Capacity::new(permit, memory))]),
                _ => excess.push((lease.execution, lease.number)),
            }
        }
        if !excess.is_empty() {
            self.waiting_jobs.expect();
            let then = if self.stop.is_cancelled() { AfterRelease::Publish } else { AfterRelease::Wait };
            self.release(&excess, then).await;
        }
    }

    pub(super) async fn let_line_move(&self) {
        let moves = async {
            while self.line.free() < MAX_IN_LINE / 2 {
                self.line.freed().await;
            }
        };
        let _ = self.stop.run_until_cancelled(timeout(READ_PAUSE, moves)).await;
    }
}
