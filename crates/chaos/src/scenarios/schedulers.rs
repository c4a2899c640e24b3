//! Schedulers die, one or all of them, for a moment or for minutes.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use std::time::Duration;
use trigrun_core::domain::job::MisfirePolicy;

use super::{Ask, Span, play};
use crate::{
    cluster::Role,
    faults::{self, Fault},
    load::{Kind, Plan},
    proof::Finding,
    report::{Bound, Figure, Verdict},
    run::{Outcome, Run},
};

/// Whatever a scheduler has planned and not yet published dies with it: each kill is one between commit and ring.
pub async fn killed(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(25);
    let ((peace, span), outcome) = play(name, ask.setup(), async |run| {
        let peace = run.peace(Duration::from_secs(8)).await;
        let from = run.clock.elapsed();
        faults::shake(run, time, &[Fault::KillScheduler], Duration::from_millis(1500)).await?;
        Ok((peace, Span { from, to: run.clock.elapsed() }))
    })
    .await?;
    let figures = outcome.added(peace, span, 1000.0);
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

pub async fn gone(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let (gone, outcome) = play(name, ask.setup(), async |run| {
        while run.clock.now().second() != 57 {
            run.pass(Duration::from_millis(50)).await;
        }
        let from = run.clock.elapsed();
        end_all(run).await?;
        run.pass(Duration::from_secs(6)).await;
        begin_all(run)?;
        let to = run.clock.elapsed();
        run.pass(Duration::from_secs(5)).await;
        Ok(Span { from, to })
    })
    .await?;
    let after = outcome.late(gone).worst - (gone.to - gone.from).as_secs_f64() * 1000.0;
    let figures = vec![Figure::new(
        "the last fire starts, after they are back",
        after.max(0.0),
        "ms",
        Bound::AtMost(3000.0),
    )];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

pub async fn away(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let mut setup = ask.setup();
    setup.plan = Plan {
        jobs: 30,
        misfire: &[MisfirePolicy::CatchUp, MisfirePolicy::FireOnce, MisfirePolicy::Skip],
        only: Some(Kind::Fast),
        ..Plan::default()
    };
    setup.users = None;
    let time = ask.time(300);
    let (gone, mut outcome) = play(name, setup, async |run| {
        let from = run.clock.elapsed();
        end_all(run).await?;
        run.pass(time).await;
        let to = run.clock.elapsed();
        begin_all(run)?;
        run.pass(Duration::from_secs(10)).await;
        Ok(Span { from, to })
    })
    .await?;
    let kept = policies_kept(&outcome, gone);
    outcome.findings.push(kept);
    Ok(Verdict::new(name, ask.seed, outcome, Vec::new()))
}

async fn end_all(run: &mut Run) -> anyhow::Result<()> {
    for index in 0..run.cluster.count(Role::Scheduler) {
        run.kill(Role::Scheduler, index).await?;
    }
    Ok(())
}

fn begin_all(run: &mut Run) -> anyhow::Result<()> {
    run.say("schedulers are back");
    (0..run.cluster.count(Role::Scheduler)).try_for_each(|index| run.begin_again(Role::Scheduler, index))
}

/// Fires that were missed by more than a minute: all are run, the newest is, or none, as the job's policy says. The ledger sees to it
/// that every fire is either run or skipped; this looks at which.
fn policies_kept(outcome: &Outcome, gone: Span) -> Finding {
    const LATE: TimeDelta = TimeDelta::seconds(60);
    /// Between deciding and recording.
    const A_MOMENT: TimeDelta = TimeDelta::milliseconds(500);
    let away = gone.to - gone.from;
    let least = i64::try_from(away.as_secs()).unwrap_or_default() - 70;
    let mut against = Vec::new();
    for job in &outcome.load.jobs {
        let of_job = outcome.record.executions.values().filter(|execution| execution.job == job.id);
        let skips: Vec<_> = of_job
            .filter_map(|execution| Some((execution.skipped?, execution.finished_at?)))
            .filter(|((count, _), _)| *count > 1)
            .collect();
        // How much older than a minute the last that was skipped is: by less than two fires, when the one after it was run as the newest
        // that was missed; by less than one, when nothing that was missed was run.
        let beyond = |((_, last), at): &((i64, DateTime<Utc>), DateTime<Utc>)| *at - LATE - *last;
        let kept = match (job.misfire, skips.as_slice()) {
            (MisfirePolicy::CatchUp, []) => true,
            (MisfirePolicy::FireOnce, [skip]) => {
                skip.0.0 >= least && (job.every..job.every * 2 + A_MOMENT).contains(&beyond(skip))
            }
            (MisfirePolicy::Skip, [skip]) => {
                skip.0.0 >= least && (TimeDelta::zero()..job.every + A_MOMENT).contains(&beyond(skip))
            }
            _ => false,
        };
        if !kept {
            against.push(format!("job {} ({:?}): skipped {skips:?}", job.id, job.misfire));
        }
    }
    Finding::new("each misfire policy is kept", outcome.load.jobs.len(), against)
}
