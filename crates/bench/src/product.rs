//! The product's own processes on a database of the benchmark.

use std::{fs, fs::File, path::Path, process::Command};
use trigrun_testkit::{cluster::Cluster, process::Process};

use crate::servers::Servers;

const LOGS: &str = "target/bench/logs";
pub const SCHEDULER: &str = "scheduler";
pub const EXECUTOR: &str = "executor";
pub const API: &str = "api";
/// The environment of a process that needs nothing beyond the usual.
pub const DEFAULTS: [(&str, &str); 0] = [];

/// Processes on this database, with logs in target/bench/logs.
pub fn cluster(servers: &Servers, database: &str) -> anyhow::Result<Cluster> {
    Cluster::new(servers.postgres_settings(database), servers.redis_settings(), LOGS)
}

/// Starts another product's program, with its log in the same directory. It ends with this program.
pub fn spawn_peer(mut command: Command) -> anyhow::Result<Process> {
    fs::create_dir_all(LOGS)?;
    let log = File::options().create(true).append(true).open(Path::new(LOGS).join("peer.log"))?;
    command.stdout(log.try_clone()?).stderr(log);
    Process::spawn("peer", command)
}
