//! The programs that are compared with TrigRun, and their environment.

use anyhow::{Context, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::bench::Bench;

const IN_FLIGHT: u32 = 256;
/// Storing twenty thousand jobs takes seconds.
const STEP_TIMEOUT: Duration = Duration::from_secs(180);

#[derive(Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    program: Program,
}

#[derive(Clone, Copy)]
enum Program {
    /// The argument of peers/peer.mjs.
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
                let mut command = trigrun_embed::ends_with_us(&node().join("peer.sh"));
                command.arg(name);
                command
            }
            Program::Rust => trigrun_embed::ends_with_us(&built()),
        }
    }
}

/// The sources of all peers.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The target directory of peers in Rust.
pub fn target() -> PathBuf {
    PathBuf::from("target/bench/peers")
}

/// The peers on Node, with their packages.
pub fn node() -> PathBuf {
    target().join("node")
}

pub fn built() -> PathBuf {
    target().join("release/graphile-rs")
}

/// A peer, with the addresses of all servers and the jobs to run.
pub struct PeerRun {
    peer: Peer,
    environment: Vec<(&'static str, String)>,
}

impl PeerRun {
    pub fn new(
        peer: Peer,
        bench: &Bench,
        database: &str,
        jobs: i64,
        first_us: i64,
        step_us: i64,
    ) -> anyhow::Result<Self> {
        let services = &bench.servers.services;
        let host = services.postgres().socket().parent().context("the socket has no directory")?;
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

    /// The step is setup, add, enqueue, work or recorded.
    pub fn command(&self, step: &str) -> Command {
        let mut command = self.peer.command();
        command.arg(step).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a step to its end, and returns its output.
    pub async fn step(&self, step: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::from(self.command(step));
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(STEP_TIMEOUT, output)
            .await
            .with_context(|| format!("{step} took too long"))??;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{step} ended with {}: {}", output.status, errors.trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
