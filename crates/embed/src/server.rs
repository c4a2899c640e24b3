//! One server process: start it, wait until it answers, stop it. What it is told and asked is in postgres and redis.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use crate::EmbedError;
use crate::leftover::{self, Marks};
use crate::spawn::Spawner;

const POLL: Duration = Duration::from_millis(10);
/// A log that is longer at a start begins anew.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;
const TAIL_LINES: usize = 25;

/// A program and all it is started with.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub dir: PathBuf,
    pub log: PathBuf,
    /// The signal for an orderly end.
    pub orderly: Signal,
}

/// The question that only a ready server answers in the expected way.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub question: Vec<u8>,
    pub is_ready: fn(&[u8]) -> bool,
}

/// One of the two servers; it may be stopped. Dropping it stops the process, waiting at most 2 s.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    probe: Probe,
    marks: Marks,
    socket: PathBuf,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new(launch: Launch, probe: Probe, marks: Marks, socket: PathBuf) -> Server {
        Server { launch, probe, marks, socket, child: None }
    }

    /// The process id, for signals and /proc; `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The unix socket it listens on.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The file with what it writes to stdout and stderr.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Makes it run and answer, `within` that time; one that already does stays as it is.
    pub(crate) async fn start(&mut self, spawner: &Spawner, within: Duration) -> Result<(), EmbedError> {
        if self.child.is_some() {
            if self.answers().await {
                return Ok(());
            }
            self.stop(self.launch.orderly, within).await;
        }
        leftover::end(&self.marks, self.launch.orderly).await?;
        let (log, begin) = open_log(&self.launch.log)?;
        let spawned = spawner.spawn(&self.launch, log).await;
        let child = self.child.insert(spawned.map_err(EmbedError::io("start", &self.launch.program))?);
        // A second borrow of self, for the probe, next to the child's.
        let (probe, socket, launch) = (&self.probe, &self.socket, &self.launch);
        let deadline = Instant::now() + within;
        while !answers(probe, socket).await {
            if let Some(status) = child.try_wait().map_err(EmbedError::io("wait for", &launch.program))? {
                self.child = None;
                return Err(ended(&self.launch, status, begin));
            }
            if Instant::now() > deadline {
                let tail = tail(&launch.log, begin);
                let (server, log, seconds) = (launch.name, launch.log.clone(), within.as_secs());
                self.stop(self.launch.orderly, Duration::from_secs(2)).await;
                return Err(EmbedError::NotReady { server, seconds, log, tail });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Sends `signal`, waits `within` that time for the end, then sends SIGKILL and waits 5 s more.
    pub(crate) async fn stop(&mut self, signal: Signal, within: Duration) {
        let Some(mut child) = self.child.take() else { return };
        for (signal, limit) in [(signal, within), (Signal::SIGKILL, Duration::from_secs(5))] {
            send(&child, signal);
            if matches!(exit_within(&mut child, limit).await, Ok(Some(_)) | Err(_)) {
                return;
            }
        }
    }

    async fn answers(&self) -> bool {
        answers(&self.probe, &self.socket).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        send(&child, self.launch.orderly);
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        while matches!(child.try_wait(), Ok(None)) {
            if std::time::Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Runs a program to its end, `within` that time; its output goes to the log.
pub(crate) async fn run(launch: &Launch, spawner: &Spawner, within: Duration) -> Result<(), EmbedError> {
    let (log, begin) = open_log(&launch.log)?;
    let spawned = spawner.spawn(launch, log).await;
    let mut child = spawned.map_err(EmbedError::io("start", &launch.program))?;
    match exit_within(&mut child, within).await.map_err(EmbedError::io("wait for", &launch.program))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(ended(launch, status, begin)),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let (server, log, seconds) = (launch.name, launch.log.clone(), within.as_secs());
            Err(EmbedError::NotReady { server, seconds, tail: tail(&log, begin), log })
        }
    }
}

async fn answers(probe: &Probe, socket: &Path) -> bool {
    let asked = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&probe.question).await?;
        let mut answer = Vec::new();
        // Both questions end with a goodbye, so the server closes.
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    matches!(timeout(Duration::from_secs(1), asked).await, Ok(Ok(answer)) if (probe.is_ready)(&answer))
}

async fn exit_within(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() > deadline {
            return Ok(status);
        }
        sleep(POLL).await;
    }
}

/// Safe from reused ids: the child is not expired before `try_wait` says so.
fn send(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The log, and where in it this run begins.
fn open_log(path: &Path) -> Result<(File, u64), EmbedError> {
    let opened = File::options().create(true).append(true).open(path).and_then(|log| {
        if log.metadata()?.len() > LOG_BYTES_MAX {
            log.set_len(0)?;
        }
        let begin = log.metadata()?.len();
        Ok((log, begin))
    });
    opened.map_err(EmbedError::io("open", path))
}

fn ended(launch: &Launch, status: ExitStatus, begin: u64) -> EmbedError {
    let (server, log) = (launch.name, launch.log.clone());
    EmbedError::Ended { server, status, tail: tail(&log, begin), log }
}

fn tail(log: &Path, begin: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text =
        String::from_utf8_lossy(&bytes[usize::try_from(begin).unwrap_or(0).min(bytes.len())..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
