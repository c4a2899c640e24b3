//! What every measurement needs: private servers, and the target as a separate process.

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
    sink_process: Child,
}

impl Bench {
    pub async fn start(measurements: usize) -> anyhow::Result<Self> {
        let servers = Servers::start().await?;
        let mut command = trigrun_embed::ends_with_us(&std::env::current_exe()?);
        let mut sink_process = command.arg("sink").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(sink_process.stdout.take().context("the sink has no output")?).read_line(&mut line)?;
        let sink = Sink { address: line.trim().parse().context("the sink does not print its address")? };
        Ok(Self { servers, sink, progress: Progress::new(measurements), sink_process })
    }

    /// Processes that all measurements share.
    pub fn shared_processes(&self) -> anyhow::Result<Roots> {
        let (postgres, redis) = self.servers.pids()?;
        Ok(vec![("postgres", postgres), ("redis", redis), ("sink", self.sink_process.id())])
    }

    pub async fn stop(mut self) {
        self.progress.end();
        // It may have ended already.
        let _ = self.sink_process.kill();
        let _ = self.sink_process.wait();
        self.servers.stop().await;
    }
}
