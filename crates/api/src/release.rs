//! The end of a hold, for the command and for the operator API.

use std::time::{Duration, Instant};
use trigrun_core::{
    domain::{hold::Missed, operator::OperatorAuthor},
    store::{self, Conn, StoreError, holds},
};

/// Timers, and executions, that one step decides.
const BATCH: i64 = 200;

/// What was skipped before the end of a hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Executions that were waiting, and are cancelled now.
    pub executions: usize,
    /// Timers whose missed fires are recorded as skipped.
    pub timers: usize,
}

impl Skipped {
    pub fn add(&mut self, other: Self) {
        self.executions += other.executions;
        self.timers += other.timers;
    }
}

/// How far a release has come, and what it has skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There was no hold, or another release has ended it.
    NotHeld(Skipped),
    /// The time was over: the installation is still held. To be continued by another call.
    Unfinished(Skipped),
    Released(Skipped),
}

/// Decides what was missed during the hold, and ends it. It decides first, so that nothing is sent that is skipped; a call that is interrupted
/// can be repeated. Stops after about `time`, and is then to be continued by [`resume`].
pub async fn release(
    conn: &mut Conn,
    missed: Missed,
    by: &OperatorAuthor,
    time: Duration,
) -> Result<Progress, StoreError> {
    match missed {
        Missed::Run => end(conn, missed, by, Skipped::default()).await,
        // For the audit log, before the first is skipped.
        Missed::Skip => match holds::skipping(conn, by).await {
            Err(StoreError::NotFound) => Ok(Progress::NotHeld(Skipped::default())),
            begun => {
                begun?;
                resume(conn, by, time).await
            }
        },
    }
}

/// Continues a release that was not finished.
pub async fn resume(conn: &mut Conn, by: &OperatorAuthor, time: Duration) -> Result<Progress, StoreError> {
    let started = Instant::now();
    let mut skipped = Skipped::default();
    match skip_missed(conn, &mut skipped, || started.elapsed() >= time).await {
        Err(StoreError::NotFound) => return Ok(Progress::NotHeld(skipped)),
        Ok(false) => return Ok(Progress::Unfinished(skipped)),
        finished => drop(finished?),
    }
    end(conn, Missed::Skip, by, skipped).await
}

async fn end(
    conn: &mut Conn,
    missed: Missed,
    by: &OperatorAuthor,
    skipped: Skipped,
) -> Result<Progress, StoreError> {
    let by = OperatorAuthor { at: store::clock::now(conn).await?, ..by.clone() };
    match holds::release(conn, missed, &by).await {
        Err(StoreError::NotFound) => Ok(Progress::NotHeld(skipped)),
        released => released.map(|()| Progress::Released(skipped)),
    }
}

/// Skips what was missed, in steps that each keep the hold from being released. `false` if the time was over before; [`StoreError::NotFound`]
/// without a hold.
async fn skip_missed(
    conn: &mut Conn,
    skipped: &mut Skipped,
    is_over: impl Fn() -> bool,
) -> Result<bool, StoreError> {
    // Fires last, because they are quick: what becomes due after them runs.
    loop {
        if is_over() {
            return Ok(false);
        }
        let cancelled = holds::cancel_waiting(conn, BATCH).await?;
        skipped.executions += cancelled;
        if cancelled == 0 {
            break;
        }
    }
    loop {
        if is_over() {
            return Ok(false);
        }
        let decided = holds::skip_fires(conn, BATCH).await?;
        skipped.timers += decided;
        // Where many jobs fire, there is always one that has just become due.
        if (decided as i64) < BATCH {
            return Ok(true);
        }
    }
}
