//! What can go wrong while finding, starting or stopping the embedded servers.

use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded servers cannot run. The text contains the tail of the server's log.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// Server programs that are neither in the given directories, nor in Debian's, nor in PATH.
    #[error(
        "not found: {}. Run `make setup`, or install them: apt-get install -y --no-install-recommends {}",
        missing.join(", "), packages.join(" ")
    )]
    Missing { missing: Vec<&'static str>, packages: Vec<&'static str> },
    /// Postgres refuses to run as root, and there is no other user to run it as.
    #[error("the servers cannot run as root, and there is no user `postgres` or `nobody`")]
    NoAccount,
    /// Another process runs the servers of this directory.
    #[error("{} is in use by another process", dir.display())]
    InUse { dir: PathBuf },
    /// Servers of an earlier run do not end.
    #[error("processes {pids:?} of an earlier run in {} do not end", dir.display())]
    Orphans { dir: PathBuf, pids: Vec<i32> },
    /// The server ended instead of becoming ready.
    #[error("{server} ended with {status}; the end of {}:\n{tail}", log.display())]
    Ended { server: &'static str, status: std::process::ExitStatus, log: PathBuf, tail: String },
    /// The server runs, but does not respond in time.
    #[error("{server} is not ready after {seconds} s; the end of {}:\n{tail}", log.display())]
    NotReady { server: &'static str, seconds: u64, log: PathBuf, tail: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl EmbedError {
    /// For `map_err`: names the action and the path that an `io::Error` leaves out.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EmbedError {
        move |source| EmbedError::Io { action, path: path.to_owned(), source }
    }
}
