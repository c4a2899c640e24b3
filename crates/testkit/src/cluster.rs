//! The product's binaries as named processes on one Postgres and one Redis: private ports, environment, logs, restarts.

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;
use std::{
    collections::HashMap,
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use trigrun_core::{store::PostgresSettings, stream::RedisSettings};

use crate::{
    due,
    memory::MemoryGroup,
    process::{Process, Role, Usage, binary, configure},
};

const READY_TIMEOUT: Duration = Duration::from_secs(30);
const ADDRESS: &str = "TRIGRUN__SERVER__ADDRESS";

/// Rate limits of the API that no proof reaches.
pub const HIGH_RATE_LIMITS: [(&str, &str); 4] = [
    ("TRIGRUN__LIMITS__TOKEN_PER_SECOND", "100000"),
    ("TRIGRUN__LIMITS__TOKEN_BURST", "100000"),
    ("TRIGRUN__LIMITS__WORKSPACE_PER_SECOND", "100000"),
    ("TRIGRUN__LIMITS__WORKSPACE_BURST", "100000"),
];

/// All processes are killed when it is dropped, and when the program that started them ends.
pub struct Cluster {
    postgres: PostgresSettings,
    redis: RedisSettings,
    logs: PathBuf,
    binaries: Option<PathBuf>,
    launchers: HashMap<Role, Vec<String>>,
    memory_limits: HashMap<Role, u64>,
    members: Vec<Member>,
    unexpected_exits: Vec<String>,
}

struct Member {
    name: String,
    role: Role,
    /// Of an API.
    address: Option<SocketAddr>,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    // After the process, which must have ended when it is removed.
    memory: Option<MemoryGroup>,
}

impl Cluster {
    /// Each process appends its output to `<logs>/<name>.log`.
    pub fn new(
        postgres: PostgresSettings,
        redis: RedisSettings,
        logs: impl Into<PathBuf>,
    ) -> anyhow::Result<Self> {
        let logs = logs.into();
        fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
        Ok(Self {
            postgres,
            redis,
            logs,
            binaries: None,
            launchers: HashMap::new(),
            memory_limits: HashMap::new(),
            members: Vec::new(),
            unexpected_exits: Vec::new(),
        })
    }

    /// Takes the binaries from this directory from the next start on; `None` for those built with the running program.
    pub fn set_binaries(&mut self, dir: Option<&Path>) {
        self.binaries = dir.map(Path::to_owned);
    }

    /// Starts processes of this role by this command from the next start on. It must replace itself by the program that follows its own
    /// arguments, as `prlimit` and `unshare` do.
    pub fn set_launcher(&mut self, role: Role, command: &[&str]) {
        self.launchers.insert(role, command.iter().map(|&word| word.to_owned()).collect());
    }

    /// Limits the memory of each process of this role that is started from now on; see [`MemoryGroup`].
    pub fn set_memory_limit(&mut self, role: Role, bytes: u64) {
        self.memory_limits.insert(role, bytes);
    }

    /// Whether the kernel enforces the memory limit of this process.
    pub fn has_memory_limit(&self, name: &str) -> anyhow::Result<bool> {
        Ok(self.member(name)?.memory.is_some())
    }

    /// Starts a new process. An API gets a private port, unless the environment has its address.
    pub fn start<N: Into<String>, V: Into<String>>(
        &mut self,
        name: &str,
        role: Role,
        environment: impl IntoIterator<Item = (N, V)>,
    ) -> anyhow::Result<()> {
        ensure!(self.member(name).is_err(), "{name} was started already");
        let mut environment: Vec<(String, String)> =
            environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut address = None;
        if role == Role::Api {
            let given = environment.iter().find(|(name, _)| name == ADDRESS);
            let address = address.insert(given.map_or_else(free_address, |(_, value)| Ok(value.parse()?))?);
            environment.push((ADDRESS.to_owned(), address.to_string()));
        }
        let memory = self.memory_limits.get(&role).and_then(|bytes| MemoryGroup::create(name, *bytes));
        let mut member = Member { name: name.to_owned(), role, address, environment, process: None, memory };
        member.process = Some(self.spawn(&member)?);
        self.members.push(member);
        Ok(())
    }

    /// Starts a process that has ended: same role, address and environment.
    pub fn restart(&mut self, name: &str) -> anyhow::Result<()> {
        let process = self.spawn(self.member(name)?)?;
        self.member_mut(name)?.process = Some(process);
        Ok(())
    }

    /// Starts every process that has ended by itself, as an orchestrator does. Returns how each of them ended.
    pub fn restart_exited(&mut self) -> anyhow::Result<Vec<String>> {
        let mut exits = Vec::new();
        for at in 0..self.members.len() {
            let member = &mut self.members[at];
            let Some(status) = member.process.as_mut().and_then(Process::exit_status) else { continue };
            exits.push(format!("{}: {status}", member.name));
            let process = self.spawn(&self.members[at])?;
            self.members[at].process = Some(process);
        }
        Ok(exits)
    }

    /// Sets an environment variable from the process's next start on.
    pub fn set(&mut self, name: &str, variable: &str, value: &str) -> anyhow::Result<()> {
        let environment = &mut self.member_mut(name)?.environment;
        environment.push((variable.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Waits until every API accepts connections.
    pub async fn ready(&self) -> anyhow::Result<()> {
        for address in self.addresses() {
            let listens = async || TcpStream::connect(address).await.is_ok();
            due::until(&format!("an API listens on {address}"), READY_TIMEOUT, listens).await?;
        }
        Ok(())
    }

    /// Of an API.
    pub fn address(&self, name: &str) -> anyhow::Result<SocketAddr> {
        self.member(name)?.address.with_context(|| format!("{name} has no address"))
    }

    /// Of all APIs, in the order of their start.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().filter_map(|member| member.address).collect()
    }

    /// In the order of their start, whether they run or not.
    pub fn names(&self, role: Role) -> Vec<String> {
        let members = self.members.iter().filter(|member| member.role == role);
        members.map(|member| member.name.clone()).collect()
    }

    /// Of a process that runs.
    pub fn pid(&self, name: &str) -> anyhow::Result<u32> {
        Ok(self.process(name)?.pid())
    }

    /// Whether a process that was started has ended, by itself or after a signal.
    pub fn has_ended(&mut self, name: &str) -> anyhow::Result<bool> {
        let process = self.member_mut(name)?.process.as_mut();
        Ok(process.is_none_or(|process| process.exit_status().is_some()))
    }

    /// Everything that this process has logged.
    pub fn log(&self, name: &str) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.logs.join(format!("{name}.log")))?).into_owned())
    }

    /// Measures the peak of the memory of a process from now on: see [`Usage::peak_mb`].
    pub fn reset_peak(&self, name: &str) -> anyhow::Result<()> {
        // proc_pid_clear_refs(5)
        Ok(fs::write(format!("/proc/{}/clear_refs", self.pid(name)?), "5")?)
    }

    pub fn is_running(&self, name: &str) -> bool {
        self.process(name).is_ok()
    }

    pub fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        self.process(name)?.signal(signal)
    }

    /// Ends it as a crash does (SIGKILL).
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        if let Some(process) = self.take(name)? {
            process.kill();
        }
        Ok(())
    }

    /// Sends SIGTERM, waits for a successful end, and returns how long that took.
    pub async fn terminate(&mut self, name: &str) -> anyhow::Result<Duration> {
        if let Ok(process) = self.process(name) {
            process.handles_sigterm().await?;
        }
        let Some(process) = self.take(name)? else { return Ok(Duration::ZERO) };
        let began = Instant::now();
        let status = process.terminate().await?;
        ensure!(status.success(), "{name} ended with {status} after SIGTERM");
        Ok(began.elapsed())
    }

    /// Processes that ended without having been killed or terminated, since the last call.
    pub fn unexpected_exits(&mut self) -> Vec<String> {
        let mut exits = std::mem::take(&mut self.unexpected_exits);
        for Member { name, process, .. } in &mut self.members {
            if let Some(status) = process.as_mut().and_then(Process::exit_status) {
                exits.push(format!("{name} exited unexpectedly: {status}"));
            }
        }
        exits
    }

    /// Of a process that runs.
    pub fn usage(&self, name: &str) -> anyhow::Result<Usage> {
        self.process(name)?.usage().with_context(|| format!("{name} has ended"))
    }

    /// Of all processes that run.
    pub fn usages(&self) -> Vec<(Role, &str, Usage)> {
        let usage = |member: &Member| member.process.as_ref()?.usage();
        let usages = self.members.iter().filter_map(|it| Some((it.role, it.name.as_str(), usage(it)?)));
        usages.collect()
    }

    /// Everything that the processes have logged.
    pub fn logs(&self) -> anyhow::Result<Vec<u8>> {
        let mut logs = Vec::new();
        for entry in fs::read_dir(&self.logs)? {
            logs.extend(fs::read(entry?.path())?);
        }
        Ok(logs)
    }

    /// Terminates all, executors first.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for role in [Role::Executor, Role::Scheduler, Role::Api] {
            for name in self.names(role) {
                if self.is_running(&name) {
                    self.terminate(&name).await?;
                }
            }
        }
        Ok(())
    }

    fn spawn(&self, member: &Member) -> anyhow::Result<Process> {
        let log = self.logs.join(format!("{}.log", member.name));
        let log = File::options().create(true).append(true).open(&log)?;
        let program = match &self.binaries {
            Some(dir) => dir.join(format!("trigrun-{}", member.role)),
            None => binary(member.role.name()),
        };
        let mut command = match self.launchers.get(&member.role).and_then(|words| words.split_first()) {
            Some((launcher, arguments)) => {
                let mut command = trigrun_embed::ends_with_us(Path::new(launcher));
                command.args(arguments).arg(&program);
                command
            }
            None => trigrun_embed::ends_with_us(&program),
        };
        configure(&mut command, member.role, &self.postgres, &self.redis);
        command.envs(member.environment.iter().map(|(name, value)| (name, value)));
        // A Ctrl-C at the terminal reaches the starting program only.
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let process = Process::spawn(&member.name, command)?;
        if let Some(memory) = &member.memory {
            memory.add(process.pid()).with_context(|| format!("the memory limit of {}", member.name))?;
        }
        Ok(process)
    }

    /// The process to be ended; `None` if it has exited already, which is recorded.
    fn take(&mut self, name: &str) -> anyhow::Result<Option<Process>> {
        let Some(mut process) = self.member_mut(name)?.process.take() else { return Ok(None) };
        let Some(status) = process.exit_status() else { return Ok(Some(process)) };
        self.unexpected_exits.push(format!("{name} exited unexpectedly: {status}"));
        Ok(None)
    }

    fn process(&self, name: &str) -> anyhow::Result<&Process> {
        self.member(name)?.process.as_ref().with_context(|| format!("{name} is not running"))
    }

    fn member(&self, name: &str) -> anyhow::Result<&Member> {
        let member = self.members.iter().find(|member| member.name == name);
        member.with_context(|| format!("there is no process {name}"))
    }

    fn member_mut(&mut self, name: &str) -> anyhow::Result<&mut Member> {
        let member = self.members.iter_mut().find(|member| member.name == name);
        member.with_context(|| format!("there is no process {name}"))
    }
}

/// A free port on loopback, below the range that the kernel gives to clients (ip(7)): it is still free after a restart.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let first: u16 = range.split_whitespace().next().context("no range of ports")?.parse()?;
    for _ in 0..100 {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(10_000.min(first / 2)..first)));
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free below {first}")
}
