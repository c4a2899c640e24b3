//! `exec` of the binary: runs a command with both servers. Knows nothing about the command.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};
use trigrun_embed::{Durability, Options, Programs, Scratch, Services, setpriv};

pub async fn exec(dir: Option<PathBuf>, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let programs = Programs::find()?;
    let scratch = match dir {
        None => Some(Scratch::create().await?),
        Some(_) => None,
    };
    let dir = dir.or_else(|| scratch.as_ref().map(|scratch| scratch.path().to_owned())).unwrap_or_default();
    let options = Options::new(dir, Durability::Tests);
    let services = tokio::select! {
        started = Services::start(&programs, &options) => started?,
        signal = signals.next() => return Ok(exit_code(ExitStatus::from_raw(signal as i32))),
    };
    for note in services.notes() {
        eprintln!("trigrun-embed: {note}");
    }
    let clients = programs.postgres.parent().unwrap_or(Path::new("")).to_owned();
    let status = run(command, &services, clients, &mut signals).await;
    services.stop().await;
    drop(scratch);
    Ok(exit_code(status?))
}

async fn run(
    command: &[OsString],
    services: &Services,
    clients: PathBuf,
    signals: &mut Signals,
) -> anyhow::Result<ExitStatus> {
    let mut child = with_death_signal(command)
        .env("TRIGRUN_TEST_POSTGRES", services.postgres_url("postgres"))
        .env("TRIGRUN_TEST_REDIS", services.redis_url())
        .env("TRIGRUN_TEST_CLIENTS", clients)
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            signal = signals.next() => forward(&child, signal),
        }
    }
}

/// If this process is killed, the command must end too.
fn with_death_signal(command: &[OsString]) -> Command {
    match setpriv() {
        Some(setpriv) => {
            let mut wrapped = Command::new(setpriv);
            wrapped.args(["--pdeathsig", "TERM", "--"]).args(command);
            wrapped
        }
        None => {
            let mut plain = Command::new(&command[0]);
            plain.args(&command[1..]);
            plain
        }
    }
}

fn forward(child: &Child, signal: Signal) {
    // The terminal sends Ctrl-C to the command as well. Many programs take a second one as "end at once".
    if signal == Signal::SIGINT && std::io::stdin().is_terminal() {
        return;
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The exit code of the command, or 128 plus the number of the signal that ended it, as in shells.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// SIGINT and SIGTERM, handled here instead of by their default action.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Signals { interrupt: unix::signal(interrupt)?, terminate: unix::signal(terminate)? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.terminate.recv() => Signal::SIGTERM,
        }
    }
}
