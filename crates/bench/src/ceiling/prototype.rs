//! The prototype: the minimum that a hot path on Postgres, Redis and HTTP must do, without tenants, policies, retries or recovery.
//!
//! Timers are claimed ahead in Postgres, announced on a stream, read by a group, kept until their instant, sent over
//! connections that are kept alive, recorded in batches, and acknowledged. No product of this design can be faster; the
//! difference is the cost of its features.
//!
//! It is a separate process, so that its cost can be distinguished from the benchmark's. It has one thread each for
//! claiming, reading, waiting and recording, and one for all connections.

mod claim;
mod process;
mod read;
mod record;
mod run;
mod send;
mod tables;
mod threads;
mod timer;

pub use process::{PrototypeArguments, main};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, process::Stdio};
use tokio::process::{Child, Command};

/// The servers, and the jobs to run.
#[derive(Debug, Clone)]
pub struct Prototype {
    pub jobs: i64,
    pub mode: Mode,
    pub postgres_url: String,
    pub redis_url: String,
    pub sink: SocketAddr,
}

/// When the jobs are due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// All before it starts.
    Backlog,
    /// All at this instant, in unix microseconds. Seeding must have ended by then.
    Burst { at: i64 },
    /// One after the other, the first a few seconds after seeding; at most [`Prototype::jobs`] of them.
    Steady { per_second: f64, seconds: f64 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrototypeReport {
    pub runs: i64,
    /// From the first instant, or the start of the process if that is later, to the commit of the last record.
    pub seconds: f64,
    pub recorded_per_second: f64,
    /// User and system time of the process.
    pub cpu_seconds: f64,
}

impl Prototype {
    /// Creates the tables with all jobs, and an empty stream. Not part of the measurement.
    pub async fn seed(&self) -> anyhow::Result<()> {
        tables::seed(self).await
    }

    /// Runs the seeded jobs in a separate process.
    pub fn start(&self) -> anyhow::Result<Running> {
        let child = Command::new(std::env::current_exe()?)
            .arg("prototype")
            .args(["--jobs", &self.count().to_string()])
            .args(["--postgres-url", &self.postgres_url])
            .args(["--redis-url", &self.redis_url])
            .args(["--sink", &self.sink.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the prototype cannot be started")?;
        Ok(Running(child))
    }

    /// The number of jobs that the mode gives.
    fn count(&self) -> i64 {
        match self.mode {
            Mode::Steady { per_second, seconds } => self.jobs.min((per_second * seconds) as i64),
            Mode::Backlog | Mode::Burst { .. } => self.jobs,
        }
    }
}

/// The prototype's process; killed when this is dropped.
pub struct Running(Child);

impl Running {
    pub fn pid(&self) -> Option<u32> {
        self.0.id()
    }

    /// Waits for its end and reads its report.
    pub async fn finish(self) -> anyhow::Result<PrototypeReport> {
        let output = self.0.wait_with_output().await?;
        ensure!(output.status.success(), "the prototype ended with {}", output.status);
        serde_json::from_slice(&output.stdout).context("cannot read the prototype's report")
    }
}
