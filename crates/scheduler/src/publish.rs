//! Publishes dispatch messages shortly before each due time: of executions that this process planned, and of those whose
//! publication was requested.
//!
//! Commit first, publish second. The pass `republish` of any scheduler finds a message that is lost in between. A message that is published twice does
//! no harm: the execution is leased once.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};
use trigrun_core::{
    domain::{dispatch::Dispatch, id::ExecutionId},
    store::{StoreError, dispatch},
    telemetry::{
        KeyValue, SpanKind, metrics,
        trace::{self, Step},
    },
};

use crate::{Scheduler, SchedulerError};

/// Messages that are due this close to each other are published together: at high rates one pipeline instead of a thousand.
const PUBLISH_WINDOW: TimeDelta = TimeDelta::milliseconds(10);
/// The same for the first [`MAX_PUBLISHED_EARLY`]: at low rates, ten times a second. What costs most is not a message but the entry, the
/// lease and the commit that it brings.
const EARLY_WINDOW: TimeDelta = TimeDelta::milliseconds(100);
/// An executor that dies loses time for what it has leased and not sent yet. This bounds their number.
const MAX_PUBLISHED_EARLY: usize = 64;
/// After a failed publication, a message overdue by more than this is not tried again: while Redis fails, executors lease overdue
/// executions from Postgres, and `republish` finds the rest.
const MAX_OVERDUE: TimeDelta = TimeDelta::seconds(5);
const PUBLISH_BATCH: i64 = 1000;

/// One pass over the executions that this process planned.
pub async fn publish(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let from = scheduler.clock.now() + lead(scheduler);
    let mut dispatches = scheduler.pending.take_due(from + PUBLISH_WINDOW, usize::MAX);
    if !dispatches.is_empty() {
        dispatches.extend(scheduler.pending.take_due(from + EARLY_WINDOW, MAX_PUBLISHED_EARLY));
    }
    send(scheduler, dispatches).await
}

/// One pass over executions whose publication is requested (`publish_claimed_at` is null): runs requested by a user, released leases,
/// executions that received a free slot, messages that another scheduler handed over. Claims what must
/// be published before the next pass, sends what is due soon, and keeps the rest pending. Later executions stay unclaimed.
pub async fn publish_requested(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let ahead = scheduler.publish_ahead();
    loop {
        let mut conn = scheduler.db.conn().await?;
        let search = &scheduler.searches.unpublished;
        let (after, end) = (search.begin(), scheduler.clock.now() + ahead);
        let requested = dispatch::claim_unpublished(&mut conn, after, ahead, PUBLISH_BATCH).await?;
        search.succeeded(requested.iter().map(|dispatch| dispatch.due_at).min(), end);
        drop(conn);
        let count = requested.len() as i64;
        send_or_keep(scheduler, requested).await?;
        if count < PUBLISH_BATCH {
            metrics::pass("publish_requested", started.elapsed());
            return Ok(());
        }
    }
}

/// Publishes everything pending, early: the executors wait until each due time.
pub async fn publish_all(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    send(scheduler, scheduler.pending.take_all()).await
}

/// For a scheduler that stops: publishes what is due soon, and hands the rest over to the other schedulers. The rest is not
/// published early, because it would be leased early, and a pause of its job could no longer withdraw it.
pub async fn hand_over_pending(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let (soon, later) = by_urgency(scheduler, scheduler.pending.take_all());
    let ids: Vec<ExecutionId> = later.iter().map(|dispatch| dispatch.execution).collect();
    let handed_over = async { dispatch::hand_over(&mut *scheduler.db.conn().await?, &ids).await };
    // This comes first, because it works while Redis is unavailable.
    if let Err::<_, StoreError>(error) = handed_over.await {
        // With Postgres unavailable, early is better than late.
        send(scheduler, [soon, later].concat()).await?;
        return Err(error.into());
    }
    send(scheduler, soon).await
}

async fn send_or_keep(scheduler: &Scheduler, dispatches: Vec<Dispatch>) -> Result<(), SchedulerError> {
    let (soon, later) = by_urgency(scheduler, dispatches);
    scheduler.pending.push(later);
    send(scheduler, soon).await
}

/// Those to be published now, and those that are due later.
fn by_urgency(scheduler: &Scheduler, dispatches: Vec<Dispatch>) -> (Vec<Dispatch>, Vec<Dispatch>) {
    let until = scheduler.clock.now() + lead(scheduler) + PUBLISH_WINDOW;
    dispatches.into_iter().partition(|dispatch| dispatch.due_at <= until)
}

/// How long until the next pending message must be published; `None` when none is pending.
pub fn next_in(scheduler: &Scheduler) -> Option<Duration> {
    let due = scheduler.pending.next_due()? - lead(scheduler);
    Some((due - scheduler.clock.now()).to_std().unwrap_or_default())
}

async fn send(scheduler: &Scheduler, dispatches: Vec<Dispatch>) -> Result<(), SchedulerError> {
    if dispatches.is_empty() {
        return Ok(());
    }
    let started_at = scheduler.clock.now();
    let published = scheduler.publisher().await.publish(&dispatches, started_at).await;
    match published {
        Ok(()) => {
            metrics::published(dispatches.len());
            export(&dispatches, started_at, scheduler.clock.now());
        }
        Err(_) => {
            metrics::publish_failed();
            let oldest = scheduler.clock.now() - MAX_OVERDUE;
            scheduler
                .pending
                .push(dispatches.into_iter().filter(|dispatch| dispatch.due_at > oldest).collect());
        }
    }
    Ok(published?)
}

/// A span for each, by the conventions of OpenTelemetry for messaging.
fn export(dispatches: &[Dispatch], started_at: DateTime<Utc>, ended_at: DateTime<Utc>) {
    if !trace::is_exported() {
        return;
    }
    let took = (ended_at - started_at).to_std().unwrap_or_default();
    for dispatch in dispatches {
        let attributes = vec![
            KeyValue::new("messaging.system", "redis"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("trigrun.execution.id", dispatch.execution.to_string()),
        ];
        Step::new("publish", SpanKind::Producer, started_at, took)
            .export(dispatch.traceparent.as_deref(), attributes);
    }
}

fn lead(scheduler: &Scheduler) -> TimeDelta {
    TimeDelta::from_std(scheduler.lead()).unwrap_or_default()
}
