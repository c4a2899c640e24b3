//! The product's own binaries, as processes of their own.

use crate::keys::MASTER;
use secrecy::ExposeSecret;
use std::{
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};
use trigrun_core::{store::PostgresSettings, stream::RedisSettings};

/// A running binary; killed when it is dropped.
pub struct Process {
    name: String,
    child: Child,
}

/// `trigrun-<name>` on this Postgres, quiet and without a fixed port; the caller says what it is to do.
pub fn command(name: &str, postgres: &PostgresSettings) -> Command {
    let mut command = Command::new(binary(name));
    command
        .env("TRIGRUN__POSTGRES__URL", postgres.url.expose_secret())
        .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", "127.0.0.1:0")
        .env("TRIGRUN__TELEMETRY__LOG_FILTER", "warn")
        .stdin(Stdio::null());
    command
}

impl Process {
    /// Starts `trigrun-<name>` on these servers, with this machine open as a target.
    pub fn start(name: &str, postgres: &PostgresSettings, redis: &RedisSettings) -> Self {
        let mut command = command(name, postgres);
        command
            .env("TRIGRUN__REDIS__URL", redis.url.expose_secret())
            .env("TRIGRUN__REDIS__NAMESPACE", &redis.namespace);
        if name != "scheduler" {
            command.env("TRIGRUN__KEYS__MASTER", format!("[\"{MASTER}\"]"));
            command.env("TRIGRUN__EGRESS__ALLOW", "[\"127.0.0.0/8\"]");
        }
        Self { name: name.to_owned(), child: command.spawn().expect("the binary can be started") }
    }

    /// Ends it as a crash would: at once, and with nothing said.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        let kill = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().expect("kill can be run");
        assert!(kill.success());
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().expect("its status can be asked for") {
                return status;
            }
            assert!(Instant::now() < give_up, "trigrun-{} did not end when asked to", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `trigrun-<name>`, which was built with the program that runs: beside it, or above it if that is a test.
pub fn binary(name: &str) -> PathBuf {
    let ours = std::env::current_exe().expect("a program knows its own path");
    let dir = ours.parent().expect("it lies in a directory");
    let profile = if dir.ends_with("deps") { dir.parent().expect("target/<profile>/deps") } else { dir };
    let binary = profile.join(format!("trigrun-{name}"));
    assert!(
        binary.exists(),
        "{} is missing: build the whole workspace first, as make does",
        binary.display()
    );
    binary
}
