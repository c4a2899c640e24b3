//! The cost of the product while nothing is due, and the statements that it runs in that time.

use chrono::{DurationRound, TimeDelta};
use std::{fs, time::Duration};
use trigrun_testkit::process::Role;

use crate::{
    arrivals::now,
    bulk,
    cost::{Cost, Meter},
    jobs::{Batch, DAY_SECONDS},
    measured::Idle,
    product::{DEFAULTS, EXECUTOR, Installation, SCHEDULER},
    servers::Servers,
};

const WORKSPACES: i64 = 1000;
/// By then connections are open, statements prepared, and the first `retention` pass is over.
const SETTLE_TIME: Duration = Duration::from_secs(10);
const SECONDS: usize = 20;
/// Statements are counted after the cost was measured, because Postgres writes each to its log.
const LOG_TIME: Duration = Duration::from_secs(10);

/// A new database with this many jobs, the first of which is due the day after tomorrow.
pub async fn measure(installation: &Installation<'_>, jobs: i64) -> anyhow::Result<Idle> {
    let servers = &installation.bench.servers;
    let database = installation.database().await?;
    let sql = servers.sql(&database).await?;
    let day = TimeDelta::days(1);
    let batch = Batch {
        jobs,
        workspaces: WORKSPACES,
        first: now()?.duration_trunc(day)? + day + day,
        step_us: day.num_seconds() * 1_000_000 / jobs.max(1),
        every_seconds: DAY_SECONDS,
        sink: installation.bench.sink.address,
    };
    bulk::write_jobs(&sql, &batch).await?;
    let idle = measure_on(installation, &database).await?;
    servers.drop_database(&database).await?;
    Ok(idle)
}

/// A database where nothing is due.
pub async fn measure_on(installation: &Installation<'_>, database: &str) -> anyhow::Result<Idle> {
    let bench = installation.bench;
    let mut cluster = installation.cluster(database)?;
    cluster.start(SCHEDULER, Role::Scheduler, DEFAULTS)?;
    cluster.start(EXECUTOR, Role::Executor, DEFAULTS)?;
    tokio::time::sleep(SETTLE_TIME).await;
    let processes = vec![(SCHEDULER, cluster.pid(SCHEDULER)?), (EXECUTOR, cluster.pid(EXECUTOR)?)];
    let meter = Meter::start(bench.shared_processes()?, processes);
    tokio::time::sleep(Duration::from_secs(SECONDS as u64)).await;
    // Each second counts as a run.
    let Cost { us_per_run, us_per_run_sum, memory_mib, .. } = meter.stop().per_run(SECONDS);
    let statements = count_statements(&bench.servers, LOG_TIME).await?;
    cluster.stop().await?;
    let percent = |us: f64| us / 1e6 * 100.0;
    Ok(Idle {
        percent: us_per_run.into_iter().map(|(name, us)| (name, percent(us))).collect(),
        percent_sum: percent(us_per_run_sum),
        statements_per_second: statements as f64 / LOG_TIME.as_secs_f64(),
        memory_mib,
    })
}

/// How many statements Postgres executes in this time, `begin` and `commit` included: it logs them.
async fn count_statements(servers: &Servers, time: Duration) -> anyhow::Result<usize> {
    let sql = servers.sql("postgres").await?;
    let logged = || -> anyhow::Result<usize> {
        let log = fs::read(servers.services.dir().join("postgres.log"))?;
        let executed = |line: &&str| line.contains("LOG:  execute ") || line.contains("LOG:  statement: ");
        Ok(String::from_utf8_lossy(&log).lines().filter(executed).count())
    };
    sql.batch_execute("alter system set log_statement = 'all'").await?;
    sql.batch_execute("select pg_reload_conf()").await?;
    let before = logged()?;
    tokio::time::sleep(time).await;
    let after = logged()?;
    sql.batch_execute("alter system reset log_statement").await?;
    sql.batch_execute("select pg_reload_conf()").await?;
    Ok(after - before)
}
