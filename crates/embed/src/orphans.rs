//! Orphaned servers of an earlier run. The caller holds the lock of the directory, so no other run owns them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::EmbedError;

/// Identifies the processes of one server.
#[derive(Debug, Clone)]
pub(crate) struct ProcessMatch {
    /// The file name of its program.
    pub program: String,
    /// Its working directory.
    pub data: PathBuf,
    /// A path in its command line. In some containers, root cannot read the working directory of other users' processes.
    pub argument: PathBuf,
}

/// Ends the processes that still run: `stop_signal` first, SIGKILL after 10 s.
///
/// # Errors
/// [`EmbedError::Orphans`] if processes survive SIGKILL for 5 s.
pub(crate) async fn end(matching: &ProcessMatch, stop_signal: Signal) -> Result<(), EmbedError> {
    let found = processes(matching);
    // Only the parents: to the children of Postgres, the stop signals mean something else.
    for pid in found.iter().filter(|pid| !parent(**pid).is_some_and(|parent| found.contains(&parent))) {
        let _ = kill(Pid::from_raw(*pid), stop_signal);
    }
    if ended_within(matching, Duration::from_secs(10)).await {
        return Ok(());
    }
    for pid in processes(matching) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    if ended_within(matching, Duration::from_secs(5)).await {
        return Ok(());
    }
    Err(EmbedError::Orphans { dir: matching.data.clone(), pids: processes(matching) })
}

async fn ended_within(matching: &ProcessMatch, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !processes(matching).is_empty() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
    true
}

fn processes(matching: &ProcessMatch) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| is_match(*pid, matching))
        .collect()
}

fn is_match(pid: i32, matching: &ProcessMatch) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    // The kernel keeps 15 bytes of the name (proc_pid_comm(5)); these names are shorter.
    let is_program =
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == matching.program);
    let argument = matching.argument.as_os_str().as_bytes();
    is_program
        && (fs::read_link(process.join("cwd")).is_ok_and(|directory| directory == matching.data)
            || fs::read(process.join("cmdline"))
                .is_ok_and(|line| line.windows(argument.len()).any(|window| window == argument)))
}

pub(crate) fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}
