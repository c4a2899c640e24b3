//! The memory limit of a process, as an orchestrator sets it: a control group of its own (cgroups(7), version 1 or 2).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

const V2: &str = "/sys/fs/cgroup";
const V1: &str = "/sys/fs/cgroup/memory";

/// The kernel kills a process of the group that needs more. Removed when it is dropped, after its processes have ended.
#[derive(Debug)]
pub struct MemoryGroup {
    dir: PathBuf,
}

impl MemoryGroup {
    /// `None` where this program may not create one: without root, or in most containers.
    pub fn create(name: &str, bytes: u64) -> Option<Self> {
        let (root, limit) = if Path::new(V2).join("cgroup.controllers").exists() {
            // Groups below the root have the controller only if the root says so.
            fs::write(Path::new(V2).join("cgroup.subtree_control"), "+memory").ok()?;
            (V2, "memory.max")
        } else {
            (V1, "memory.limit_in_bytes")
        };
        let dir = Path::new(root).join(format!("trigrun-{}-{name}", std::process::id()));
        fs::create_dir(&dir).ok()?;
        let group = Self { dir };
        fs::write(group.dir.join(limit), bytes.to_string()).ok()?;
        // Without swap, as in a pod; the file exists only where swap is counted.
        let _uncounted = fs::write(group.dir.join("memory.swap.max"), "0");
        Some(group)
    }

    /// Moves this process into the group.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.procs"), pid.to_string())
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A process that has not been reaped yet keeps it.
        let _busy = fs::remove_dir(&self.dir);
    }
}
