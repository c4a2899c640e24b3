//! Rings the stream shortly before each instant: what this process planned, and what others asked to be published.
//!
//! Commit first, ring second. A dispatch that is lost in between is published again by `recover`; one that is published twice finds its
//! execution taken.

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

/// PendingDispatches this close to each other are published together: at high rates one pipeline instead of a thousand.
const TOGETHER: TimeDelta = TimeDelta::milliseconds(10);
/// When Redis is away, executors take the work from Postgres; a dispatch older than this has no one to wake any more.
const STALE: TimeDelta = TimeDelta::seconds(5);
const BATCH: i64 = 1000;

/// One pass over what this process planned.
pub async fn publish(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let until = scheduler.clock.now() + lead(scheduler) + TOGETHER;
    send(scheduler, scheduler.pending.take_due(until)).await
}

/// One pass over what asks for its dispatch: runs that were asked for, work handed back or over, slots that fell free. What is due before the
/// next pass waits here until its time.
pub async fn publish_requested(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let ahead = scheduler.lead() + Duration::from_millis(scheduler.settings.poll_ms);
    loop {
        let mut conn = scheduler.db.conn().await?;
        let asked = dispatch::claim_unpublished(&mut conn, ahead, BATCH).await?;
        drop(conn);
        let count = asked.len() as i64;
        send_near(scheduler, asked).await?;
        if count < BATCH {
            metrics::pass("publish", started.elapsed());
            return Ok(());
        }
    }
}

/// Rings everything, early: whoever receives it holds it until its instant.
pub async fn publish_all(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    send(scheduler, scheduler.pending.take_due(DateTime::<Utc>::MAX_UTC)).await
}

/// For a scheduler that stops: what is not near is handed over. Publisher early it would be leased early, and could not be withdrawn any more
/// when its job is paused.
pub async fn hand_over(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    send_near(scheduler, scheduler.pending.take_due(DateTime::<Utc>::MAX_UTC)).await?;
    let later = scheduler.pending.take_due(DateTime::<Utc>::MAX_UTC);
    let ids: Vec<ExecutionId> = later.iter().map(|dispatch| dispatch.execution).collect();
    let handed = async { dispatch::release(&mut *scheduler.db.conn().await?, &ids).await };
    if let Err::<_, StoreError>(error) = handed.await {
        // Without Postgres, early is better than late.
        scheduler.pending.push(later);
        publish_all(scheduler).await?;
        return Err(error.into());
    }
    Ok(())
}

async fn send_near(scheduler: &Scheduler, dispatches: Vec<Dispatch>) -> Result<(), SchedulerError> {
    let until = scheduler.clock.now() + lead(scheduler) + TOGETHER;
    let (near, later) = dispatches.into_iter().partition(|dispatch| dispatch.due_at <= until);
    scheduler.pending.push(later);
    send(scheduler, near).await
}

/// How long until the next dispatch has to be published; `None` when none waits.
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
            let stale = scheduler.clock.now() - STALE;
            scheduler
                .pending
                .push(dispatches.into_iter().filter(|dispatch| dispatch.due_at > stale).collect());
        }
    }
    Ok(published?)
}

/// By the conventions of OpenTelemetry for messaging.
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
        Step::new("ring", SpanKind::Producer, started_at, took)
            .export(dispatch.traceparent.as_deref(), attributes);
    }
}

fn lead(scheduler: &Scheduler) -> TimeDelta {
    TimeDelta::from_std(scheduler.lead()).unwrap_or_default()
}
