//! The programs that are measured beside TrigRun, and what they are told.

use anyhow::{Context, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::bench::Bench;

const IN_FLIGHT: u32 = 256;
/// Storing twenty thousand jobs takes seconds.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    program: Program,
}

#[derive(Clone, Copy)]
enum Program {
    /// Of peers/peer.mjs, by this name.
    Node(&'static str),
    /// peers/graphile-rs.
    Rust,
}

impl Peer {
    pub fn all() -> [Self; 4] {
        [
            Self { name: "BullMQ", program: Program::Node("bullmq") },
            Self { name: "pg-boss", program: Program::Node("pgboss") },
            Self { name: "Graphile Worker", program: Program::Node("graphile") },
            Self { name: "graphile_worker (Rust)", program: Program::Rust },
        ]
    }

    fn command(&self) -> Command {
        match self.program {
            Program::Node(name) => {
                let mut command = trigrun_embed::ends_with_us(&directory().join("peer.sh"));
                command.arg(name);
                command
            }
            Program::Rust => trigrun_embed::ends_with_us(&built()),
        }
    }
}

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Where cargo builds those in Rust.
pub fn target() -> PathBuf {
    PathBuf::from("target/bench/peers")
}

pub fn built() -> PathBuf {
    target().join("release/graphile-rs")
}

/// A peer that knows where everything is and what is to be run.
pub struct Told {
    peer: Peer,
    environment: Vec<(&'static str, String)>,
}

impl Told {
    pub fn new(
        peer: Peer,
        bench: &Bench,
        database: &str,
        jobs: i64,
        first_us: i64,
        step_us: i64,
    ) -> anyhow::Result<Self> {
        let services = &bench.servers.services;
        let host = services.postgres().socket().parent().context("a socket lies in a directory")?;
        let environment = vec![
            ("POSTGRES_HOST", host.display().to_string()),
            ("POSTGRES_USER", "trigrun".to_owned()),
            ("POSTGRES_DATABASE", database.to_owned()),
            ("REDIS_SOCKET", services.redis().socket().display().to_string()),
            ("SINK_URL", format!("http://{}", bench.sink.address)),
            ("N", jobs.to_string()),
            ("T0_US", first_us.to_string()),
            ("STEP_US", step_us.to_string()),
            ("CONCURRENCY", IN_FLIGHT.to_string()),
        ];
        Ok(Self { peer, environment })
    }

    /// setup, enqueue, work or recorded.
    pub fn command(&self, step: &str) -> Command {
        let mut command = self.peer.command();
        command.arg(step).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a step to its end, and returns what it prints.
    pub async fn run(&self, step: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::from(self.command(step));
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output =
            tokio::time::timeout(PATIENCE, output).await.with_context(|| format!("stuck in {step}"))??;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{step} ended with {}: {}", output.status, complaint.trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
