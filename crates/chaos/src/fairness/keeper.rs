//! Keeps the processes running as an orchestrator does: starts what has ended again, and counts it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;
use trigrun_testkit::{cluster::Cluster, process::Role};

const INTERVAL: Duration = Duration::from_millis(100);
const MIB: u64 = 1 << 20;

struct Kept {
    cluster: Cluster,
    limits: BTreeMap<Role, u64>,
    exits: Vec<String>,
    /// The most memory of a process of each role, in MiB.
    peaks: BTreeMap<Role, u64>,
}

/// All processes end when it is dropped.
pub struct Keeper {
    kept: Arc<Mutex<Kept>>,
    _stop: DropGuard,
}

impl Keeper {
    /// `limits` are in bytes, for roles whose memory the kernel does not limit: a process that has more is killed.
    pub fn start(cluster: Cluster, limits: BTreeMap<Role, u64>) -> Self {
        let kept = Kept { cluster, limits, exits: Vec::new(), peaks: BTreeMap::new() };
        let (kept, stop) = (Arc::new(Mutex::new(kept)), CancellationToken::new());
        let keeping = keep(Arc::clone(&kept));
        tasks::spawn("keeper", stop.clone().run_until_cancelled_owned(keeping));
        Self { kept, _stop: stop.drop_guard() }
    }

    /// How each process ended that has ended by itself, or was killed, since the last call.
    pub fn exits(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.kept).exits)
    }

    /// The most memory of a process of this role since the last call, in MiB.
    pub fn peak(&self, role: Role) -> u64 {
        lock(&self.kept).peaks.remove(&role).unwrap_or(0)
    }

    /// Of the first process of this role, in MiB; 0 while it does not run.
    pub fn resident(&self, role: Role) -> u64 {
        let kept = lock(&self.kept);
        kept.cluster.usages().iter().find(|(it, ..)| *it == role).map_or(0, |(.., usage)| usage.resident_mb)
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep(kept: Arc<Mutex<Kept>>) {
    loop {
        lock(&kept).look();
        tokio::time::sleep(INTERVAL).await;
    }
}

impl Kept {
    fn look(&mut self) {
        let mut above = Vec::new();
        for (role, name, usage) in self.cluster.usages() {
            let peak = self.peaks.entry(role).or_default();
            *peak = usage.resident_mb.max(*peak);
            if self.limits.get(&role).is_some_and(|limit| usage.resident_mb * MIB > *limit) {
                above.push(name.to_owned());
            }
        }
        for name in above {
            // It may have ended since; then it is found below.
            let _ended = self.cluster.signal(&name, nix::sys::signal::Signal::SIGKILL);
        }
        match self.cluster.restart_exited() {
            Ok(exits) => self.exits.extend(exits),
            Err(error) => self.exits.push(format!("{error:#}")),
        }
    }
}
