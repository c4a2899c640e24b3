//! Rings the stream shortly before each instant: what this process planned, and what others asked to be rung.
//!
//! Commit first, ring second. A bell that is lost in between is rung again by `recover`; one that is rung twice finds its
//! execution taken.

use chrono::TimeDelta;
use std::time::{Duration, Instant};
use trigrun_core::{domain::bell::Bell, store::bells, telemetry::metrics};

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

/// One pass over what asks for its bell: runs that were asked for, work handed back, slots that fell free.
pub async fn publish_asked(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    loop {
        let mut conn = scheduler.db.conn().await?;
        let asked = bells::claim_unrung(&mut conn, scheduler.lead(), BATCH).await?;
        drop(conn);
        let count = asked.len() as i64;
        ring(scheduler, asked).await?;
        if count < BATCH {
            metrics::pass("publish", started.elapsed());
            return Ok(());
        }
    }
}

/// Rings what is left, early: whoever hears it holds it until its instant. For a scheduler that stops.
pub async fn publish_all(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    ring(scheduler, scheduler.bells.take_due(chrono::DateTime::<chrono::Utc>::MAX_UTC)).await
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
    let rung = scheduler.ringing().await.ring(&bells, scheduler.clock.now()).await;
    match rung {
        Ok(()) => metrics::rung(bells.len()),
        Err(_) => {
            metrics::ring_failed();
            let stale = scheduler.clock.now() - STALE;
            scheduler.bells.push(bells.into_iter().filter(|bell| bell.due_at > stale).collect());
        }
    }
    Ok(rung?)
}

fn lead(scheduler: &Scheduler) -> TimeDelta {
    TimeDelta::from_std(scheduler.lead()).unwrap_or_default()
}
