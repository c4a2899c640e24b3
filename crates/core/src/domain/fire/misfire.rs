//! Decides fires that were missed by more than the misfire threshold. Pure.

use chrono::{DateTime, Utc};

use super::{Advance, DueTimer, FireDecision, MISFIRE_THRESHOLD, Planned, PlannedSkip, advance_after, fire};
use crate::domain::{job::MisfirePolicy, workspace::Suspension};

/// Runs as many of the newest missed fires as the job's policy allows, and records one `skipped` execution for all others.
pub fn decide(timer: DueTimer) -> FireDecision {
    // Fires within the threshold are only late; the next pass takes them as on time.
    let until = timer.now - MISFIRE_THRESHOLD;
    decide_until(timer, until)
}

/// The same for the fires up to this instant, of which there is at least one.
pub fn decide_until(timer: DueTimer, until: DateTime<Utc>) -> FireDecision {
    let run = match timer.misfire_policy {
        MisfirePolicy::FireOnce => 1,
        MisfirePolicy::Skip => 0,
        MisfirePolicy::CatchUp => usize::from(timer.catch_up_limit),
    };
    // One more than is run, to know the newest fire that is skipped.
    let missed = match timer.schedule.missed(timer.anchor, timer.next_run_at, until, run + 1) {
        Ok(missed) => missed,
        Err(error) => {
            let after = timer.next_run_at;
            let advance = Advance::Failed { after, error: error.to_string() };
            // Only this fire is known. `requeue` computes those after it once it can.
            let known = match run {
                0 => skip(&timer, &advance, after, after, 1),
                _ => fire(&timer, after, &advance),
            };
            return FireDecision { fires: vec![known], advance };
        }
    };
    let advance = advance_after(&timer, missed.last);
    let newest = &missed.latest[missed.latest.len().saturating_sub(run)..];
    let skipped = missed.count - newest.len() as u64;
    let mut fires: Vec<Planned> = newest.iter().map(|at| fire(&timer, *at, &advance)).collect();
    if skipped > 0 {
        let last = missed.latest[missed.latest.len() - newest.len() - 1];
        fires.push(skip(&timer, &advance, missed.first, last, skipped));
    }
    // Only one execution can be the job's last.
    let last_fire = fires.iter().map(|fire| fire.scheduled_for).max();
    for fire in &mut fires {
        fire.ends_job &= Some(fire.scheduled_for) == last_fire;
    }
    FireDecision { fires, advance }
}

fn skip(
    timer: &DueTimer,
    advance: &Advance,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    count: u64,
) -> Planned {
    let reason = if timer.is_suspended { Suspension::SKIP_REASON } else { "misfire" };
    let skipped = PlannedSkip { reason, count: i64::try_from(count).unwrap_or(i64::MAX), last };
    Planned { skipped: Some(skipped), ..fire(timer, first, advance) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        fire::tests::{instant, timer},
        schedule::Schedule,
    };

    /// Fires as (seconds, None) when run, (first second, Some(count, last second)) when skipped.
    fn outcome(policy: MisfirePolicy, late_seconds: i64) -> Vec<(i64, Option<(i64, i64)>)> {
        let seconds = |at: DateTime<Utc>| (at - instant(0)).num_seconds();
        let fired = decide(timer(policy, late_seconds));
        fired
            .fires
            .iter()
            .map(|fire| {
                (
                    seconds(fire.scheduled_for),
                    fire.skipped.as_ref().map(|skip| (skip.count, seconds(skip.last))),
                )
            })
            .collect()
    }

    #[test]
    fn fire_once_runs_the_newest_and_records_the_rest() {
        assert_eq!(outcome(MisfirePolicy::FireOnce, 330), [(240, None), (0, Some((4, 180)))]);
        assert_eq!(outcome(MisfirePolicy::FireOnce, 90), [(0, None)]);
    }

    #[test]
    fn a_skip_up_to_now_leaves_no_fire_to_be_run() {
        for policy in [MisfirePolicy::FireOnce, MisfirePolicy::Skip, MisfirePolicy::CatchUp] {
            let fired = super::super::skip(timer(policy, 330));
            assert!(fired.fires.iter().all(|fire| fire.skipped.is_some()));
            assert_eq!(fired.fires.iter().map(|fire| fire.skipped.as_ref().unwrap().count).sum::<i64>(), 6);
            assert_eq!(fired.advance, Advance::To(instant(360)));
            assert_eq!(
                super::super::skip(timer(policy, 0)).advance,
                Advance::To(instant(60)),
                "the present one"
            );
        }
    }

    #[test]
    fn skip_runs_none() {
        assert_eq!(outcome(MisfirePolicy::Skip, 330), [(0, Some((5, 240)))]);
    }

    #[test]
    fn if_the_fires_cannot_be_computed_the_policy_decides_about_the_known_one() {
        for (policy, is_skipped) in
            [(MisfirePolicy::FireOnce, false), (MisfirePolicy::CatchUp, false), (MisfirePolicy::Skip, true)]
        {
            let schedule = Schedule::Recurring { every_seconds: 0 };
            let fired = decide(DueTimer { schedule, ..timer(policy, 330) });
            assert_eq!((fired.fires.len(), fired.fires[0].scheduled_for), (1, instant(0)));
            assert_eq!(fired.fires[0].skipped.is_some(), is_skipped, "{policy:?}");
            assert!(matches!(fired.advance, Advance::Failed { .. }));
        }
    }

    #[test]
    fn catch_up_runs_up_to_its_limit() {
        assert_eq!(
            outcome(MisfirePolicy::CatchUp, 330),
            [(120, None), (180, None), (240, None), (0, Some((2, 60)))]
        );
        assert_eq!(outcome(MisfirePolicy::CatchUp, 150), [(0, None), (60, None)]);
    }

    #[test]
    fn the_timer_advances_past_the_last_missed_fire() {
        assert_eq!(decide(timer(MisfirePolicy::Skip, 330)).advance, Advance::To(instant(300)));
    }

    #[test]
    fn a_missed_single_run_ends_its_job_even_if_skipped() {
        for (policy, run) in [(MisfirePolicy::FireOnce, true), (MisfirePolicy::Skip, false)] {
            let schedule = Schedule::Scheduled { run_at: instant(0) };
            let fired = decide(DueTimer { schedule, ..timer(policy, 3600) });
            assert_eq!((fired.fires.len(), fired.fires[0].skipped.is_none()), (1, run));
            assert!(fired.fires[0].ends_job);
            assert_eq!(fired.advance, Advance::Exhausted);
        }
    }
}
