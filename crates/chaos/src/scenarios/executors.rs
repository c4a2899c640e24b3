//! Executors are killed, paused or terminated while their targets work.

use std::{collections::HashMap, time::Duration};

use super::{Options, run};
use crate::{
    cluster::Role,
    faults,
    load::{Kind, Plan},
    report::{Bound, Figure, Report},
    run::{Outcome, Setup},
};

/// Targets that take 0.8 s, so that a request is always in flight.
fn slow_targets(options: &Options) -> Setup {
    let mut setup = options.setup();
    setup.plan = Plan { jobs: 24, only: Some(Kind::Slow), ..Plan::default() };
    setup
}

pub async fn killed(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let ((), outcome) = run(name, slow_targets(&options), async |run| {
        for index in 0..2 {
            run.kill(Role::Executor, index)?;
            run.wait(Duration::from_secs(4)).await;
            run.cluster.restart(Role::Executor, index)?;
        }
        run.wait(Duration::from_secs(20)).await;
        Ok(())
    })
    .await?;
    let figures = recovery(&outcome);
    Ok(Report::new(name, options.seed, outcome, figures))
}

pub async fn stopped(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let ((), outcome) = run(name, slow_targets(&options), async |run| {
        run.pause_executor(0, Duration::from_secs(20))?;
        run.wait(Duration::from_secs(3)).await;
        run.pause_executor(1, Duration::from_secs(19))?;
        run.wait(Duration::from_secs(23)).await;
        run.resume_executors()
    })
    .await?;
    let figures = recovery(&outcome);
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// While Postgres is frozen, targets respond and nothing can be recorded.
pub async fn unrecorded(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let ((), outcome) = run(name, slow_targets(&options), async |run| {
        for _ in 0..3 {
            let frozen = run.servers.freeze_postgres();
            run.wait(Duration::from_millis(900)).await;
            run.kill_all(Role::Executor)?;
            drop(frozen);
            run.restart_all(Role::Executor)?;
            run.wait(Duration::from_secs(3)).await;
        }
        run.wait(Duration::from_secs(18)).await;
        Ok(())
    })
    .await?;
    let figures = recovery(&outcome);
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// From the arrival of an interrupted request to the arrival of the next attempt.
fn recovery(outcome: &Outcome) -> Vec<Figure> {
    let arrived: HashMap<_, _> =
        outcome.hits.iter().map(|hit| ((hit.execution, hit.number), hit.arrived)).collect();
    let interrupted = outcome.record.attempts.iter().filter(|(_, attempt)| attempt.status == "interrupted");
    let waits = interrupted.filter_map(|((id, number), _)| {
        Some(arrived.get(&(*id, number + 1))?.saturating_sub(*arrived.get(&(*id, *number))?))
    });
    let longest = waits.max().unwrap_or_default().as_secs_f64();
    vec![
        Figure::new("interrupted attempts", outcome.interrupted() as f64, "", Bound::AtLeast(1.0)),
        Figure::new("a lost request is sent again within", longest, "s", Bound::AtMost(20.0)),
    ]
}

pub async fn rolling(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(25);
    let ((baseline, faults, took), outcome) = run(name, options.setup(), async |run| {
        let baseline = run.baseline(Duration::from_secs(6)).await;
        let (from, mut took) = (run.clock.elapsed(), Vec::new());
        while run.clock.elapsed() < from + time {
            took.extend(faults::rolling_restart(run).await?);
            run.wait(Duration::from_secs(1)).await;
        }
        Ok((baseline, run.phase_since(from), took))
    })
    .await?;
    let longest = took.iter().max().copied().unwrap_or_default().as_secs_f64();
    let worst = outcome.lateness_in(faults).worst;
    let mut figures = outcome.added_lateness(baseline, faults, 1000.0);
    figures.extend([
        Figure::new("released and sent within", worst, "ms", Bound::AtMost(2000.0)),
        Figure::new("an executor ends within", longest, "s", Bound::AtMost(5.0)),
        Figure::new("sent twice", outcome.interrupted() as f64, "", Bound::AtMost(0.0)),
        Figure::new("executors terminated", took.len() as f64, "", Bound::AtLeast(3.0)),
    ]);
    Ok(Report::new(name, options.seed, outcome, figures))
}
