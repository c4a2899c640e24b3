//! The least that a hot path on Postgres, Redis and HTTP has to do, and no more: no tenants, no policies, no retries, no recovery.
//!
//! Timers are claimed ahead in Postgres, announced on a stream, read by a group, held until their instant, sent over
//! connections that are kept alive, recorded many at a time, acknowledged. No product of this shape can be faster than
//! that; how near it comes is what its promises cost.
//!
//! It is a process of its own, so that what it uses can be told from what the benchmark itself uses. In it: a thread each
//! for claiming, reading, holding and recording, and one that has all the connections.

mod claim;
mod hold;
mod process;
mod read;
mod record;
mod run;
mod send;
mod tables;

pub use process::{PrototypeArguments, main};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, process::Stdio};
use tokio::process::{Child, Command};

/// Where everything is, and what is to be run.
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
    /// All of them already, when it starts.
    Backlog,
    /// All of them at this instant, in unix microseconds. Seeding must have ended by then.
    Burst { at: i64 },
    /// One after the other. The first is due a few seconds after seeding; there are as many jobs as this makes, at most
    /// [`Prototype::jobs`].
    Steady { per_second: f64, seconds: f64 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrototypeReport {
    pub runs: i64,
    /// From the first instant, or the start of the process if that came later, to the commit that recorded the last run.
    pub seconds: f64,
    pub recorded_per_second: f64,
    /// User and system time of the process, all of it.
    pub cpu_seconds: f64,
}

impl Prototype {
    /// Makes the tables, with all jobs in them, and an empty stream. Not part of what is measured.
    pub async fn seed(&self) -> anyhow::Result<()> {
        tables::seed(self).await
    }

    /// Plays what was seeded, in a process of its own.
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
            .context("cannot start the prototype")?;
        Ok(Running(child))
    }

    /// How many jobs there really are.
    fn count(&self) -> i64 {
        match self.mode {
            Mode::Steady { per_second, seconds } => self.jobs.min((per_second * seconds) as i64),
            Mode::Backlog | Mode::Burst { .. } => self.jobs,
        }
    }
}

/// The prototype's process. It is killed when this is dropped.
pub struct Running(Child);

impl Running {
    pub fn pid(&self) -> Option<u32> {
        self.0.id()
    }

    /// Waits for its end and reads what it says.
    pub async fn finish(self) -> anyhow::Result<PrototypeReport> {
        let output = self.0.wait_with_output().await?;
        ensure!(output.status.success(), "the prototype ended with {}", output.status);
        serde_json::from_slice(&output.stdout).context("the prototype's report cannot be read")
    }
}
