//! Servers that an earlier run left behind. Only called with the directory's lock held, so they belong to nobody.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::EmbedError;

/// How to recognise the processes of one server.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    /// The file name of its program.
    pub program: String,
    /// Its working directory.
    pub data: PathBuf,
    /// A path in its command line. Needed where a container's root may not read the working directory of others.
    pub argument: PathBuf,
}

/// Ends what still runs there: `orderly` first, SIGKILL after 10 s.
///
/// # Errors
/// [`EmbedError::Leftover`] when processes survive even that for 5 s.
pub(crate) async fn end(marks: &Marks, orderly: Signal) -> Result<(), EmbedError> {
    let found = processes(marks);
    // Only the eldest: the orderly signals mean other things to the processes that Postgres has forked.
    for pid in found.iter().filter(|pid| !parent(**pid).is_some_and(|parent| found.contains(&parent))) {
        let _ = kill(Pid::from_raw(*pid), orderly);
    }
    if gone_within(marks, Duration::from_secs(10)).await {
        return Ok(());
    }
    for pid in processes(marks) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    if gone_within(marks, Duration::from_secs(5)).await {
        return Ok(());
    }
    Err(EmbedError::Leftover { dir: marks.data.clone(), pids: processes(marks) })
}

async fn gone_within(marks: &Marks, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !processes(marks).is_empty() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
    true
}

fn processes(marks: &Marks) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| is_of(*pid, marks))
        .collect()
}

fn is_of(pid: i32, marks: &Marks) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    // The kernel keeps 15 bytes of the name (proc_pid_comm(5)); our names are shorter.
    let is_program =
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == marks.program);
    let argument = marks.argument.as_os_str().as_bytes();
    is_program
        && (fs::read_link(process.join("cwd")).is_ok_and(|directory| directory == marks.data)
            || fs::read(process.join("cmdline"))
                .is_ok_and(|line| line.windows(argument.len()).any(|window| window == argument)))
}

pub(crate) fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}
