//! The product's own processes, release builds, each a process of its own.

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::ExposeSecret;
use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use trigrun_testkit::{keys, process::binary};

use crate::servers::Servers;

const ENDS_WITHIN: Duration = Duration::from_secs(20);
const LOGS: &str = "target/bench/logs";

/// One of them; killed when it is dropped, and with us.
pub struct Running {
    child: Child,
}

/// Starts `trigrun-<name>` on this database; its log is in target/bench/logs.
pub fn start(
    name: &'static str,
    servers: &Servers,
    database: &str,
    environment: &[(&str, &str)],
) -> anyhow::Result<Running> {
    let (postgres, redis) = (servers.postgres_settings(database), servers.redis_settings());
    let mut command = Command::new(binary(name));
    command
        .env("TRIGRUN__POSTGRES__URL", postgres.url.expose_secret())
        .env("TRIGRUN__REDIS__URL", redis.url.expose_secret())
        .env("TRIGRUN__REDIS__NAMESPACE", &redis.namespace)
        .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", "127.0.0.1:0");
    if name != "scheduler" {
        command.env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::MASTER));
        command.env("TRIGRUN__EGRESS__ALLOW", "[\"127.0.0.0/8\"]");
    }
    command.envs(environment.iter().copied());
    spawn(name, command)
}

/// Starts a program whose output goes into target/bench/logs.
pub fn spawn(name: &'static str, command: Command) -> anyhow::Result<Running> {
    fs::create_dir_all(LOGS)?;
    let log = File::options().create(true).append(true).open(format!("{LOGS}/{name}.log"))?;
    let mut ends_with_us = trigrun_embed::ends_with_us(command.get_program().as_ref());
    ends_with_us.args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        ends_with_us.current_dir(dir);
    }
    ends_with_us.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    ends_with_us.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = ends_with_us.spawn().with_context(|| format!("{name} cannot be started"))?;
    Ok(Running { child })
}

/// For one of them to listen on: the kernel gives it to nobody else so soon.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub async fn end(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), Signal::SIGTERM)?;
        let give_up = Instant::now() + ENDS_WITHIN;
        while self.child.try_wait()?.is_none() && Instant::now() < give_up {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
