//! Sets going again what lost its executor, its bell, its slot or its next fire.

use std::time::{Duration, Instant};
use trigrun_core::{
    domain::fire::{Advance, DueTimer, advance_after},
    runtime::mutant,
    store::{StoreError, bells, leases, slots, timers},
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// How long a bell may ring unheard before it is suspected to be lost.
const GRACE: Duration = Duration::from_millis(400);
const BATCH: i64 = 1000;

/// One pass. What Postgres alone can tell comes first, so that it is done also while Redis is away.
pub async fn recover(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    set_going(scheduler).await?;
    ring_again(scheduler).await.map(|_| ())
}

/// The part for which Redis is not needed, and which costs little whatever waits.
pub async fn set_going(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let again = take_over(scheduler).await? + wake_waiting(scheduler).await?;
    unstick(scheduler).await?;
    if again > 0 {
        scheduler.work_is_due();
    }
    metrics::pass("recover", started.elapsed());
    Ok(())
}

/// The work of executors whose session has ended, in whatever way.
async fn take_over(scheduler: &Scheduler) -> Result<usize, StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let mut taken = 0;
    loop {
        let batch = leases::take_over(&mut conn, BATCH).await?;
        taken += batch.all;
        if batch.lost > 0 {
            metrics::lost(batch.lost);
            tracing::warn!(
                executions = batch.lost,
                "ended as lost: their executors died, and they do not run again"
            );
        }
        if (batch.all as i64) < BATCH {
            break;
        }
    }
    note("executor_lost", taken);
    Ok(taken)
}

async fn wake_waiting(scheduler: &Scheduler) -> Result<usize, StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let woken = slots::wake_all(&mut conn).await?;
    note("slot_free", woken);
    Ok(woken)
}

async fn unstick(scheduler: &Scheduler) -> Result<(), StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let next = |timer: &DueTimer| match advance_after(timer, timer.next_run_at) {
        Advance::To(next) => Some(next),
        _ => None,
    };
    let going = timers::unstick(&mut conn, BATCH, next).await?;
    if going > 0 {
        tracing::info!(jobs = going, "have a next fire again");
    }
    Ok(())
}

/// What a look for lost bells has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Nothing,
    Lost,
    /// All that is overdue may still be heard: reading through it was for nothing.
    Backlog,
}

/// Bells that must have been lost, because the stream is known to be past them. In a backlog, all that waits is read for it.
pub async fn ring_again(scheduler: &Scheduler) -> Result<Look, SchedulerError> {
    if mutant::is(mutant::NO_RE_RING) {
        return Ok(Look::Nothing);
    }
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    let overdue = bells::overdue_shards(&mut conn, GRACE).await?;
    let mut asked = 0;
    for shard in &overdue {
        let heard_up_to = scheduler.looking.lock().await.oldest_unheard(*shard).await?;
        asked += bells::ask_again(&mut conn, *shard, heard_up_to, GRACE, scheduler.lead(), BATCH).await?;
    }
    note("bell_lost", asked);
    if asked > 0 {
        scheduler.work_is_due();
    }
    metrics::pass("ring_again", started.elapsed());
    Ok(match (overdue.is_empty(), asked) {
        (true, _) => Look::Nothing,
        (false, 0) => Look::Backlog,
        (false, _) => Look::Lost,
    })
}

fn note(reason: &'static str, count: usize) {
    if count > 0 {
        metrics::recovered(reason, count);
        tracing::info!(reason, executions = count, "set going again");
    }
}
