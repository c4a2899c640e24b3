//! A process of the product whose log a test reads.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// A process whose log is read; killed when it is dropped.
pub struct LoggedProcess(Child);

impl LoggedProcess {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().expect("the binary can be started"))
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits for the first line that contains this text.
    pub fn line_with(&mut self, text: &str) -> String {
        let log = BufReader::new(self.0.stderr.take().expect("it is piped"));
        let found = log.lines().map_while(Result::ok).find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("it ended without logging {text}"))
    }
}

impl Drop for LoggedProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
