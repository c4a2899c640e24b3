//! A backup or a report holds a snapshot while very many executions end.

use std::time::Duration;
use trigrun_core::runtime::tasks;

use super::{
    Options,
    flood::{due_now, neighbour_of, quiet, wait_for_flood},
    run,
};
use crate::{
    report::{Bound, Figure, Report},
    run::Run,
};

const RUNS: usize = 30_000;
pub async fn held(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(30);
    let ((baseline, before, after), outcome) = run(name, quiet(&options), async |run| {
        let (baseline, before) = (run.baseline(time).await, buffers(run, time).await?);
        run.log("a transaction holds a snapshot");
        let (holder, sql) = (run.servers.sql().await?, run.servers.sql().await?);
        let pid: i32 = holder.query_one("select pg_backend_pid()", &[]).await?.get(0);
        // It reads for long, as a backup does. It ends with its session.
        let holding = "begin isolation level repeatable read; select pg_sleep(3600)";
        drop(tasks::spawn("holder of a snapshot", async move { holder.batch_execute(holding).await }));
        let workspace = neighbour_of(run.load.tenants[0].workspace);
        sql.batch_execute(&due_now(workspace, RUNS, 30, &run.recorder.url("/fast"))).await?;
        wait_for_flood(run, &sql, |_| {}).await?;
        run.log("30,000 runs have ended, and none of their rows can be removed");
        let from = run.clock.elapsed();
        let after = buffers(run, time).await?;
        let held = run.phase_since(from);
        sql.execute("select pg_terminate_backend($1)", &[&pid]).await?;
        Ok(((baseline, held), before, after))
    })
    .await?;
    let (baseline, held) = baseline;
    let mut figures = vec![
        Figure::new("buffers read per second, before", before, "", Bound::None),
        Figure::new("buffers read per second, with the snapshot", after, "", Bound::None),
        // Most of it is the search for jobs that wait for capacity, which has no lower bound. What each other search reads is tested in
        // core/tests/it/snapshots.rs.
        Figure::new("of those before", after / before, "times", Bound::None),
    ];
    figures.extend(outcome.added_lateness(baseline, held, 100.0));
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// How many buffers per second Postgres reads in this time.
async fn buffers(run: &Run, time: Duration) -> anyhow::Result<f64> {
    let sql = run.servers.sql().await?;
    let read =
        "select sum(blks_hit + blks_read)::float8 from pg_stat_database where datname = current_database()";
    let before: f64 = sql.query_one(read, &[]).await?.get(0);
    run.wait(time).await;
    let after: f64 = sql.query_one(read, &[]).await?.get(0);
    Ok((after - before) / time.as_secs_f64())
}
