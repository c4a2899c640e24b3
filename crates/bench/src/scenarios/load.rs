//! One load on the product: jobs that are due at the same time, or one after the other.

use anyhow::{Context, ensure};
use chrono::{DateTime, Duration as Span, DurationRound, TimeDelta, Utc};
use std::time::Duration;
use tokio_postgres::Client;
use trigrun_testkit::{due, process::Role};

use crate::{
    arrivals::{now, now_us},
    bench::Bench,
    cost::Meter,
    jobs::Batch,
    measured::Measured,
    processes::Roots,
    product::{self, DEFAULTS, EXECUTOR, SCHEDULER},
};

#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// All are due before the processes start.
    Backlog,
    /// All are due at the same instant, for which the processes wait.
    Burst,
    /// One after the other.
    Steady { per_second: i64 },
}

#[derive(Clone, Debug)]
pub struct Load {
    pub name: String,
    pub jobs: i64,
    pub workspaces: i64,
    pub mode: Mode,
}

/// The cost counts from this long before the first instant: the scheduler plans two seconds ahead.
pub const LEAD: Duration = Duration::from_millis(2500);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TIME: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

impl Load {
    /// Also returns the database, which is left as it is after the load.
    pub async fn measure(&self, bench: &Bench) -> anyhow::Result<(Measured, String)> {
        let database = bench.servers.database().await?;
        let sql = bench.servers.sql(&database).await?;
        let first = self.first()?;
        let (step_us, sink) = (self.step_us(), bench.sink.address);
        let batch = Batch { jobs: self.jobs, workspaces: self.workspaces, first, step_us, sink };
        batch.write(&sql).await?;
        sql.batch_execute("checkpoint").await?;
        let measured = self.measure_on(bench, &database, first).await?;
        Ok((measured, database))
    }

    /// Measures on a database that has the jobs already. The first is due at `first`.
    pub async fn measure_on(
        &self,
        bench: &Bench,
        database: &str,
        first: DateTime<Utc>,
    ) -> anyhow::Result<Measured> {
        let Bench { servers, sink, progress, .. } = bench;
        let sql = servers.sql(database).await?;
        sink.reset().await?;
        let backlog = matches!(self.mode, Mode::Backlog);
        ensure!(backlog || until(first) > LEAD, "storing the jobs took too long on this machine");

        let mut meter = Meter::start(bench.shared_processes()?, Roots::new());
        let mut cluster = product::cluster(servers, database)?;
        for (name, role) in [(SCHEDULER, Role::Scheduler), (EXECUTOR, Role::Executor)] {
            cluster.start(name, role, DEFAULTS)?;
            meter.add(name, cluster.pid(name)?);
        }
        if !backlog {
            // The start of the processes is not part of the cost of a run.
            tokio::time::sleep(until(first).saturating_sub(LEAD)).await;
            meter = meter.restart();
        }
        tokio::time::sleep(until(first)).await;
        let wanted = usize::try_from(self.jobs)?;
        let spread = Duration::from_micros(u64::try_from(self.step_us() * self.jobs)?);
        let report = |count| progress.arrived(&self.name, count, wanted);
        let arrived = tokio::time::timeout(MAX_TIME + spread, sink.wait_for(wanted, IDLE_TIMEOUT, report));
        arrived.await.context("the load took too long")??;
        let recorded_us = recorded(&sql).await?;

        let cost = meter.stop().per_run(wanted);
        let arrivals = sink.arrivals().await?;
        cluster.stop().await?;
        let from_us = if backlog { arrivals.first_us() } else { first.timestamp_micros() };
        let seconds = (recorded_us - from_us).max(1) as f64 / 1e6;
        let mut measured = Measured::new(&arrivals, first.timestamp_micros(), cost);
        measured.recorded_per_second = Some(wanted as f64 / seconds);
        Ok(measured)
    }

    /// From one job to the next.
    pub fn step_us(&self) -> i64 {
        match self.mode {
            Mode::Steady { per_second } => 1_000_000 / per_second,
            Mode::Backlog | Mode::Burst => 0,
        }
    }

    /// A backlog is due now; other loads once the jobs are stored and the processes are ready.
    fn first(&self) -> anyhow::Result<DateTime<Utc>> {
        let now = now()?;
        if matches!(self.mode, Mode::Backlog) {
            return Ok(now);
        }
        let lead = Span::seconds(6 + self.jobs / 15_000);
        Ok((now + lead).duration_round(TimeDelta::seconds(1))?)
    }
}

/// Zero if the instant has passed.
pub fn until(instant: DateTime<Utc>) -> Duration {
    Duration::from_micros(u64::try_from(instant.timestamp_micros() - now_us()).unwrap_or(0))
}

/// When the last execution was recorded.
async fn recorded(sql: &Client) -> anyhow::Result<i64> {
    let open = sql.prepare("select exists (select from runs)").await?;
    let recorded = async || sql.query_one(&open, &[]).await.is_ok_and(|row| !row.get::<_, bool>(0));
    due::until_every(POLL_INTERVAL, "every run is recorded", IDLE_TIMEOUT, recorded).await?;
    Ok(now_us())
}
