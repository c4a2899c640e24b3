//! One scheduler or all of them are killed, for a moment or for minutes.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use std::time::Duration;
use trigrun_core::domain::job::MisfirePolicy;

use super::{Options, Phase, run};
use crate::{
    cluster::Role,
    faults::{self, Fault},
    load::{Kind, LoadJob, Plan},
    proof::Finding,
    report::{Bound, Figure, Report},
    run::{Outcome, Run},
};

/// A killed scheduler loses what it has planned and not yet published: each kill hits between commit and publication.
pub async fn killed(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(25);
    let ((baseline, faults), outcome) = run(name, options.setup(), async |run| {
        let baseline = run.baseline(Duration::from_secs(8)).await;
        let from = run.clock.elapsed();
        faults::inject(run, time, &[Fault::KillScheduler], Duration::from_millis(1500)).await?;
        Ok((baseline, run.phase_since(from)))
    })
    .await?;
    let figures = outcome.added_lateness(baseline, faults, 1000.0);
    Ok(Report::new(name, options.seed, outcome, figures))
}

pub async fn gone(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let (outage, outcome) = run(name, options.setup(), async |run| {
        while run.clock.now().second() != 57 {
            run.wait(Duration::from_millis(50)).await;
        }
        let outage = no_scheduler_for(run, Duration::from_secs(6)).await?;
        run.wait(Duration::from_secs(5)).await;
        Ok(outage)
    })
    .await?;
    let outage_ms = (outage.to - outage.from).as_secs_f64() * 1000.0;
    let after = (outcome.lateness_in(outage).worst - outage_ms).max(0.0);
    let figures = vec![Figure::new("last fire after their return", after, "ms", Bound::AtMost(3000.0))];
    Ok(Report::new(name, options.seed, outcome, figures))
}

pub async fn away(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let mut setup = options.setup();
    setup.plan = Plan {
        jobs: 30,
        misfire: &[MisfirePolicy::CatchUp, MisfirePolicy::FireOnce, MisfirePolicy::Skip],
        only: Some(Kind::Fast),
        ..Plan::default()
    };
    setup.client_pause = None;
    let time = options.duration(300);
    let (outage, mut outcome) = run(name, setup, async |run| {
        let outage = no_scheduler_for(run, time).await?;
        run.wait(Duration::from_secs(10)).await;
        Ok(outage)
    })
    .await?;
    let followed = policies_followed(&outcome, outage);
    outcome.findings.push(followed);
    Ok(Report::new(name, options.seed, outcome, Vec::new()))
}

async fn no_scheduler_for(run: &mut Run, time: Duration) -> anyhow::Result<Phase> {
    let from = run.clock.elapsed();
    run.kill_all(Role::Scheduler)?;
    run.wait(time).await;
    run.log("schedulers restart");
    run.restart_all(Role::Scheduler)?;
    Ok(run.phase_since(from))
}

/// Of the fires that were missed by more than a minute, all run, the newest one, or none, as the job's policy says. The reconciliation
/// checks that every fire is either run or skipped; this checks which.
fn policies_followed(outcome: &Outcome, outage: Phase) -> Finding {
    let outage = outage.to - outage.from;
    let min_skipped = i64::try_from(outage.as_secs()).unwrap_or_default() - 70;
    let mut violations = Vec::new();
    for job in &outcome.load.jobs {
        let executions = outcome.record.executions.values().filter(|execution| execution.job == job.id);
        let skips: Vec<Skip> = executions
            .filter_map(|execution| Some((execution.skipped?, execution.finished_at?)))
            .map(|((count, last), recorded_at)| Skip { count, last, recorded_at })
            .filter(|skip| skip.count > 1)
            .collect();
        if !is_followed(job, &skips, min_skipped) {
            violations.push(format!("job {} ({:?}): {skips:?}", job.id, job.misfire));
        }
    }
    Finding::new("each misfire policy is followed", outcome.load.jobs.len(), violations)
}

/// A record of skipped fires.
#[derive(Debug)]
struct Skip {
    count: i64,
    last: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
}

impl Skip {
    /// How far the last skipped fire was beyond the misfire threshold when it was recorded.
    fn beyond_threshold(&self) -> TimeDelta {
        const MISFIRE_THRESHOLD: TimeDelta = TimeDelta::seconds(60);
        self.recorded_at - MISFIRE_THRESHOLD - self.last
    }
}

fn is_followed(job: &LoadJob, skips: &[Skip], min_skipped: i64) -> bool {
    /// Between the decision and the record.
    const TOLERANCE: TimeDelta = TimeDelta::milliseconds(500);
    match (job.misfire, skips) {
        (MisfirePolicy::CatchUp, []) => true,
        // The fire after the last skipped one ran, as the newest missed one.
        (MisfirePolicy::FireOnce, [skip]) => {
            let range = job.every..job.every * 2 + TOLERANCE;
            skip.count >= min_skipped && range.contains(&skip.beyond_threshold())
        }
        // No missed fire ran.
        (MisfirePolicy::Skip, [skip]) => {
            let range = TimeDelta::zero()..job.every + TOLERANCE;
            skip.count >= min_skipped && range.contains(&skip.beyond_threshold())
        }
        _ => false,
    }
}
