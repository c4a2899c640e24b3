//! Requests the publication of executions again: `requeue` when their executor is gone, or when they still wait although a slot is
//! free; `republish` when their dispatch message was lost. `requeue` also repairs timers whose next fire could not be computed.

use std::time::{Duration, Instant};
use trigrun_core::{
    domain::fire::{Advance, DueTimer, advance_after},
    failpoint,
    store::{StoreError, dispatch, leases, slots, timers},
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// How overdue an execution without an owner must be before its dispatch message may be presumed lost.
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_millis(400);
const RECOVER_BATCH: i64 = 1000;

/// Both passes, for tests. The part that needs only Postgres comes first, so that it is done while Redis is unavailable.
pub async fn recover(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    requeue(scheduler).await?;
    republish(scheduler).await.map(|_| ())
}

/// One pass, the part that does not need Redis. It costs little, however large the backlog is.
pub async fn requeue(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let requeued = reclaim(scheduler).await? + requeue_waiters(scheduler).await?;
    let repaired = retry_failed(scheduler).await?;
    // What was found may have been due long ago.
    if requeued > 0 {
        scheduler.searches.restart_requested();
    }
    if repaired > 0 {
        scheduler.searches.restart_timers();
    }
    if requeued + repaired > 0 {
        scheduler.wake_passes();
    }
    metrics::pass("requeue", started.elapsed());
    Ok(())
}

/// Executions of sessions that have expired or ended.
async fn reclaim(scheduler: &Scheduler) -> Result<usize, StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let (mut reclaimed, mut lost) = (0, 0);
    loop {
        let batch = leases::reclaim(&mut conn, RECOVER_BATCH).await?;
        reclaimed += batch.all;
        lost += batch.lost;
        if batch.lost > 0 {
            metrics::lost(batch.lost);
            tracing::warn!(
                executions = batch.lost,
                "failed: their executors' sessions ended, and they are not allowed to run again"
            );
        }
        if (batch.all as i64) < RECOVER_BATCH {
            break;
        }
    }
    count("executor_lost", reclaimed - lost);
    Ok(reclaimed)
}

/// Executions that wait for a slot, where one is free.
async fn requeue_waiters(scheduler: &Scheduler) -> Result<usize, StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let woken = slots::wake_all(&mut conn).await?;
    count("slot_free", woken);
    Ok(woken)
}

/// Timers with a schedule error: their next fire could not be computed, for example because a time zone was unknown.
async fn retry_failed(scheduler: &Scheduler) -> Result<usize, StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let next = |timer: &DueTimer| match advance_after(timer, timer.next_run_at) {
        Advance::To(next) => Some(next),
        _ => None,
    };
    let repaired = timers::retry_failed(&mut conn, RECOVER_BATCH, next).await?;
    if repaired > 0 {
        tracing::info!(jobs = repaired, "have a next fire again");
    }
    Ok(repaired)
}

/// What a check for lost dispatch messages found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamCheck {
    NothingOverdue,
    Lost,
    /// Work is overdue, but executors have not read far enough to presume a message lost.
    Backlog,
}

/// One pass. Requests the publication of executions whose dispatch message is presumed lost: the execution is overdue, no executor
/// owns it, it waits for no slot, and executors have already read every entry added to the shard's streams before the time at which this message should
/// have been published (an empty stream counts as read). An execution that
/// was read and is not leased yet may be published twice, which does no harm. While there is a hold, no executor takes what is published.
pub async fn republish(scheduler: &Scheduler) -> Result<StreamCheck, SchedulerError> {
    if scheduler.hold.is_active() || failpoint::is(failpoint::NO_REPUBLISH) {
        return Ok(StreamCheck::NothingOverdue);
    }
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    let search = &scheduler.searches.lost;
    let (after, end) = (search.begin(), scheduler.clock.now() - DELIVERY_TIMEOUT);
    let overdue = dispatch::overdue_shards(&mut conn, after, DELIVERY_TIMEOUT).await?;
    search.succeeded(overdue.iter().map(|shard| shard.due_at).min(), end);
    let mut lost = 0;
    for overdue in &overdue {
        let oldest_undelivered = scheduler.inspector.lock().await.oldest_undelivered(overdue.shard).await?;
        lost += dispatch::request_republish(
            &mut conn,
            overdue,
            oldest_undelivered,
            DELIVERY_TIMEOUT,
            scheduler.lead(),
            RECOVER_BATCH,
        )
        .await?;
    }
    count("dispatch_lost", lost);
    if lost > 0 {
        scheduler.searches.restart_requested();
        scheduler.wake_passes();
    }
    metrics::pass("republish", started.elapsed());
    Ok(match (overdue.is_empty(), lost) {
        (true, _) => StreamCheck::NothingOverdue,
        (false, 0) => StreamCheck::Backlog,
        (false, _) => StreamCheck::Lost,
    })
}

fn count(reason: &'static str, executions: usize) {
    if executions > 0 {
        metrics::requeued(reason, executions);
        tracing::info!(reason, executions, "requeued");
    }
}
