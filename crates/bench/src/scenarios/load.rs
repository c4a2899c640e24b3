//! One load on the product: so many jobs that are due at once, or one after the other.

use anyhow::Context;
use chrono::{DateTime, Duration as Span, DurationRound, TimeDelta, Utc};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};
use tokio_postgres::Client;

use crate::{
    arrivals::{Arrivals, Sink, now_us, quantile},
    jobs::Batch,
    processes::{self, Roots, Spent},
    product,
    servers::Servers,
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

/// What one repetition has come to.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub runs: usize,
    /// Requests at the sink, over the middle 80 % of them.
    pub runs_per_second: f64,
    /// From the first request (backlog) or the instant until the last was recorded.
    pub recorded_per_second: f64,
    pub late_p50_ms: f64,
    pub late_p99_ms: f64,
    pub late_p999_ms: f64,
    pub late_max_ms: f64,
    pub first_ms: f64,
    /// Microseconds of a processor for each run, by process; the sink is not in the sum.
    pub us_per_run: BTreeMap<&'static str, f64>,
    pub us_per_run_sum: f64,
    pub executor_mib: f64,
    pub scheduler_mib: f64,
    pub repeated: usize,
    pub early: usize,
    /// Processors that were kept busy by others than us: where it is high, the machine was not ours.
    pub foreign_processors: f64,
    /// Lateness at each hundredth, for the plot; runs in each tenth of a second.
    pub late_curve_ms: Vec<f64>,
    pub per_tenth: Vec<usize>,
}

/// Before the first instant: the scheduler plans two seconds ahead.
const QUIET: Duration = Duration::from_millis(2500);
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

impl Load {
    pub async fn measure(&self, servers: &Servers, sink: &Sink, sink_pid: u32) -> anyhow::Result<Measured> {
        let database = servers.database().await?;
        let sql = servers.sql(&database).await?;
        let first = self.first()?;
        let batch = Batch {
            jobs: self.jobs,
            workspaces: self.workspaces,
            first,
            step_us: self.step_us(),
            sink: sink.address,
        };
        batch.write(&sql).await?;
        sql.batch_execute("checkpoint").await?;
        let measured = self.measure_on(servers, &database, first, sink, sink_pid).await?;
        drop(sql);
        servers.drop_database(&database).await?;
        Ok(measured)
    }

    /// The same, on a database in which its jobs are already: the first is due at `first`.
    pub async fn measure_on(
        &self,
        servers: &Servers,
        database: &str,
        first: DateTime<Utc>,
        sink: &Sink,
        sink_pid: u32,
    ) -> anyhow::Result<Measured> {
        let (sql, step_us) = (servers.sql(database).await?, self.step_us());
        sink.reset().await?;
        anyhow::ensure!(
            matches!(self.mode, Mode::Backlog) || until(first) > QUIET,
            "storing the jobs took too long on this machine"
        );

        let (postgres, redis) = servers.pids()?;
        let mut roots: Roots = vec![("postgres", postgres), ("redis", redis), ("sink", sink_pid)];
        let backlog = matches!(self.mode, Mode::Backlog);
        let before = backlog.then(|| Spent::of(&roots));
        let scheduler = product::start("scheduler", servers, database, &[])?;
        let executor = product::start("executor", servers, database, &[])?;
        roots.extend([("scheduler", scheduler.pid()), ("executor", executor.pid())]);
        if !backlog {
            tokio::time::sleep(until(first).saturating_sub(QUIET)).await;
        }
        let before = before.unwrap_or_else(|| Spent::of(&roots));
        let (busy, began) = (processes::busy_seconds(), Instant::now());
        if !backlog {
            tokio::time::sleep(until(first)).await;
        }
        let wanted = usize::try_from(self.jobs)?;
        let spread = Duration::from_micros(u64::try_from(step_us * self.jobs)?);
        let deadline = tokio::time::timeout(PATIENCE * 4 + spread, sink.wait_for(wanted, PATIENCE, |_| {}));
        deadline.await.context("it takes too long")??;
        let recorded_us = recorded(&sql).await?;

        let spent = Spent::of(&roots);
        let (elapsed, busy) = (began.elapsed(), processes::busy_seconds() - busy);
        let memory = |pid| processes::peak_mib(pid).unwrap_or(f64::NAN);
        let (executor_mib, scheduler_mib) = (memory(executor.pid()), memory(scheduler.pid()));
        let arrivals = sink.arrivals().await?;
        executor.end().await?;
        scheduler.end().await?;

        let us_per_run = spent.per_run(&before, wanted);
        let ours: f64 = us_per_run.values().sum::<f64>() * wanted as f64 / 1e6;
        let from_us = if backlog { arrivals.first_us() } else { first.timestamp_micros() };
        let late = arrivals.late_ms();
        Ok(Measured {
            runs: arrivals.0.len(),
            runs_per_second: arrivals.per_second(),
            recorded_per_second: wanted as f64 / ((recorded_us - from_us).max(1) as f64 / 1e6),
            late_p50_ms: quantile(&late, 0.5),
            late_p99_ms: quantile(&late, 0.99),
            late_p999_ms: quantile(&late, 0.999),
            late_max_ms: quantile(&late, 1.0),
            first_ms: first_ms(&arrivals, first),
            us_per_run_sum: us_per_run.iter().filter(|(name, _)| **name != "sink").map(|(_, us)| us).sum(),
            us_per_run,
            executor_mib,
            scheduler_mib,
            repeated: arrivals.repeated(),
            early: arrivals.early(),
            foreign_processors: (busy - ours).max(0.0) / elapsed.as_secs_f64(),
            late_curve_ms: (0..=1000).map(|part| quantile(&late, f64::from(part) / 1000.0)).collect(),
            per_tenth: arrivals.per_tenth(),
        })
    }

    /// From one job's instant to the next one's.
    pub const fn step_us(&self) -> i64 {
        match self.mode {
            Mode::Steady { per_second } => 1_000_000 / per_second,
            Mode::Backlog | Mode::Burst => 0,
        }
    }

    /// A backlog is due now. What is to come waits until all is stored and everybody ready.
    fn first(&self) -> anyhow::Result<DateTime<Utc>> {
        let now = DateTime::from_timestamp_micros(now_us()).context("the time is out of range")?;
        if matches!(self.mode, Mode::Backlog) {
            return Ok(now);
        }
        let lead = Span::seconds(6 + self.jobs / 15_000);
        Ok((now + lead).duration_round(TimeDelta::seconds(1))?)
    }
}

fn until(instant: DateTime<Utc>) -> Duration {
    Duration::from_micros(u64::try_from(instant.timestamp_micros() - now_us()).unwrap_or(0))
}

fn first_ms(arrivals: &Arrivals, first: DateTime<Utc>) -> f64 {
    (arrivals.first_us() - first.timestamp_micros()) as f64 / 1e3
}

/// When everything that was begun has been recorded.
async fn recorded(sql: &Client) -> anyhow::Result<i64> {
    let open = sql
        .prepare(
            "select exists (select from executions where owner_id is not null)
                 or exists (select from executions where owner_id is null and finished_at is null)",
        )
        .await?;
    let began = Instant::now();
    while sql.query_one(&open, &[]).await?.get(0) {
        anyhow::ensure!(began.elapsed() < PATIENCE, "what arrived is not recorded");
        tokio::time::sleep(POLL).await;
    }
    Ok(now_us())
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} runs/s ({:.0} recorded/s), late {:.2} / {:.2} / {:.2} ms (p50 / p99 / p99.9), first {:.1} ms, {:.1} µs/run (",
            self.runs_per_second,
            self.recorded_per_second,
            self.late_p50_ms,
            self.late_p99_ms,
            self.late_p999_ms,
            self.first_ms,
            self.us_per_run_sum
        )?;
        for (name, us) in &self.us_per_run {
            write!(f, " {name} {us:.1}")?;
        }
        write!(
            f,
            "), executor {:.0} MiB, scheduler {:.0} MiB, repeated {}, early {}, foreign {:.2}",
            self.executor_mib, self.scheduler_mib, self.repeated, self.early, self.foreign_processors
        )
    }
}
