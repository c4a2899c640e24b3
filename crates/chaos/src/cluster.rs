//! The product's own processes: started, killed, stopped, asked to end, and started again.

use anyhow::{Context, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::ExposeSecret;
use std::{
    collections::HashSet,
    fmt,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};
use trigrun_core::{store::PostgresSettings, stream::RedisSettings};
use trigrun_testkit::{keys, process::binary};

const ENDS_WITHIN: Duration = Duration::from_secs(60);
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Api,
    Scheduler,
    Executor,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api => "api",
            Self::Scheduler => "scheduler",
            Self::Executor => "executor",
        })
    }
}

/// All of a role, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    All(Role),
    One(Role, usize),
}

impl Whom {
    fn is(self, role: Role, index: usize) -> bool {
        self == Self::All(role) || self == Self::One(role, index)
    }
}

/// How many of each, and what their environment holds beside the ordinary.
#[derive(Clone)]
pub struct Layout {
    pub apis: usize,
    pub schedulers: usize,
    pub executors: usize,
    /// For whom, name and value.
    pub environment: Vec<(Whom, String, String)>,
    /// Where other binaries are than those that were built with the run.
    pub programs: Option<PathBuf>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { apis: 2, schedulers: 3, executors: 3, environment: Vec::new(), programs: None }
    }
}

struct Member {
    role: Role,
    index: usize,
    /// Of an API.
    address: Option<SocketAddr>,
    child: Option<Child>,
}

pub struct Cluster {
    members: Vec<Member>,
    layout: Layout,
    postgres: PostgresSettings,
    redis: RedisSettings,
    logs: PathBuf,
    /// Those that ended although nobody asked them to.
    fallen: Vec<String>,
    /// Of which some were killed or asked to end.
    ended: HashSet<Role>,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub resident_mb: u64,
    pub files: u64,
}

impl Cluster {
    /// Starts all and waits until the APIs listen.
    pub async fn start(
        layout: Layout,
        postgres: PostgresSettings,
        redis: RedisSettings,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(logs)?;
        let mut cluster = Self {
            members: Vec::new(),
            layout,
            postgres,
            redis,
            logs: logs.to_owned(),
            fallen: Vec::new(),
            ended: HashSet::new(),
        };
        let counts = [
            (Role::Api, cluster.layout.apis),
            (Role::Scheduler, cluster.layout.schedulers),
            (Role::Executor, cluster.layout.executors),
        ];
        for (role, count) in counts {
            for index in 0..count {
                let address = (role == Role::Api).then(free_port).transpose()?;
                cluster.members.push(Member { role, index, address, child: None });
                cluster.begin(role, index)?;
            }
        }
        for api in cluster.apis() {
            listens(api).await?;
        }
        Ok(cluster)
    }

    pub fn apis(&self) -> Vec<SocketAddr> {
        self.members.iter().filter_map(|member| member.address).collect()
    }

    pub fn count(&self, role: Role) -> usize {
        self.members.iter().filter(|member| member.role == role).count()
    }

    /// Starts one that has ended.
    pub fn begin(&mut self, role: Role, index: usize) -> anyhow::Result<()> {
        let log = self.logs.join(format!("{role}-{index}.log"));
        let log = File::options().create(true).append(true).open(&log)?;
        // So that nothing is left when the run itself is killed.
        let program = match &self.layout.programs {
            Some(directory) => directory.join(format!("trigrun-{role}")),
            None => binary(&role.to_string()),
        };
        let mut command = Command::from(trigrun_embed::ends_with_us(&program));
        command
            .env("TRIGRUN__POSTGRES__URL", self.postgres.url.expose_secret())
            .env("TRIGRUN__REDIS__URL", self.redis.url.expose_secret())
            .env("TRIGRUN__REDIS__NAMESPACE", &self.redis.namespace)
            .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        if role != Role::Scheduler {
            command.env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::MASTER));
            command.env("TRIGRUN__EGRESS__ALLOW", "[\"127.0.0.0/8\"]");
        }
        let member = self.member(role, index)?;
        if let Some(address) = member.address {
            command.env("TRIGRUN__SERVER__ADDRESS", address.to_string());
            for limit in ["TOKEN_PER_SECOND", "TOKEN_BURST", "WORKSPACE_PER_SECOND", "WORKSPACE_BURST"] {
                command.env(format!("TRIGRUN__LIMITS__{limit}"), "100000");
            }
        }
        for (whom, name, value) in &self.layout.environment {
            if whom.is(role, index) {
                command.env(name, value);
            }
        }
        let child = command.spawn().with_context(|| format!("trigrun-{role} cannot be started"))?;
        self.member_mut(role, index)?.child = Some(child);
        Ok(())
    }

    /// From the next start on, this is in their environment.
    pub fn set(&mut self, whom: Whom, name: &str, value: &str) {
        self.layout.environment.push((whom, name.to_owned(), value.to_owned()));
    }

    /// From the next start on, the binaries are taken from there; `None` for those that were built with the run.
    pub fn take_programs(&mut self, directory: Option<&Path>) {
        self.layout.programs = directory.map(Path::to_owned);
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self, role: Role, index: usize) -> anyhow::Result<()> {
        if let Some(mut child) = self.take(role, index)? {
            child.kill().await?;
        }
        Ok(())
    }

    /// The process, to be ended; nothing when it has ended by itself, which is noted.
    fn take(&mut self, role: Role, index: usize) -> anyhow::Result<Option<Child>> {
        self.ended.insert(role);
        let Some(mut child) = self.member_mut(role, index)?.child.take() else { return Ok(None) };
        let Some(status) = child.try_wait()? else { return Ok(Some(child)) };
        self.fallen.push(format!("{role} {index} ended by itself: {status}"));
        Ok(None)
    }

    /// Whether any of these was killed or asked to end.
    pub fn has_ended(&self, role: Role) -> bool {
        self.ended.contains(&role)
    }

    /// Asks it to end, waits until it has, and says how long that took.
    pub async fn terminate(&mut self, role: Role, index: usize) -> anyhow::Result<Duration> {
        if let Some(pid) = self.pid(role, index) {
            catches_sigterm(pid).await.with_context(|| format!("{role} {index}"))?;
        }
        let Some(mut child) = self.take(role, index)? else { return Ok(Duration::ZERO) };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).context("it has no pid")?;
        let asked = Instant::now();
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        let ended = tokio::time::timeout(ENDS_WITHIN, child.wait());
        let status = ended.await.with_context(|| format!("{role} {index} did not end when asked to"))??;
        ensure!(status.success(), "{role} {index} was asked to end, and ended with {status}");
        Ok(asked.elapsed())
    }

    pub fn signal(&self, role: Role, index: usize, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid(role, index).with_context(|| format!("{role} {index} is not running"))?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("{signal} to {role} {index}"))
    }

    pub fn pid(&self, role: Role, index: usize) -> Option<i32> {
        let member = self.member(role, index).ok()?;
        i32::try_from(member.child.as_ref()?.id()?).ok()
    }

    /// Those that have ended although nobody asked them to.
    pub fn fallen(&mut self) -> Vec<String> {
        let mut fallen = std::mem::take(&mut self.fallen);
        for member in &mut self.members {
            if let Some(child) = &mut member.child
                && let Ok(Some(status)) = child.try_wait()
            {
                fallen.push(format!("{} {} ended by itself: {status}", member.role, member.index));
            }
        }
        fallen
    }

    /// What each living process holds.
    pub fn held(&self) -> Vec<(Role, usize, i32, Held)> {
        let living = self.members.iter().filter_map(|member| {
            let pid = self.pid(member.role, member.index)?;
            Some((member.role, member.index, pid, held(pid)?))
        });
        living.collect()
    }

    /// Asks all to end, executors first.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for role in [Role::Executor, Role::Scheduler, Role::Api] {
            for index in 0..self.count(role) {
                if self.pid(role, index).is_some() {
                    self.terminate(role, index).await?;
                }
            }
        }
        Ok(())
    }

    fn member(&self, role: Role, index: usize) -> anyhow::Result<&Member> {
        let found = self.members.iter().find(|member| member.role == role && member.index == index);
        found.with_context(|| format!("there is no {role} {index}"))
    }

    fn member_mut(&mut self, role: Role, index: usize) -> anyhow::Result<&mut Member> {
        let found = self.members.iter_mut().find(|member| member.role == role && member.index == index);
        found.with_context(|| format!("there is no {role} {index}"))
    }
}

/// From /proc: proc_pid_status(5), proc_pid_fd(5).
pub fn held(pid: i32) -> Option<Held> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some(Held { resident_mb: kb / 1024, files })
}

/// A process that has only just been started would be ended by the signal, and not asked to end. From /proc: proc_pid_status(5).
async fn catches_sigterm(pid: i32) -> anyhow::Result<()> {
    let bit = 1u64 << (Signal::SIGTERM as u32 - 1);
    let caught = || -> Option<bool> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        // One that has ended catches nothing any more.
        Some(u64::from_str_radix(mask.trim(), 16).ok()? & bit != 0 || status.contains("State:\tZ"))
    };
    let catches = async {
        while caught() == Some(false) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LISTENS_WITHIN, catches).await.context("does not catch SIGTERM")
}

/// Waits until somebody listens there.
pub async fn listens(address: SocketAddr) -> anyhow::Result<()> {
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LISTENS_WITHIN, listening)
        .await
        .with_context(|| format!("nobody listens on {address}"))
}

/// Below those that the kernel gives to clients, ip(7): a process that is started again finds it free.
fn free_port() -> anyhow::Result<SocketAddr> {
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
