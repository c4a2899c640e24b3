//! Records the fires of the next moments and moves their timers on, in one transaction; rings are prepared after the commit.
//!
//! Next fires are computed strictly after the fire just recorded, never after "now": a late scheduler loses nothing.

use std::time::{Duration, Instant};
use trigrun_core::{
    domain::id::ExecutionId,
    runtime::mutant,
    store::{
        executions::Planned,
        timers::{self, Advance, DueTimer, Fired, Round, Window},
    },
    telemetry::{metrics, trace},
};

use crate::{Scheduler, SchedulerError, misfire};

/// A fire that is late by up to this much runs as if it were on time; later, the job's misfire policy decides.
pub const LATE: Duration = Duration::from_secs(60);
/// Timers moved by one transaction.
const BATCH: i64 = 1000;
/// Timers that missed their fires may stand for many executions each.
const MISSED_BATCH: i64 = 100;

/// One pass: everything within the horizon, then what was missed. On-time work goes first.
pub async fn plan(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let due = Window::Due { horizon: Duration::from_millis(scheduler.settings.horizon_ms), late: LATE };
    rounds(scheduler, due, BATCH).await?;
    if rounds(scheduler, Window::Missed { late: LATE }, MISSED_BATCH).await? > 0 {
        // What was missed has been dealt with; those timers may be due again.
        rounds(scheduler, due, BATCH).await?;
    }
    metrics::pass("plan", started.elapsed());
    Ok(())
}

/// A timer that fires often is claimed again for its next fire, until it has moved past the window. Returns how many moved.
async fn rounds(scheduler: &Scheduler, window: Window, limit: i64) -> Result<usize, SchedulerError> {
    let mut moved = 0;
    while !scheduler.bells.is_full() {
        match round(scheduler, window, limit).await?.timers {
            0 => break,
            timers => moved += timers,
        }
    }
    Ok(moved)
}

async fn round(scheduler: &Scheduler, window: Window, limit: i64) -> Result<Round, SchedulerError> {
    let mut conn = scheduler.db.conn().await?;
    let decide = |timer: DueTimer| {
        let fired = decide(timer);
        if mutant::is(mutant::RING_BEFORE_COMMIT) {
            scheduler
                .bells
                .push(fired.fires.iter().cloned().map(|fire| fire.bell_at(scheduler.clock.now())).collect());
        }
        fired
    };
    let mut round = timers::fire(&mut conn, window, limit, decide).await?;
    metrics::planned("run", round.to_ring.len());
    metrics::planned("skipped", round.skipped);
    let bells = std::mem::take(&mut round.to_ring);
    if !mutant::is(mutant::RING_BEFORE_COMMIT) {
        scheduler.bells.push(bells);
    }
    Ok(round)
}

/// What becomes of a due timer. Pure: everything it needs is in the timer.
fn decide(timer: DueTimer) -> Fired {
    let late = (timer.now - timer.next_run_at).to_std().unwrap_or_default() > LATE;
    if late { misfire::decide(timer) } else { on_time(timer) }
}

fn on_time(timer: DueTimer) -> Fired {
    let from_now = mutant::is(mutant::NEXT_FROM_NOW);
    let after = if from_now { timer.now.max(timer.next_run_at) } else { timer.next_run_at };
    let advance = advance_after(&timer, after);
    Fired { fires: vec![fire(&timer, timer.next_run_at, &advance)], advance }
}

/// The timer's place after `fire`. An error of the computation never ends a job: it waits, visibly, and is tried again.
pub(crate) fn advance_after(timer: &DueTimer, fire: chrono::DateTime<chrono::Utc>) -> Advance {
    match timer.schedule.next_after(timer.anchor, fire) {
        Ok(Some(next)) if next > fire => Advance::To(next),
        Ok(Some(next)) => {
            Advance::Stuck { after: fire, error: format!("the fire after {fire} came out as {next}") }
        }
        Ok(None) => Advance::Over,
        Err(error) => Advance::Stuck { after: fire, error: error.to_string() },
    }
}

/// The execution of one fire, with its derived id.
pub(crate) fn fire(timer: &DueTimer, at: chrono::DateTime<chrono::Utc>, advance: &Advance) -> Planned {
    let anew = mutant::is(mutant::NO_UNIQUE_ID);
    Planned {
        id: if anew { ExecutionId::at(at) } else { ExecutionId::of_fire(timer.job, at) },
        workspace: timer.workspace,
        job: timer.job,
        version: timer.version,
        shard: timer.shard,
        scheduled_for: at,
        ends_job: *advance == Advance::Over,
        traceparent: trace::current(),
        skipped: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta, Utc};
    use trigrun_core::domain::{
        id::{JobId, WorkspaceId},
        job::MisfirePolicy,
        schedule::Schedule,
    };

    pub fn instant(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// A job of every minute, claimed `late_seconds` after its fire.
    pub fn timer(misfire_policy: MisfirePolicy, late_seconds: i64) -> DueTimer {
        DueTimer {
            job: JobId::from_uuid(uuid::Uuid::from_u128(1)),
            workspace: WorkspaceId::from_uuid(uuid::Uuid::from_u128(2)),
            shard: 3,
            version: 4,
            next_run_at: instant(0),
            anchor: instant(-600),
            schedule: Schedule::Recurring { every_seconds: 60 },
            misfire_policy,
            catch_up_limit: 3,
            now: instant(late_seconds),
        }
    }

    #[test]
    fn on_time_means_one_fire_and_the_next_after_it() {
        for late in [-2, 0, 60] {
            let fired = decide(timer(MisfirePolicy::Skip, late));
            assert_eq!(fired.fires.len(), 1, "{late}");
            assert_eq!(fired.fires[0].scheduled_for, instant(0));
            assert!(fired.fires[0].skipped.is_none() && !fired.fires[0].ends_job);
            assert_eq!(fired.advance, Advance::To(instant(60)), "after the fire, not after now");
        }
    }

    #[test]
    fn the_last_fire_ends_the_job() {
        let schedule = Schedule::Scheduled { run_at: instant(0) };
        let fired = decide(DueTimer { schedule, ..timer(MisfirePolicy::FireOnce, 1) });
        assert_eq!(fired.advance, Advance::Over);
        assert!(fired.fires[0].ends_job);
    }

    #[test]
    fn the_same_fire_has_the_same_id_whoever_plans_it() {
        let id = |late| decide(timer(MisfirePolicy::FireOnce, late)).fires[0].id;
        assert_eq!(id(0), id(30));
        let later = DueTimer {
            next_run_at: instant(0) + TimeDelta::seconds(60),
            ..timer(MisfirePolicy::FireOnce, 60)
        };
        assert_ne!(id(0), decide(later).fires[0].id);
    }
}
