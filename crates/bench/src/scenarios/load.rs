//! One load on the product: so many jobs that are due at once, or one after the other.

use anyhow::Context;
use chrono::{DateTime, Duration as Span, DurationRound, TimeDelta, Utc};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

use crate::{
    arrivals::{now, now_us},
    bench::Bench,
    cost::Meter,
    jobs::Batch,
    measured::Measured,
    processes::Roots,
    product,
};

#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// All are due before the processes start.
    Backlog,
    /// All are due at one instant, for which the processes wait.
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

/// Before the first instant: the scheduler plans two seconds ahead.
const QUIET: Duration = Duration::from_millis(2500);
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

impl Load {
    /// Also the database, in which everything is left as it was.
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

    /// On a database in which its jobs are already: the first is due at `first`.
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
        anyhow::ensure!(backlog || until(first) > QUIET, "storing the jobs took too long on this machine");

        let mut meter = Meter::start(bench.around()?, Roots::new());
        let scheduler = product::start("scheduler", servers, database, &[])?;
        let executor = product::start("executor", servers, database, &[])?;
        meter.add("scheduler", scheduler.pid());
        meter.add("executor", executor.pid());
        if !backlog {
            // They are ready by then: that is no part of what a run costs.
            tokio::time::sleep(until(first).saturating_sub(QUIET)).await;
            meter = meter.again();
        }
        tokio::time::sleep(until(first)).await;
        let wanted = usize::try_from(self.jobs)?;
        let spread = Duration::from_micros(u64::try_from(self.step_us() * self.jobs)?);
        let tell = |count| progress.arrived(&self.name, count, wanted);
        let arrived = tokio::time::timeout(PATIENCE * 4 + spread, sink.wait_for(wanted, PATIENCE, tell));
        arrived.await.context("it takes too long")??;
        let recorded_us = recorded(&sql).await?;

        let cost = meter.stop().of(wanted);
        let arrivals = sink.arrivals().await?;
        executor.end().await?;
        scheduler.end().await?;
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

    /// A backlog is due now. What is to come waits until all is stored and everybody ready.
    fn first(&self) -> anyhow::Result<DateTime<Utc>> {
        let now = now()?;
        if matches!(self.mode, Mode::Backlog) {
            return Ok(now);
        }
        let lead = Span::seconds(6 + self.jobs / 15_000);
        Ok((now + lead).duration_round(TimeDelta::seconds(1))?)
    }
}

/// No time at all when it is past.
pub fn until(instant: DateTime<Utc>) -> Duration {
    Duration::from_micros(u64::try_from(instant.timestamp_micros() - now_us()).unwrap_or(0))
}

/// When everything that was begun has been recorded.
async fn recorded(sql: &Client) -> anyhow::Result<i64> {
    let open = sql.prepare("select exists (select from executions where finished_at is null)").await?;
    let began = Instant::now();
    while sql.query_one(&open, &[]).await?.get(0) {
        anyhow::ensure!(began.elapsed() < PATIENCE, "what arrived is not recorded");
        tokio::time::sleep(POLL).await;
    }
    Ok(now_us())
}
