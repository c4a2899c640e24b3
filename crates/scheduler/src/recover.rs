//! Sets going again what lost its executor, its dispatch, its slot or its next fire.

use std::time::{Duration, Instant};
use trigrun_core::{
    domain::fire::{Advance, DueTimer, advance_after},
    failpoint,
    store::{StoreError, dispatch, leases, slots, timers},
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// How long a dispatch may ring undelivered before it is suspected to be lost.
const GRACE: Duration = Duration::from_millis(400);
const BATCH: i64 = 1000;

/// One pass. What Postgres alone can tell comes first, so that it is done also while Redis is away.
pub async fn recover(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    requeue(scheduler).await?;
    republish(scheduler).await.map(|_| ())
}

/// The part for which Redis is not needed, and which costs little whatever waits.
pub async fn requeue(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let again = reclaim(scheduler).await? + wake_waiting(scheduler).await?;
    retry_failed(scheduler).await?;
    if again > 0 {
        scheduler.work_is_due();
    }
    metrics::pass("recover", started.elapsed());
    Ok(())
}

/// The work of executors whose session has ended, in whatever way.
async fn reclaim(scheduler: &Scheduler) -> Result<usize, StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let mut taken = 0;
    loop {
        let batch = leases::reclaim(&mut conn, BATCH).await?;
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

async fn retry_failed(scheduler: &Scheduler) -> Result<(), StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let next = |timer: &DueTimer| match advance_after(timer, timer.next_run_at) {
        Advance::To(next) => Some(next),
        _ => None,
    };
    let going = timers::retry_failed(&mut conn, BATCH, next).await?;
    if going > 0 {
        tracing::info!(jobs = going, "have a next fire again");
    }
    Ok(())
}

/// What a look for lost dispatches has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Nothing,
    Lost,
    /// All that is overdue may still be received: reading through it was for nothing.
    Backlog,
}

/// PendingDispatches that must have been lost, because the stream is known to be past them. In a backlog, all that waits is read for it.
pub async fn republish(scheduler: &Scheduler) -> Result<Look, SchedulerError> {
    if failpoint::is(failpoint::NO_REPUBLISH) {
        return Ok(Look::Nothing);
    }
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    let overdue = dispatch::overdue_shards(&mut conn, GRACE).await?;
    let mut asked = 0;
    for shard in &overdue {
        let delivered_up_to = scheduler.inspector.lock().await.oldest_undelivered(*shard).await?;
        asked +=
            dispatch::request_republish(&mut conn, *shard, delivered_up_to, GRACE, scheduler.lead(), BATCH)
                .await?;
    }
    note("dispatch_lost", asked);
    if asked > 0 {
        scheduler.work_is_due();
    }
    metrics::pass("republish", started.elapsed());
    Ok(match (overdue.is_empty(), asked) {
        (true, _) => Look::Nothing,
        (false, 0) => Look::Backlog,
        (false, _) => Look::Lost,
    })
}

fn note(reason: &'static str, count: usize) {
    if count > 0 {
        metrics::requeued(reason, count);
        tracing::info!(reason, executions = count, "set going again");
    }
}
