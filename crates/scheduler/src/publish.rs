//! Rings the stream shortly before each instant: what this process planned, and what others asked to be rung.
//!
//! Commit first, ring second. A bell that is lost in between is rung again by `recover`; one that is rung twice finds its
//! execution taken.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};
use trigrun_core::{
    domain::{bell::Bell, id::ExecutionId},
    store::{StoreError, bells},
    telemetry::{
        KeyValue, SpanKind, metrics,
        trace::{self, Step},
    },
};

use crate::{Scheduler, SchedulerError};

/// Bells this close to each other are rung together: at high rates one pipeline instead of a thousand.
const TOGETHER: TimeDelta = TimeDelta::milliseconds(10);
/// When Redis is away, executors take the work from Postgres; a bell older than this has no one to wake any more.
const STALE: TimeDelta = TimeDelta::seconds(5);
const BATCH: i64 = 1000;

/// One pass over what this process planned.
pub async fn publish(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let until = scheduler.clock.now() + lead(scheduler) + TOGETHER;
    ring(scheduler, scheduler.bells.take_due(until)).await
}

/// One pass over what asks for its bell: runs that were asked for, work handed back or over, slots that fell free. What is due before the
/// next pass waits here until its time.
pub async fn publish_asked(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let ahead = scheduler.lead() + Duration::from_millis(scheduler.settings.poll_ms);
    loop {
        let mut conn = scheduler.db.conn().await?;
        let asked = bells::claim_unrung(&mut conn, ahead, BATCH).await?;
        drop(conn);
        let count = asked.len() as i64;
        ring_those_that_are_near(scheduler, asked).await?;
        if count < BATCH {
            metrics::pass("publish", started.elapsed());
            return Ok(());
        }
    }
}

/// Rings everything, early: whoever hears it holds it until its instant.
pub async fn publish_all(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    ring(scheduler, scheduler.bells.take_due(DateTime::<Utc>::MAX_UTC)).await
}

/// For a scheduler that stops: what is not near is handed over. Rung early it would be leased early, and could not be withdrawn any more
/// when its job is paused.
pub async fn hand_over(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    ring_those_that_are_near(scheduler, scheduler.bells.take_due(DateTime::<Utc>::MAX_UTC)).await?;
    let later = scheduler.bells.take_due(DateTime::<Utc>::MAX_UTC);
    let ids: Vec<ExecutionId> = later.iter().map(|bell| bell.execution).collect();
    let handed = async { bells::hand_over(&mut *scheduler.db.conn().await?, &ids).await };
    if let Err::<_, StoreError>(error) = handed.await {
        // Without Postgres, early is better than late.
        scheduler.bells.push(later);
        publish_all(scheduler).await?;
        return Err(error.into());
    }
    Ok(())
}

async fn ring_those_that_are_near(scheduler: &Scheduler, bells: Vec<Bell>) -> Result<(), SchedulerError> {
    let until = scheduler.clock.now() + lead(scheduler) + TOGETHER;
    let (near, later) = bells.into_iter().partition(|bell| bell.due_at <= until);
    scheduler.bells.push(later);
    ring(scheduler, near).await
}

/// How long until the next bell has to be rung; `None` when none waits.
pub fn next_in(scheduler: &Scheduler) -> Option<Duration> {
    let due = scheduler.bells.next_due()? - lead(scheduler);
    Some((due - scheduler.clock.now()).to_std().unwrap_or_default())
}

async fn ring(scheduler: &Scheduler, bells: Vec<Bell>) -> Result<(), SchedulerError> {
    if bells.is_empty() {
        return Ok(());
    }
    let started_at = scheduler.clock.now();
    let rung = scheduler.ringing().await.ring(&bells, started_at).await;
    match rung {
        Ok(()) => {
            metrics::rung(bells.len());
            export(&bells, started_at, scheduler.clock.now());
        }
        Err(_) => {
            metrics::ring_failed();
            let stale = scheduler.clock.now() - STALE;
            scheduler.bells.push(bells.into_iter().filter(|bell| bell.due_at > stale).collect());
        }
    }
    Ok(rung?)
}

/// By the conventions of OpenTelemetry for messaging.
fn export(bells: &[Bell], started_at: DateTime<Utc>, ended_at: DateTime<Utc>) {
    if !trace::is_exported() {
        return;
    }
    let took = (ended_at - started_at).to_std().unwrap_or_default();
    for bell in bells {
        let attributes = vec![
            KeyValue::new("messaging.system", "redis"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("trigrun.execution.id", bell.execution.to_string()),
        ];
        Step::new("ring", SpanKind::Producer, started_at, took)
            .export(bell.traceparent.as_deref(), attributes);
    }
}

fn lead(scheduler: &Scheduler) -> TimeDelta {
    TimeDelta::from_std(scheduler.lead()).unwrap_or_default()
}
