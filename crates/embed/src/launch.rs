//! How a server process is started, and how to see that it is ready.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::sys::signal::Signal;

/// A program and how to start it.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub dir: PathBuf,
    pub log: PathBuf,
    /// The signal for a clean shutdown.
    pub stop_signal: Signal,
}

/// A request, and the check of its response: only a ready server passes.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub request: Vec<u8>,
    pub is_ready: fn(&[u8]) -> bool,
}
