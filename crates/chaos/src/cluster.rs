//! The processes of a run, by role and number. The kit starts and stops them; this remembers what was done to whom.

use nix::sys::signal::Signal;
use std::{
    collections::HashSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use trigrun_core::{store::PostgresSettings, stream::RedisSettings};
use trigrun_testkit::cluster::{self, HIGH_RATE_LIMITS};

pub use trigrun_testkit::process::{Role, Usage};

/// All processes of a role, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    All(Role),
    One(Role, usize),
}

impl Selector {
    fn matches(self, role: Role, index: usize) -> bool {
        self == Self::All(role) || self == Self::One(role, index)
    }
}

/// How many processes of each role, and their environment beyond the usual.
#[derive(Clone)]
pub struct Layout {
    pub apis: usize,
    pub schedulers: usize,
    pub executors: usize,
    /// Name and value.
    pub environment: Vec<(Selector, String, String)>,
    /// The directory of other binaries than those built with this program.
    pub binaries: Option<PathBuf>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { apis: 2, schedulers: 3, executors: 3, environment: Vec::new(), binaries: None }
    }
}

impl Layout {
    pub fn with(mut self, selector: Selector, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((selector, name.to_owned(), value.into()));
        self
    }

    fn environment(&self, role: Role, index: usize) -> Vec<(String, String)> {
        let limits = HIGH_RATE_LIMITS.iter().filter(|_| role == Role::Api);
        let limits = limits.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let own = self.environment.iter().filter(|(selector, ..)| selector.matches(role, index));
        limits.chain(own.map(|(_, name, value)| (name.clone(), value.clone()))).collect()
    }
}

pub struct Cluster {
    processes: cluster::Cluster,
    /// Roles of which a process was killed or terminated.
    stopped: HashSet<Role>,
}

impl Cluster {
    /// Starts all processes and waits until the APIs listen.
    pub async fn start(
        layout: Layout,
        postgres: PostgresSettings,
        redis: RedisSettings,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let mut processes = cluster::Cluster::new(postgres, redis, logs)?;
        processes.set_binaries(layout.binaries.as_deref());
        let counts = [
            (Role::Api, layout.apis),
            (Role::Scheduler, layout.schedulers),
            (Role::Executor, layout.executors),
        ];
        for (role, count) in counts {
            for index in 0..count {
                processes.start(&name(role, index), role, layout.environment(role, index))?;
            }
        }
        processes.ready().await?;
        Ok(Self { processes, stopped: HashSet::new() })
    }

    pub fn apis(&self) -> Vec<SocketAddr> {
        self.processes.addresses()
    }

    pub fn count(&self, role: Role) -> usize {
        self.processes.names(role).len()
    }

    pub fn restart(&mut self, role: Role, index: usize) -> anyhow::Result<()> {
        self.processes.restart(&name(role, index))
    }

    /// Sets an environment variable from the next start of each process on.
    pub fn set(&mut self, selector: Selector, variable: &str, value: &str) -> anyhow::Result<()> {
        let (Selector::All(role) | Selector::One(role, _)) = selector;
        for index in (0..self.count(role)).filter(|index| selector.matches(role, *index)) {
            self.processes.set(&name(role, index), variable, value)?;
        }
        Ok(())
    }

    /// Takes the binaries from this directory from the next start on; `None` for those built with this program.
    pub fn set_binaries(&mut self, dir: Option<&Path>) {
        self.processes.set_binaries(dir);
    }

    pub fn kill(&mut self, role: Role, index: usize) -> anyhow::Result<()> {
        self.stopped.insert(role);
        self.processes.kill(&name(role, index))
    }

    /// Sends SIGTERM, waits for the end, and returns how long that took.
    pub async fn terminate(&mut self, role: Role, index: usize) -> anyhow::Result<Duration> {
        self.stopped.insert(role);
        self.processes.terminate(&name(role, index)).await
    }

    /// Whether a process of this role was killed or terminated.
    pub fn was_stopped(&self, role: Role) -> bool {
        self.stopped.contains(&role)
    }

    pub fn signal(&self, role: Role, index: usize, signal: Signal) -> anyhow::Result<()> {
        self.processes.signal(&name(role, index), signal)
    }

    pub fn pid(&self, role: Role, index: usize) -> anyhow::Result<u32> {
        self.processes.pid(&name(role, index))
    }

    pub fn unexpected_exits(&mut self) -> Vec<String> {
        self.processes.unexpected_exits()
    }

    /// Of all processes that run.
    pub fn usages(&self) -> Vec<(Role, &str, Usage)> {
        self.processes.usages()
    }

    /// Terminates all, executors first.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.processes.stop().await
    }
}

fn name(role: Role, index: usize) -> String {
    format!("{role}-{index}")
}
