//! The machine and the versions that were measured.

use serde::Serialize;
use std::{fmt, fs, process::Command};

use crate::servers::Servers;

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub postgres: String,
    pub redis: String,
    /// Of this repository, with a plus if there are uncommitted changes.
    pub commit: String,
}

impl Machine {
    pub async fn this(servers: &Servers) -> anyhow::Result<Self> {
        let row = servers.sql("postgres").await?.query_one("show server_version", &[]).await?;
        let memory = value("/proc/meminfo", "MemTotal:").trim_end_matches("kB").trim().parse::<u64>();
        Ok(Self {
            processor: value("/proc/cpuinfo", "model name").trim_start_matches(':').trim().to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: memory.unwrap_or(0) / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            postgres: row.get(0),
            redis: servers.redis_version().await?,
            commit: commit(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory_mib, kernel, postgres, redis, commit } = self;
        write!(
            f,
            "{cores} × {processor}, {:.0} GiB, Linux {kernel}; Postgres {postgres}, Redis {redis}; commit {commit}",
            *memory_mib as f64 / 1024.0
        )
    }
}

/// The rest of the line that starts with this name, in a file of /proc.
fn value(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default().trim().to_owned()
}

/// "unknown" without git or outside a repository.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(printed)
    };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|printed| !printed.is_empty());
    let head = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    if changed { format!("{head}+") } else { head }
}
