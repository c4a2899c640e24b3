//! Wall clocks are wrong by an hour. What is due is decided by Postgres's; all waits are by the monotonic one.

use anyhow::{Context, ensure};
use std::{path::PathBuf, time::Duration};
use trigrun_core::domain::job::MisfirePolicy;

use super::{Ask, Span, play};
use crate::{
    cluster::{Layout, Role, Whom},
    load::Plan,
    report::{Bound, Figure, Verdict},
    servers::{ClockFile, ServerFaults},
};

const HOUR: i64 = 3600;

pub async fn stepped(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let mut setup = ask.setup();
    let dir = std::env::current_dir()?.join("target/run");
    std::fs::create_dir_all(&dir)?;
    let [scheduler, executor] = ["scheduler.clock", "executor.clock"].map(|file| dir.join(file));
    let (scheduler, executor) = (clock(scheduler)?, clock(executor)?);
    setup.layout = under(setup.layout, Whom::One(Role::Scheduler, 0), &scheduler);
    setup.layout = under(setup.layout, Whom::One(Role::Executor, 0), &executor);
    setup.server_faults = ServerFaults { postgres_clock: true, ..ServerFaults::default() };
    // An hour of every second is missed when Postgres's clock goes forward.
    setup.plan = Plan { misfire: &[MisfirePolicy::FireOnce], ..Plan::default() };
    // Users go by their own clocks, and know nothing of Postgres's.
    setup.users = None;
    let (span, outcome) = play(name, setup, async |run| {
        let from = run.clock.elapsed();
        for (scheduler_is, executor_is) in [(HOUR, -HOUR), (-HOUR, HOUR), (0, 0)] {
            run.say(&format!("scheduler 0 is {scheduler_is} s off, executor 0 {executor_is} s"));
            scheduler.step(scheduler_is)?;
            executor.step(executor_is)?;
            run.pass(Duration::from_secs(5)).await;
            for (role, clock, is) in
                [(Role::Scheduler, &scheduler, scheduler_is), (Role::Executor, &executor, executor_is)]
            {
                let pid = run.cluster.pid(role, 0).context("it is not running")?;
                ensure!(clock.rules(pid, is)?, "the clock of {role} 0 was not set");
            }
        }
        let span = Span { from, to: run.clock.elapsed() };
        run.pass(Duration::from_secs(1)).await;
        // Back, so that what comes due meanwhile is late; then true; then forward, and so it stays: to go back again would be to wait.
        for (seconds, time) in [(-HOUR, 8), (0, 8), (HOUR, 8)] {
            run.say(&format!("Postgres is {seconds} s off"));
            if let Some(clock) = &run.servers.postgres_clock {
                clock.step(seconds)?;
            }
            run.pass(Duration::from_secs(time)).await;
        }
        Ok(span)
    })
    .await?;
    let late = outcome.late(span);
    let skips = outcome.record.executions.values().filter_map(|execution| execution.skipped);
    let passed_over: i64 = skips.map(|(count, _)| count).sum();
    // A little less than the hour: what came due in the last minute is merely late.
    let least = outcome.load.jobs.len() as i64 * (HOUR - 100);
    let figures = vec![
        Figure::new("wrong clocks of others: lateness, p99", late.p99, "ms", Bound::AtMost(1000.0)),
        Figure::new("wrong clocks of others: fires", late.count as f64, "", Bound::AtLeast(100.0)),
        Figure::new(
            "fires of the hour that Postgres left out",
            passed_over as f64,
            "",
            Bound::AtLeast(least as f64),
        ),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

fn clock(path: PathBuf) -> anyhow::Result<ClockFile> {
    ClockFile::create(path)
}

fn under(layout: Layout, whom: Whom, clock: &ClockFile) -> Layout {
    clock.environment().into_iter().fold(layout, |layout, (name, value)| layout.with(whom, &name, value))
}
