//! Starts child processes that end with us, even when we are killed.
//!
//! `setpriv --pdeathsig` asks the kernel for a signal when the parent ends; "parent" is the thread that forked
//! (PR_SET_PDEATHSIG(2const)). So one thread does all the forking and lives until the servers are stopped.

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
use crate::programs::in_path;
use crate::server::Launch;

/// `program`, to be ended (SIGKILL) when the thread that starts it ends; where setpriv(1) is missing it outlives us.
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

type Order = (Command, oneshot::Sender<io::Result<Child>>);

/// The forking thread. Dropping it lets the thread end, which ends the children that still run.
#[derive(Debug)]
pub(crate) struct Spawner {
    orders: SyncSender<Order>,
    setpriv: Option<PathBuf>,
    account: Account,
}

impl Spawner {
    pub fn start(account: Account) -> io::Result<Spawner> {
        let (orders, received) = sync_channel::<Order>(4);
        thread::Builder::new().name("trigrun-embed".to_owned()).spawn(move || {
            for (mut command, reply) in received {
                // Nobody waits any more: the start was cancelled.
                if let Err(Ok(mut child)) = reply.send(command.spawn()) {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        })?;
        Ok(Spawner { orders, setpriv: setpriv(), account })
    }

    pub fn dies_with_parent(&self) -> bool {
        self.setpriv.is_some()
    }

    pub async fn spawn(&self, launch: &Launch, log: File) -> io::Result<Child> {
        let mut command = self.command(launch);
        command.args(&launch.args).current_dir(&launch.dir).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        // Messages in English, and nothing of a person's libpq settings.
        command.env("LC_ALL", "C").env_remove("PGDATA").env_remove("PGPORT").env_remove("PGOPTIONS");
        // Ctrl-C in the terminal is for us; we stop the servers in order.
        command.process_group(0);
        let (reply, child) = oneshot::channel();
        let ended = |_| io::Error::other("the thread that starts processes has ended");
        self.orders.try_send((command, reply)).map_err(io::Error::other)?;
        child.await.map_err(ended)?
    }

    fn command(&self, launch: &Launch) -> Command {
        let Account { uid, gid, dropped } = self.account;
        let Some(setpriv) = &self.setpriv else {
            let mut command = Command::new(&launch.program);
            if dropped {
                command.uid(uid).gid(gid);
            }
            return command;
        };
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", Signal::as_str(launch.orderly)]);
        if dropped {
            command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
        }
        command.arg("--").arg(&launch.program);
        command
    }
}

/// util-linux's setpriv, if it is here and knows `--pdeathsig` (2.33; busybox's does not).
pub fn setpriv() -> Option<PathBuf> {
    let setpriv = in_path("setpriv")?;
    let help = Command::new(&setpriv).arg("--help").stdin(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&help.stdout).contains("--pdeathsig").then_some(setpriv)
}
