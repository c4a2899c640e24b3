//! The threads of the prototype.

use std::{thread, thread::JoinHandle};

/// Starts a thread of the prototype, which ends the process on an error.
pub fn spawn_thread<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(move || work().unwrap_or_else(|error| fail(name, &error)))
}

/// Ends the process: the other threads would wait forever, and there is nothing to save.
pub fn fail(thread: &str, error: &anyhow::Error) -> ! {
    eprintln!("prototype, {thread}: {error:#}");
    std::process::exit(1)
}
