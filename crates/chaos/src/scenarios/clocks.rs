//! Wall clocks are an hour off. Postgres's clock decides what is due, and all waits use the monotonic clock.

use anyhow::ensure;
use std::{fs, time::Duration};
use trigrun_core::domain::job::MisfirePolicy;

use super::{Options, run};
use crate::{
    OUTPUT_DIR,
    clock_file::ClockFile,
    cluster::{Layout, Role, Selector},
    load::Plan,
    report::{Bound, Figure, Report},
    servers::ServerFaults,
};

const HOUR: i64 = 3600;
/// A fire of the last minute before the step is late, not missed; some more for the run itself.
const NOT_MISSED_SECONDS: i64 = 100;

pub async fn stepped(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let mut setup = options.setup();
    let dir = std::env::current_dir()?.join(OUTPUT_DIR);
    fs::create_dir_all(&dir)?;
    let scheduler = ClockFile::create(dir.join("scheduler.clock"))?;
    let executor = ClockFile::create(dir.join("executor.clock"))?;
    setup.layout = with_clock(setup.layout, Selector::One(Role::Scheduler, 0), &scheduler);
    setup.layout = with_clock(setup.layout, Selector::One(Role::Executor, 0), &executor);
    setup.server_faults = ServerFaults { postgres_clock: true, ..ServerFaults::default() };
    // Every job misses an hour of fires when Postgres's clock is set forward.
    setup.plan = Plan { misfire: &[MisfirePolicy::FireOnce], ..Plan::default() };
    // Clients use their own clocks and know nothing of Postgres's.
    setup.client_pause = None;
    let (phase, outcome) = run(name, setup, async |run| {
        let from = run.clock.elapsed();
        for (scheduler_offset, executor_offset) in [(HOUR, -HOUR), (-HOUR, HOUR), (0, 0)] {
            run.log(&format!("scheduler 0 is {scheduler_offset} s off, executor 0 {executor_offset} s"));
            scheduler.step(scheduler_offset)?;
            executor.step(executor_offset)?;
            run.wait(Duration::from_secs(5)).await;
            for (role, clock, offset) in [
                (Role::Scheduler, &scheduler, scheduler_offset),
                (Role::Executor, &executor, executor_offset),
            ] {
                let pid = run.cluster.pid(role, 0)?;
                ensure!(clock.is_in_effect(pid, offset)?, "the clock of {role} 0 was not set");
            }
        }
        let phase = run.phase_since(from);
        run.wait(Duration::from_secs(1)).await;
        // Back, so that fires become late; then correct; then forward, where it stays: after a step back, the run would have to wait.
        for offset in [-HOUR, 0, HOUR] {
            run.log(&format!("Postgres is {offset} s off"));
            if let Some(clock) = &run.servers.postgres_clock {
                clock.step(offset)?;
            }
            run.wait(Duration::from_secs(8)).await;
        }
        Ok(phase)
    })
    .await?;
    let lateness = outcome.lateness_in(phase);
    let skips = outcome.record.executions.values().filter_map(|execution| execution.skipped);
    let skipped: i64 = skips.map(|(count, _)| count).sum();
    let min_skipped = outcome.load.jobs.len() as i64 * (HOUR - NOT_MISSED_SECONDS);
    let figures = vec![
        Figure::new("lateness with wrong process clocks, p99", lateness.p99, "ms", Bound::AtMost(1000.0)),
        Figure::new("fires with wrong process clocks", lateness.count as f64, "", Bound::AtLeast(100.0)),
        Figure::new(
            "fires skipped after Postgres's step of an hour",
            skipped as f64,
            "",
            Bound::AtLeast(min_skipped as f64),
        ),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

fn with_clock(layout: Layout, selector: Selector, clock: &ClockFile) -> Layout {
    let environment = clock.environment().into_iter();
    environment.fold(layout, |layout, (name, value)| layout.with(selector, &name, value))
}
