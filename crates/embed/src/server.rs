//! One server process: starts it, waits until it responds, stops it. What is specific to a server is in `postgres` and `redis`.

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
use crate::launch::{Launch, Probe};
use crate::orphans::{self, ProcessMatch};
use crate::spawn::Spawner;

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// A longer log is truncated at a start.
const MAX_LOG_BYTES: u64 = 10 * 1024 * 1024;
/// One attempt; a busy machine may need long for a response.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_TAIL_LINES: usize = 25;

/// One of the two servers, running or stopped. Dropping it stops the process, and waits up to 2 s.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    probe: Probe,
    matching: ProcessMatch,
    socket: PathBuf,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new(launch: Launch, probe: Probe, matching: ProcessMatch, socket: PathBuf) -> Server {
        Server { launch, probe, matching, socket, child: None }
    }

    /// The process id, for signals and /proc; `None` while the server is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The unix socket it listens on.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The file that receives its stdout and stderr.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Starts the server and waits until it responds, up to `limit`. Does nothing if it already responds.
    pub(crate) async fn start(&mut self, spawner: &Spawner, limit: Duration) -> Result<(), EmbedError> {
        if self.child.is_some() {
            if self.is_responding().await {
                return Ok(());
            }
            self.stop(self.launch.stop_signal, limit).await;
        }
        orphans::end(&self.matching, self.launch.stop_signal).await?;
        let (log, begin) = open_log(&self.launch.log)?;
        let spawned = spawner.spawn(&self.launch, log).await;
        let child = self.child.insert(spawned.map_err(EmbedError::io("start", &self.launch.program))?);
        // Borrowed separately, because `child` borrows `self.child`.
        let (probe, socket, launch) = (&self.probe, &self.socket, &self.launch);
        let deadline = Instant::now() + limit;
        while !is_responding(probe, socket).await {
            if let Some(status) = child.try_wait().map_err(EmbedError::io("wait for", &launch.program))? {
                self.child = None;
                return Err(ended(&self.launch, status, begin));
            }
            if Instant::now() > deadline {
                let tail = tail(&launch.log, begin);
                let (server, log, seconds) = (launch.name, launch.log.clone(), limit.as_secs());
                self.stop(self.launch.stop_signal, Duration::from_secs(2)).await;
                return Err(EmbedError::NotReady { server, seconds, log, tail });
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Sends `signal` and waits up to `limit` for the end; then sends SIGKILL and waits up to 5 s.
    pub(crate) async fn stop(&mut self, signal: Signal, limit: Duration) {
        let Some(mut child) = self.child.take() else { return };
        for (signal, limit) in [(signal, limit), (Signal::SIGKILL, Duration::from_secs(5))] {
            send(&child, signal);
            if matches!(exit_within(&mut child, limit).await, Ok(Some(_)) | Err(_)) {
                return;
            }
        }
    }

    async fn is_responding(&self) -> bool {
        is_responding(&self.probe, &self.socket).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        send(&child, self.launch.stop_signal);
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        while matches!(child.try_wait(), Ok(None)) {
            if std::time::Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Runs a program to its end, up to `limit`. Its output goes to the log.
pub(crate) async fn run(launch: &Launch, spawner: &Spawner, limit: Duration) -> Result<(), EmbedError> {
    let (log, begin) = open_log(&launch.log)?;
    let spawned = spawner.spawn(launch, log).await;
    let mut child = spawned.map_err(EmbedError::io("start", &launch.program))?;
    match exit_within(&mut child, limit).await.map_err(EmbedError::io("wait for", &launch.program))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(ended(launch, status, begin)),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let (server, log, seconds) = (launch.name, launch.log.clone(), limit.as_secs());
            Err(EmbedError::NotReady { server, seconds, tail: tail(&log, begin), log })
        }
    }
}

async fn is_responding(probe: &Probe, socket: &Path) -> bool {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&probe.request).await?;
        let mut response = Vec::new();
        // Both requests end with a termination message, so the server closes the connection.
        stream.take(64 * 1024).read_to_end(&mut response).await?;
        std::io::Result::Ok(response)
    };
    matches!(timeout(PROBE_TIMEOUT, exchange).await, Ok(Ok(response)) if (probe.is_ready)(&response))
}

async fn exit_within(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() > deadline {
            return Ok(status);
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Safe from reused process ids: the child is not reaped before `try_wait` returns its status.
fn send(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Opens the log and returns it with its current length, where this run begins.
fn open_log(path: &Path) -> Result<(File, u64), EmbedError> {
    let opened = File::options().create(true).append(true).open(path).and_then(|log| {
        if log.metadata()?.len() > MAX_LOG_BYTES {
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
    lines[lines.len().saturating_sub(MAX_TAIL_LINES)..].join("\n")
}
