//! A server that stands still: its sockets accept, and nothing is answered.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::leftover::parent;

/// Processes that are stopped (SIGSTOP) until this is dropped.
#[derive(Debug)]
pub struct Frozen(Vec<i32>);

impl Frozen {
    pub(crate) fn nothing() -> Frozen {
        Frozen(Vec::new())
    }

    /// A process and those that it has forked.
    pub(crate) fn with_children(pid: i32) -> Frozen {
        // The parent first, so that it forks no more.
        stop(pid);
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let others = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut family: Vec<i32> = others.filter(|other| parent(*other) == Some(pid)).collect();
        family.iter().for_each(|child| stop(*child));
        family.push(pid);
        Frozen(family)
    }
}

fn stop(pid: i32) {
    // One that has just ended needs no stopping.
    let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGCONT);
        }
    }
}
