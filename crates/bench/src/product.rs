//! The product's own processes on a database of the benchmark.

use std::{fs, fs::File, path::Path, process::Command};
use trigrun_testkit::{cluster::Cluster, process::Process};

use crate::{bench::Bench, builds::Build};

const LOGS: &str = "target/bench/logs";
pub const SCHEDULER: &str = "scheduler";
pub const EXECUTOR: &str = "executor";
pub const API: &str = "api";
/// The environment of a process that needs nothing beyond the usual.
pub const DEFAULTS: [(&str, &str); 0] = [];

/// What is measured: a build, on databases with partitions for this many past days.
#[derive(Clone, Copy)]
pub struct Installation<'a> {
    pub bench: &'a Bench,
    pub build: &'a Build,
    pub days: u64,
}

impl Installation<'_> {
    /// A new database with the schema of the build; Redis is emptied.
    pub async fn database(&self) -> anyhow::Result<String> {
        self.bench.servers.database(self.build, self.days).await
    }

    /// Processes on this database, with logs in target/bench/logs.
    pub fn cluster(&self, database: &str) -> anyhow::Result<Cluster> {
        let servers = &self.bench.servers;
        let mut cluster = Cluster::new(servers.postgres_settings(database), servers.redis_settings(), LOGS)?;
        cluster.set_binaries(Some(&self.build.dir));
        Ok(cluster)
    }

    /// Runs a command of `trigrun-api` on this database, and returns its output.
    pub async fn operate(&self, database: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let servers = &self.bench.servers;
        self.build.operate(&servers.postgres_settings(database), &servers.redis_settings(), arguments).await
    }
}

/// Starts another product's program, with its log in the same directory. It ends with this program.
pub fn spawn_peer(mut command: Command) -> anyhow::Result<Process> {
    fs::create_dir_all(LOGS)?;
    let log = File::options().create(true).append(true).open(Path::new(LOGS).join("peer.log"))?;
    command.stdout(log.try_clone()?).stderr(log);
    Process::spawn("peer", command)
}
