//! Executors die or stand still while their targets work, or are asked to end.

use std::{collections::HashMap, time::Duration};

use super::{Ask, Span, play};
use crate::{
    cluster::Role,
    faults,
    load::{Kind, Plan},
    report::{Bound, Figure, Verdict},
    run::{Outcome, Setup},
};

/// Targets that take 0.8 s, so that a request is always under way.
fn slow(ask: &Ask) -> Setup {
    let mut setup = ask.setup();
    setup.plan = Plan { jobs: 24, only: Some(Kind::Slow), ..Plan::default() };
    setup
}

pub async fn killed(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let ((), outcome) = play(name, slow(&ask), async |run| {
        for index in 0..2 {
            run.kill(Role::Executor, index).await?;
            run.pass(Duration::from_secs(4)).await;
            run.begin_again(Role::Executor, index)?;
        }
        run.pass(Duration::from_secs(20)).await;
        Ok(())
    })
    .await?;
    let figures = taken_over(&outcome);
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

pub async fn stopped(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let ((), outcome) = play(name, slow(&ask), async |run| {
        run.stand_still(0, Duration::from_secs(20))?;
        run.pass(Duration::from_secs(3)).await;
        run.stand_still(1, Duration::from_secs(19))?;
        run.pass(Duration::from_secs(23)).await;
        run.wake()
    })
    .await?;
    let figures = taken_over(&outcome);
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// Nothing can be recorded while Postgres stands still; the targets answer all the same.
pub async fn unrecorded(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let ((), outcome) = play(name, slow(&ask), async |run| {
        for _ in 0..3 {
            let frozen = run.servers.frozen_postgres();
            run.pass(Duration::from_millis(900)).await;
            for index in 0..run.cluster.count(Role::Executor) {
                run.kill(Role::Executor, index).await?;
            }
            drop(frozen);
            for index in 0..run.cluster.count(Role::Executor) {
                run.begin_again(Role::Executor, index)?;
            }
            run.pass(Duration::from_secs(3)).await;
        }
        run.pass(Duration::from_secs(18)).await;
        Ok(())
    })
    .await?;
    let figures = taken_over(&outcome);
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// How long an interrupted request waited for the next attempt at it, from its own arrival.
fn taken_over(outcome: &Outcome) -> Vec<Figure> {
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

pub async fn rolling(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(25);
    let ((peace, span, took), outcome) = play(name, ask.setup(), async |run| {
        let peace = run.peace(Duration::from_secs(6)).await;
        let (from, mut took) = (run.clock.elapsed(), Vec::new());
        while run.clock.elapsed() < from + time {
            took.extend(faults::roll(run).await?);
            run.pass(Duration::from_secs(1)).await;
        }
        Ok((peace, Span { from, to: run.clock.elapsed() }, took))
    })
    .await?;
    let longest = took.iter().max().copied().unwrap_or_default().as_secs_f64();
    let mut figures = outcome.added(peace, span, 1000.0);
    figures.push(Figure::new(
        "handed on and sent within",
        outcome.late(span).worst,
        "ms",
        Bound::AtMost(2000.0),
    ));
    figures.push(Figure::new("an executor ends within", longest, "s", Bound::AtMost(5.0)));
    figures.push(Figure::new("sent twice", outcome.interrupted() as f64, "", Bound::AtMost(0.0)));
    figures.push(Figure::new("executors asked to end", took.len() as f64, "", Bound::AtLeast(3.0)));
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}
