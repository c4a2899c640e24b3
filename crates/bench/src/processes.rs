//! Processor time and memory of processes with their children, from /proc (proc_pid_stat(5), proc_pid_status(5)).

use std::{collections::BTreeMap, fs};

/// USER_HZ: the unit of /proc/*/stat on Linux, whatever the kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is measured: names, and the process at the root of each tree.
pub type Roots = Vec<(&'static str, u32)>;

/// Processor seconds, by name.
#[derive(Clone, Debug, Default)]
pub struct CpuTime(pub BTreeMap<&'static str, f64>);

impl CpuTime {
    pub fn of(roots: &Roots) -> Self {
        let all = all();
        let spent = |root: u32| tree(root, &all).iter().map(|pid| all[pid].seconds).sum();
        Self(roots.iter().map(|(name, root)| (*name, spent(*root))).collect())
    }

    /// The difference to an earlier reading, by name.
    pub fn since(&self, before: &Self) -> BTreeMap<&'static str, f64> {
        self.0.iter().map(|(name, now)| (*name, now - before.0.get(*name).copied().unwrap_or(0.0))).collect()
    }
}

struct Process {
    parent: u32,
    seconds: f64,
}

fn all() -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, read(pid)?))).collect()
}

/// The time of the process and of its children that have ended.
fn read(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    let seconds = [11, 12, 13, 14].into_iter().filter_map(ticks).sum::<f64>() / TICKS_PER_SECOND;
    Some(Process { parent: fields.get(1)?.parse().ok()?, seconds })
}

fn tree(root: u32, all: &BTreeMap<u32, Process>) -> Vec<u32> {
    let mut found: Vec<u32> = all.contains_key(&root).then_some(root).into_iter().collect();
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, process)| process.parent == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

/// The peak memory of a process so far, in MiB.
pub fn peak_mib(pid: u32) -> Option<f64> {
    kib(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")
}

fn kib(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// Busy processor seconds of the whole machine.
pub fn busy_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // Neither idle nor waiting for input and output.
    ticks.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks).sum::<f64>()
        / TICKS_PER_SECOND
}
