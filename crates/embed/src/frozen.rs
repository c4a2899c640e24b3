//! A suspended server: its sockets accept connections, and it does not respond.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::orphans::parent;

/// Processes that are suspended (SIGSTOP) until this is dropped.
#[derive(Debug)]
pub struct Frozen(Vec<i32>);

impl Frozen {
    pub(crate) fn none() -> Frozen {
        Frozen(Vec::new())
    }

    /// Suspends a process and its children.
    pub(crate) fn with_children(pid: i32) -> Frozen {
        // The parent first, so that it forks no further children.
        suspend(pid);
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let others = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut pids: Vec<i32> = others.filter(|other| parent(*other) == Some(pid)).collect();
        pids.iter().for_each(|child| suspend(*child));
        pids.push(pid);
        Frozen(pids)
    }
}

fn suspend(pid: i32) {
    // The process may have just ended.
    let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGCONT);
        }
    }
}
