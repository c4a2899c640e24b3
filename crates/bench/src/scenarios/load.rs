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
    executions,
    jobs::{Batch, DAY_SECONDS},
    measured::Measured,
    processes::Roots,
    product::{DEFAULTS, EXECUTOR, Installation, SCHEDULER},
    written::Counters,
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
    pub runs: i64,
    /// How often each job fires. A burst has one fire per job.
    pub fires_per_job: i64,
    pub workspaces: i64,
    pub mode: Mode,
    /// A transaction holds a snapshot from before the first run to the end, so that no row that is updated or deleted can be removed.
    pub holds_snapshot: bool,
}

/// The cost counts from this long before the first instant: the scheduler plans two seconds ahead. If jobs fire again and again, it counts
/// from the first instant: at the end, the scheduler has planned as far ahead as then.
pub const LEAD: Duration = Duration::from_millis(2500);
/// Between the fires of a job in a backlog. All five are less than the misfire threshold of 60 s ago, and the sixth is due when the
/// backlog has been processed.
const BACKLOG_SECONDS: i64 = 10;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TIME: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

impl Load {
    /// Also returns the database, which is left as it is after the load.
    pub async fn measure(&self, installation: &Installation<'_>) -> anyhow::Result<(Measured, String)> {
        let database = installation.database().await?;
        let sql = installation.bench.servers.sql(&database).await?;
        let first = self.first()?;
        let batch = Batch {
            jobs: self.jobs(),
            workspaces: self.workspaces,
            first,
            step_us: self.step_us(),
            every_seconds: i32::try_from(self.every_seconds())?,
            sink: installation.bench.sink.address,
        };
        batch.write(&sql).await?;
        sql.batch_execute("checkpoint").await?;
        let measured = self.measure_on(installation, &database, first).await?;
        Ok((measured, database))
    }

    /// Measures on a database that has the jobs already. The first is due at `first`.
    pub async fn measure_on(
        &self,
        installation: &Installation<'_>,
        database: &str,
        first: DateTime<Utc>,
    ) -> anyhow::Result<Measured> {
        let Bench { servers, sink, progress, .. } = installation.bench;
        let sql = servers.sql(database).await?;
        let end = first + Span::seconds(self.fires_per_job * self.every_seconds());
        sink.reset(Some(end)).await?;
        let backlog = matches!(self.mode, Mode::Backlog);
        ensure!(backlog || until(first) > LEAD, "storing the jobs took too long on this machine");
        let holder = servers.sql(database).await?;
        if self.holds_snapshot {
            holder.batch_execute("begin isolation level repeatable read; select 1").await?;
        }

        let mut before = Counters::read(&sql).await?;
        let mut meter = Meter::start(installation.bench.shared_processes()?, Roots::new());
        let mut cluster = installation.cluster(database)?;
        for (name, role) in [(SCHEDULER, Role::Scheduler), (EXECUTOR, Role::Executor)] {
            cluster.start(name, role, DEFAULTS)?;
            meter.add(name, cluster.pid(name)?);
        }
        if !backlog {
            // The start of the processes is not part of the cost of a run.
            let lead = if self.fires_per_job > 1 { Duration::ZERO } else { LEAD };
            tokio::time::sleep(until(first).saturating_sub(lead)).await;
            before = Counters::read(&sql).await?;
            meter = meter.restart();
        }
        tokio::time::sleep(until(first)).await;
        let wanted = usize::try_from(self.runs)?;
        let spread = Duration::from_micros(u64::try_from(self.step_us() * self.runs)?);
        let report = |count| progress.arrived(&self.name, count, wanted);
        let arrived = tokio::time::timeout(MAX_TIME + spread, sink.wait_for(wanted, IDLE_TIMEOUT, report));
        arrived.await.context("the load took too long")??;
        let recorded_us = recorded(&sql, end).await?;

        let cost = meter.stop().per_run(wanted);
        let mut after = Counters::read(&sql).await?;
        let arrivals = sink.arrivals().await?;
        cluster.stop().await?;
        after.read_commits(&sql).await?;
        let from_us = if backlog { arrivals.first_us() } else { first.timestamp_micros() };
        let seconds = (recorded_us - from_us).max(1) as f64 / 1e6;
        let mut measured = Measured::new(&arrivals, first.timestamp_micros(), cost);
        measured.recorded_per_second = Some(wanted as f64 / seconds);
        measured.written = Some(after.since(&before, wanted));
        Ok(measured)
    }

    pub fn jobs(&self) -> i64 {
        self.runs / self.fires_per_job
    }

    /// From one run to the next.
    pub fn step_us(&self) -> i64 {
        match self.mode {
            Mode::Steady { per_second } => 1_000_000 / per_second,
            Mode::Backlog | Mode::Burst => 0,
        }
    }

    /// Between the fires of a job. In a steady load, all others come between them.
    fn every_seconds(&self) -> i64 {
        match self.mode {
            _ if self.fires_per_job == 1 => DAY_SECONDS.into(),
            Mode::Steady { per_second } => self.jobs() / per_second,
            Mode::Backlog | Mode::Burst => BACKLOG_SECONDS,
        }
    }

    /// The last fires of a backlog are due now; other loads once the jobs are stored and the processes are ready.
    fn first(&self) -> anyhow::Result<DateTime<Utc>> {
        let now = now()?;
        if matches!(self.mode, Mode::Backlog) {
            return Ok(now - Span::seconds((self.fires_per_job - 1) * self.every_seconds()));
        }
        let lead = Span::seconds(6 + self.jobs() / 15_000);
        Ok((now + lead).duration_round(TimeDelta::seconds(1))?)
    }
}

/// Zero if the instant has passed.
pub fn until(instant: DateTime<Utc>) -> Duration {
    Duration::from_micros(u64::try_from(instant.timestamp_micros() - now_us()).unwrap_or(0))
}

/// When the last execution that is scheduled before `end` was recorded.
async fn recorded(sql: &Client, end: DateTime<Utc>) -> anyhow::Result<i64> {
    let is_open = executions::prepare_is_open(sql).await?;
    let recorded = async || sql.query_one(&is_open, &[&end]).await.is_ok_and(|row| !row.get::<_, bool>(0));
    due::until_every(POLL_INTERVAL, "every run is recorded", IDLE_TIMEOUT, recorded).await?;
    Ok(now_us())
}
