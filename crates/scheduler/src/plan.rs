//! Records the fires of the next moments as executions and advances their timers, in one transaction. After the commit, their
//! dispatch messages become pending.
//!
//! `domain::fire` decides what is recorded.

use chrono::{DateTime, Utc};
use std::time::Instant;
use trigrun_core::{
    domain::{
        dispatch::Dispatch,
        fire::{DueTimer, FireDecision, MISFIRE_THRESHOLD, advance_after, decide},
        id::ExecutionId,
    },
    failpoint,
    store::timers::{self, PlanningWindow, Round},
    telemetry::{
        KeyValue, SpanKind, metrics,
        trace::{self, Step},
    },
};

use crate::{Scheduler, SchedulerError};

/// Timers moved by one transaction.
const PLAN_BATCH: i64 = 1000;
/// Smaller, because a timer that missed its fires may stand for many executions.
const MISSED_BATCH: i64 = 100;

/// One pass: the fires within the horizon (how far ahead a fire is recorded), then those that were missed. On-time work goes first. While
/// there is a hold, fires stay in their timers: the release, or the misfire policy of each job after it, decides about them.
pub async fn plan(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    if scheduler.hold.is_active() {
        return Ok(());
    }
    let started = Instant::now();
    let due = PlanningWindow::Due { horizon: scheduler.horizon(), late: MISFIRE_THRESHOLD };
    rounds(scheduler, due, PLAN_BATCH).await?;
    if missed(scheduler).await? > 0 {
        // The missed fires are recorded; those timers may be due again.
        rounds(scheduler, due, PLAN_BATCH).await?;
    }
    metrics::pass("plan", started.elapsed());
    Ok(())
}

async fn missed(scheduler: &Scheduler) -> Result<usize, SchedulerError> {
    let search = &scheduler.searches.missed;
    let (after, end) = (search.begin(), scheduler.clock.now() - MISFIRE_THRESHOLD);
    let window = PlanningWindow::Missed { late: MISFIRE_THRESHOLD, after };
    let advanced = rounds(scheduler, window, MISSED_BATCH).await?;
    // Only a search that planned nothing and that a full queue did not end has read all missed timers, and took only the time of a search.
    if advanced == 0 && !scheduler.pending.is_full() {
        search.succeeded(None, end);
    }
    Ok(advanced)
}

/// A timer that fires often is claimed again for its next fire, until it has left the window. Returns how often a timer was advanced.
async fn rounds(scheduler: &Scheduler, window: PlanningWindow, limit: i64) -> Result<usize, SchedulerError> {
    let mut advanced = 0;
    while !scheduler.pending.is_full() {
        match round(scheduler, window, limit).await?.timers {
            0 => break,
            timers => advanced += timers,
        }
    }
    Ok(advanced)
}

async fn round(scheduler: &Scheduler, window: PlanningWindow, limit: i64) -> Result<Round, SchedulerError> {
    let mut conn = scheduler.db.conn().await?;
    let started_at = scheduler.clock.now();
    let decide_traced = |timer: DueTimer| {
        let timer = DueTimer { traceparent: begin_trace(&timer, started_at), ..timer };
        let fired = decide(timer.clone());
        if failpoint::ENABLED { apply_failpoints(scheduler, &timer, fired) } else { fired }
    };
    let mut round = timers::record_fires(&mut conn, window, limit, decide_traced).await?;
    metrics::planned("run", round.to_publish.len());
    metrics::planned("skipped", round.skipped);
    metrics::planned("suspended", round.suspended);
    let dispatches = std::mem::take(&mut round.to_publish);
    if !failpoint::is(failpoint::PUBLISH_BEFORE_COMMIT) {
        scheduler.pending.push(dispatches);
    }
    Ok(round)
}

/// The trace of a scheduled execution begins here, if spans are exported: from the start of the round until the decision.
fn begin_trace(timer: &DueTimer, started_at: DateTime<Utc>) -> Option<String> {
    let took = (timer.now - started_at).to_std().unwrap_or_default();
    let step = Step::new("plan", SpanKind::Internal, started_at, took);
    trace::is_exported()
        .then(|| step.export(None, vec![KeyValue::new("trigrun.job.id", timer.job.to_string())]))?
}

/// The deliberate defects of this pass that the chaos tests must find; none unless a test asks for one.
fn apply_failpoints(scheduler: &Scheduler, timer: &DueTimer, mut fired: FireDecision) -> FireDecision {
    if failpoint::is(failpoint::NEXT_FROM_NOW) {
        fired.advance = advance_after(timer, timer.now.max(timer.next_run_at));
    }
    if failpoint::is(failpoint::NO_UNIQUE_ID) {
        fired.fires.iter_mut().for_each(|fire| fire.id = ExecutionId::at(fire.scheduled_for));
    }
    if failpoint::is(failpoint::PUBLISH_BEFORE_COMMIT) {
        let now = scheduler.clock.now();
        let early = fired.fires.iter().cloned().map(|fire| Dispatch { due_at: now, ..fire.dispatch() });
        scheduler.pending.push(early.collect());
    }
    fired
}
