//! How the servers run.

use std::path::PathBuf;
use std::time::Duration;

/// What a crash of the machine may lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Postgres loses no commit (fsync and synchronous_commit on); Redis appends to its file every second.
    Production,
    /// Anything may be lost: fsync, synchronous_commit and full_page_writes off, Redis in memory only.
    Tests,
}

/// How the servers run. [`Options::new`] sets the defaults.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of data and logs. Created if absent; a second start finds the data again.
    pub dir: PathBuf,
    pub durability: Durability,
    /// Postgres's max_connections: 200, or 400 for tests.
    pub max_connections: u32,
    /// Postgres's shared_buffers in MiB: 256, or 128 for tests.
    pub shared_buffers_mb: u32,
    /// The time in which each server must respond: 30 s. Includes recovery after a crash.
    pub ready_timeout: Duration,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>, durability: Durability) -> Options {
        let (max_connections, shared_buffers_mb) = match durability {
            Durability::Production => (200, 256),
            Durability::Tests => (400, 128),
        };
        let ready_timeout = Duration::from_secs(30);
        Options { dir: dir.into(), durability, max_connections, shared_buffers_mb, ready_timeout }
    }
}
