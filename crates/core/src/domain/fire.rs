//! Decides a due timer: which executions to record, and when it fires next.
//!
//! The next fire is computed strictly after the fire just decided, never after "now", so that a late scheduler loses no fire.

mod misfire;

use chrono::{DateTime, Utc};
use std::time::Duration;

use super::{
    dispatch::Dispatch,
    id::{ExecutionId, JobId, WorkspaceId},
    job::MisfirePolicy,
    schedule::Schedule,
};

/// A fire that is late by up to this much runs as if it were on time; later, the job's misfire policy decides.
pub const MISFIRE_THRESHOLD: Duration = Duration::from_secs(60);

/// A timer that is due soon or overdue, locked until the transaction ends.
#[derive(Clone, Debug)]
pub struct DueTimer {
    pub job: JobId,
    pub workspace: WorkspaceId,
    pub shard: i16,
    pub version: i32,
    pub next_run_at: DateTime<Utc>,
    pub anchor: DateTime<Utc>,
    pub schedule: Schedule,
    pub misfire_policy: MisfirePolicy,
    pub catch_up_limit: u16,
    /// Postgres's clock at the claim.
    pub now: DateTime<Utc>,
    /// The workspace is suspended: no fire runs.
    pub is_suspended: bool,
    /// The trace that its executions continue; the planner sets it.
    pub traceparent: Option<String>,
}

/// The decision on a due timer: the fires to record, and the timer's next state.
#[derive(Debug)]
pub struct FireDecision {
    pub fires: Vec<Planned>,
    pub advance: Advance,
}

/// The state of a timer after its fire was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    To(DateTime<Utc>),
    /// No fire is left.
    Exhausted,
    /// The next fire cannot be computed. The error is stored and shown on the job, and the computation is retried later from the fire
    /// just recorded.
    Failed {
        after: DateTime<Utc>,
        error: String,
    },
}

/// A fire to be recorded.
#[derive(Clone, Debug)]
pub struct Planned {
    pub id: ExecutionId,
    pub workspace: WorkspaceId,
    pub job: JobId,
    pub version: i32,
    pub shard: i16,
    pub scheduled_for: DateTime<Utc>,
    pub ends_job: bool,
    pub traceparent: Option<String>,
    /// Set when the fire is deliberately not run.
    pub skipped: Option<PlannedSkip>,
}

#[derive(Clone, Debug)]
pub struct PlannedSkip {
    pub reason: &'static str,
    pub count: i64,
    pub last: DateTime<Utc>,
}

impl Planned {
    pub fn dispatch(self) -> Dispatch {
        let Self { id, workspace, shard, scheduled_for, traceparent, .. } = self;
        Dispatch { execution: id, workspace, shard, due_at: scheduled_for, traceparent }
    }
}

/// Decides a due timer. Pure: the timer holds all inputs.
pub fn decide(timer: DueTimer) -> FireDecision {
    if timer.is_suspended {
        return skip(timer);
    }
    let late = (timer.now - timer.next_run_at).to_std().unwrap_or_default() > MISFIRE_THRESHOLD;
    if late { misfire::decide(timer) } else { on_time(timer) }
}

/// Skips every fire up to now, and the one for which the timer was claimed, whatever the job's misfire policy is.
pub fn skip(timer: DueTimer) -> FireDecision {
    let until = timer.now.max(timer.next_run_at);
    misfire::decide_until(DueTimer { misfire_policy: MisfirePolicy::Skip, ..timer }, until)
}

fn on_time(timer: DueTimer) -> FireDecision {
    let advance = advance_after(&timer, timer.next_run_at);
    FireDecision { fires: vec![fire(&timer, timer.next_run_at, &advance)], advance }
}

/// The timer's state after `fire`. An error in the computation never ends a job: it is shown on the job and the computation is retried.
pub fn advance_after(timer: &DueTimer, fire: DateTime<Utc>) -> Advance {
    match timer.schedule.next_after(timer.anchor, fire) {
        Ok(Some(next)) if next > fire => Advance::To(next),
        Ok(Some(next)) => {
            Advance::Failed { after: fire, error: format!("the fire after {fire} came out as {next}") }
        }
        Ok(None) => Advance::Exhausted,
        Err(error) => Advance::Failed { after: fire, error: error.to_string() },
    }
}

/// The execution of one fire, with its derived id.
fn fire(timer: &DueTimer, at: DateTime<Utc>, advance: &Advance) -> Planned {
    Planned {
        id: ExecutionId::of_fire(timer.job, at),
        workspace: timer.workspace,
        job: timer.job,
        version: timer.version,
        shard: timer.shard,
        scheduled_for: at,
        ends_job: *advance == Advance::Exhausted,
        traceparent: timer.traceparent.clone(),
        skipped: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    pub fn instant(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// A job that fires every minute, claimed `late_seconds` after its fire.
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
            is_suspended: false,
            traceparent: None,
        }
    }

    #[test]
    fn a_timer_on_time_records_one_fire_and_advances_past_it() {
        for late in [-2, 0, 60] {
            let fired = decide(timer(MisfirePolicy::Skip, late));
            assert_eq!(fired.fires.len(), 1, "{late}");
            assert_eq!(fired.fires[0].scheduled_for, instant(0));
            assert!(fired.fires[0].skipped.is_none() && !fired.fires[0].ends_job);
            assert_eq!(fired.advance, Advance::To(instant(60)), "after the fire, not after now");
        }
    }

    #[test]
    fn no_fire_of_a_suspended_workspace_runs() {
        for policy in [MisfirePolicy::FireOnce, MisfirePolicy::Skip, MisfirePolicy::CatchUp] {
            for (late, count, next) in [(-2, 1, 60), (0, 1, 60), (59, 1, 60), (330, 6, 360)] {
                let fired = decide(DueTimer { is_suspended: true, ..timer(policy, late) });
                let [fire] = &fired.fires[..] else { panic!("{late}: {fired:?}") };
                let skip = fire.skipped.as_ref().unwrap();
                assert_eq!((fire.scheduled_for, skip.reason, skip.count), (instant(0), "suspended", count));
                assert_eq!(fired.advance, Advance::To(instant(next)), "{late}");
            }
        }
    }

    #[test]
    fn the_last_fire_ends_the_job() {
        let schedule = Schedule::Scheduled { run_at: instant(0) };
        let fired = decide(DueTimer { schedule, ..timer(MisfirePolicy::FireOnce, 1) });
        assert_eq!(fired.advance, Advance::Exhausted);
        assert!(fired.fires[0].ends_job);
    }

    #[test]
    fn the_same_fire_has_the_same_id_in_every_plan() {
        let id = |late| decide(timer(MisfirePolicy::FireOnce, late)).fires[0].id;
        assert_eq!(id(0), id(30));
        let later = DueTimer {
            next_run_at: instant(0) + TimeDelta::seconds(60),
            ..timer(MisfirePolicy::FireOnce, 60)
        };
        assert_ne!(id(0), decide(later).fires[0].id);
    }
}
