//! The product's binaries as processes.

use anyhow::Context;
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use secrecy::ExposeSecret;
use std::{
    fmt, fs,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use trigrun_core::{store::PostgresSettings, stream::RedisSettings};

use crate::{due, keys};

const END_TIMEOUT: Duration = Duration::from_secs(60);
const START_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Api,
    Scheduler,
    Executor,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Api, Self::Scheduler, Self::Executor];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Scheduler => "scheduler",
            Self::Executor => "executor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `trigrun-<name>`, built together with the running program: in its directory, or in the parent directory of a test's.
pub fn binary(name: &str) -> PathBuf {
    let current = std::env::current_exe().expect("a program knows its path");
    let dir = current.parent().expect("it lies in a directory");
    let profile = if dir.ends_with("deps") { dir.parent().expect("target/<profile>/deps") } else { dir };
    let binary = profile.join(format!("trigrun-{name}"));
    assert!(
        binary.exists(),
        "{} is missing: build the whole workspace first, as make does",
        binary.display()
    );
    binary
}

/// `trigrun-<name>` on this Postgres, quiet and without a fixed port; the caller adds the arguments.
pub fn command(name: &str, postgres: &PostgresSettings) -> Command {
    let mut command = Command::new(binary(name));
    command
        .env("TRIGRUN__POSTGRES__URL", postgres.url.expose_secret())
        .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", "127.0.0.1:0")
        .env("TRIGRUN__TELEMETRY__LOG_FILTER", "warn")
        .stdin(Stdio::null());
    command
}

/// Sets what a process of this role needs to serve: servers, the test's master key, and loopback as an allowed target.
pub fn configure(command: &mut Command, role: Role, postgres: &PostgresSettings, redis: &RedisSettings) {
    command
        .env("TRIGRUN__POSTGRES__URL", postgres.url.expose_secret())
        .env("TRIGRUN__REDIS__URL", redis.url.expose_secret())
        .env("TRIGRUN__REDIS__NAMESPACE", &redis.namespace)
        .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", "127.0.0.1:0")
        .stdin(Stdio::null());
    if role != Role::Scheduler {
        command.env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::master()));
        command.env("TRIGRUN__EGRESS__ALLOW", "[\"127.0.0.0/8\"]");
    }
}

/// A running process; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

/// Memory and file descriptors of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub resident_mb: u64,
    /// The most that was resident since the start.
    pub peak_mb: u64,
    pub open_files: u64,
}

impl Process {
    pub fn spawn(name: impl Into<String>, mut command: Command) -> anyhow::Result<Self> {
        let name = name.into();
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name, child })
    }

    /// Starts a process of this role on these servers, quiet; for tests.
    pub fn start(role: Role, postgres: &PostgresSettings, redis: &RedisSettings) -> Self {
        let mut command = command(role.name(), postgres);
        configure(&mut command, role, postgres, redis);
        Self::spawn(role.name(), command).expect("the binary can be started")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid())?);
        signal::kill(pid, signal).with_context(|| format!("{signal} to {}", self.name))
    }

    /// Ends it as a crash does (SIGKILL).
    pub fn kill(mut self) {
        self.kill_and_reap();
    }

    /// Sends SIGTERM and waits until it has ended.
    pub async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        let what = format!("{} ends after SIGTERM", self.name);
        due::until(&what, END_TIMEOUT, async || self.exit_status().is_some()).await?;
        self.exit_status().context("it has no exit status")
    }

    /// `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// From /proc: proc_pid_status(5), proc_pid_fd(5).
    pub fn usage(&self) -> Option<Usage> {
        let status = self.status()?;
        let megabytes = |field: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(field))?;
            Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
        };
        let open_files = fs::read_dir(format!("/proc/{}/fd", self.pid())).ok()?.count() as u64;
        Some(Usage { resident_mb: megabytes("VmRSS:")?, peak_mb: megabytes("VmHWM:")?, open_files })
    }

    /// Waits until it handles SIGTERM. The signal ends a process that has only just been started.
    pub async fn handles_sigterm(&self) -> anyhow::Result<()> {
        let bit = 1u64 << (Signal::SIGTERM as u32 - 1);
        let handles = || -> Option<bool> {
            let status = self.status()?;
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            // A process that has ended handles nothing any more.
            Some(u64::from_str_radix(caught.trim(), 16).ok()? & bit != 0 || status.contains("State:\tZ"))
        };
        let what = format!("{} handles SIGTERM", self.name);
        Ok(due::until(&what, START_TIMEOUT, async || handles() != Some(false)).await?)
    }

    fn status(&self) -> Option<String> {
        fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()
    }

    fn kill_and_reap(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_and_reap();
    }
}
