//! Starts child processes that end with this process, even if it is killed.
//!
//! `setpriv --pdeathsig` asks the kernel for a signal when the parent ends; "parent" is the thread that forked
//! (PR_SET_PDEATHSIG(2const)). So one thread forks all of them, and runs until the servers are stopped.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;

use crate::account::Account;
use crate::launch::Launch;
use crate::programs::in_path;

/// `program`, which gets SIGKILL when the thread that starts it ends. Without setpriv(1), it keeps running.
pub fn ends_with_us(program: &Path) -> Command {
    match setpriv() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

type SpawnRequest = (Command, oneshot::Sender<io::Result<Child>>);

/// The thread that forks. Dropping it ends the thread, and with it the children that still run.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: SyncSender<SpawnRequest>,
    setpriv: Option<PathBuf>,
    account: Account,
}

impl Spawner {
    pub fn start(account: Account) -> io::Result<Spawner> {
        let (requests, received) = sync_channel::<SpawnRequest>(4);
        thread::Builder::new().name("trigrun-embed".to_owned()).spawn(move || {
            for (mut command, reply) in received {
                // The receiver is gone: the start was cancelled.
                if let Err(Ok(mut child)) = reply.send(command.spawn()) {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        })?;
        Ok(Spawner { requests, setpriv: setpriv(), account })
    }

    pub fn dies_with_parent(&self) -> bool {
        self.setpriv.is_some()
    }

    pub async fn spawn(&self, launch: &Launch, log: File) -> io::Result<Child> {
        let mut command = self.command(launch);
        command.args(&launch.args).current_dir(&launch.dir).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        // Messages in English, without the user's libpq settings.
        command.env("LC_ALL", "C").env_remove("PGDATA").env_remove("PGPORT").env_remove("PGOPTIONS");
        // Ctrl-C in the terminal signals this process, which stops the servers in order.
        command.process_group(0);
        let (reply, child) = oneshot::channel();
        let ended = |_| io::Error::other("the thread that starts processes has ended");
        self.requests.try_send((command, reply)).map_err(io::Error::other)?;
        child.await.map_err(ended)?
    }

    fn command(&self, launch: &Launch) -> Command {
        let Account { uid, gid, drops_privileges } = self.account;
        let Some(setpriv) = &self.setpriv else {
            let mut command = Command::new(&launch.program);
            if drops_privileges {
                command.uid(uid).gid(gid);
            }
            return command;
        };
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", Signal::as_str(launch.stop_signal)]);
        if drops_privileges {
            command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
        }
        command.arg("--").arg(&launch.program);
        command
    }
}

/// setpriv of util-linux, if it is installed and has `--pdeathsig` (since 2.33; busybox's has not).
pub fn setpriv() -> Option<PathBuf> {
    let setpriv = in_path("setpriv")?;
    let help = Command::new(&setpriv).arg("--help").stdin(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&help.stdout).contains("--pdeathsig").then_some(setpriv)
}
