//! What every measurement stands on: private servers, and the target as a process of its own.

use anyhow::Context;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use crate::{arrivals::Sink, processes::Roots, progress::Progress, servers::Servers};

pub struct Bench {
    pub servers: Servers,
    pub sink: Sink,
    pub progress: Progress,
    process: Child,
}

impl Bench {
    /// Starts both, for so many measurements.
    pub async fn start(measurements: usize) -> anyhow::Result<Self> {
        let servers = Servers::start().await?;
        let mut command = trigrun_embed::ends_with_us(&std::env::current_exe()?);
        let mut process = command.arg("sink").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("the sink says nothing")?).read_line(&mut line)?;
        let sink = Sink { address: line.trim().parse().context("the sink does not say where it is")? };
        Ok(Self { servers, sink, progress: Progress::new(measurements), process })
    }

    /// Those that work for whoever is measured.
    pub fn around(&self) -> anyhow::Result<Roots> {
        let (postgres, redis) = self.servers.pids()?;
        Ok(vec![("postgres", postgres), ("redis", redis), ("sink", self.process.id())])
    }

    pub async fn stop(mut self) {
        self.progress.end();
        // It has nothing to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.servers.stop().await;
    }
}
