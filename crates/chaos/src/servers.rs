//! A Postgres and a Redis for one run of the run, and the ways to harm them.

use anyhow::{Context, bail, ensure};
use secrecy::SecretString;
use std::{
    cell::Cell,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio_postgres::{Client, NoTls};
use trigrun_core::{runtime::tasks, store::PostgresSettings, stream::RedisSettings};
use trigrun_embed::{Durability, Frozen, Options, Programs, Scratch, Services, Shutdown};

use crate::proxy::Proxy;

const DATABASE: &str = "postgres";
pub const NAMESPACE: &str = "run";
/// Under a directory named after the machine.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

/// What is special about the servers of a scenario.
#[derive(Clone, Copy, Default)]
pub struct ServerFaults {
    /// Postgres's wall clock can be set: [`ClockFile`].
    pub postgres_clock: bool,
    /// Postgres's disk has this size.
    pub disk_mb: Option<u32>,
}

pub struct Servers {
    services: Services,
    pub redis: Proxy,
    pub postgres_clock: Option<ClockFile>,
    disk: Option<Disk>,
    stood_still: Cell<bool>,
    // Last: the others live in it.
    scratch: Scratch,
}

impl Servers {
    /// Both with production durability: what Postgres has committed survives its being killed.
    pub async fn start(options: ServerFaults) -> anyhow::Result<Self> {
        let scratch = Scratch::create().await?;
        let disk = options.disk_mb.map(|mb| Disk::mount(scratch.path().join("disk"), mb)).transpose()?;
        let dir = disk.as_ref().map_or_else(|| scratch.path().to_owned(), |disk| disk.path.clone());
        let mut programs = Programs::find()?;
        let mut postgres_clock = None;
        if options.postgres_clock {
            let clock = ClockFile::create(scratch.path().join("postgres.clock"))?;
            programs.postgres = clock.wrap(&programs.postgres, scratch.path())?;
            postgres_clock = Some(clock);
        }
        let services = Services::start(&programs, &Options::new(dir, Durability::Production)).await?;
        let server = services.redis().socket().to_owned();
        let redis = Proxy::start(scratch.path().join("redis.proxy"), server)?;
        Ok(Self { services, redis, postgres_clock, disk, stood_still: Cell::new(false), scratch })
    }

    pub fn postgres_settings(&self) -> PostgresSettings {
        PostgresSettings {
            url: SecretString::from(self.postgres_url()),
            max_connections: 4,
            acquire_timeout_ms: 10_000,
            statement_timeout_ms: 120_000,
            lock_timeout_ms: 30_000,
            idle_in_transaction_timeout_ms: 60_000,
        }
    }

    pub fn postgres_url(&self) -> String {
        self.services.postgres_url(DATABASE)
    }

    /// As the processes see it: through the proxy.
    pub fn redis_settings(&self) -> RedisSettings {
        RedisSettings {
            url: SecretString::from(self.redis.url()),
            namespace: NAMESPACE.into(),
            timeout_ms: 1000,
        }
    }

    pub async fn sql(&self) -> anyhow::Result<Client> {
        connect(&self.postgres_url()).await
    }

    /// A connection to Redis that does not go through the proxy.
    pub async fn redis(&self) -> anyhow::Result<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.services.redis_url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    /// Everything in Redis is gone, and for `away` it is, too.
    pub async fn lose_redis(&mut self, away: Duration) -> anyhow::Result<()> {
        let mut connection = self.redis().await?;
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await?;
        self.services.stop_redis().await;
        tokio::time::sleep(away).await;
        self.services.start_redis().await.context("Redis does not start again")
    }

    /// Ends Postgres at once, as `pg_ctl stop -m immediate` does, and starts it again.
    pub async fn crash_postgres(&mut self, away: Duration) -> anyhow::Result<()> {
        self.services.stop_postgres(Shutdown::NewRun).await;
        tokio::time::sleep(away).await;
        self.services.start_postgres().await.context("Postgres does not start again")
    }

    /// Starts Postgres if it has ended by itself.
    pub async fn start_postgres(&mut self) -> anyhow::Result<()> {
        self.services.start_postgres().await.context("Postgres does not start again")
    }

    /// Every process of Postgres stands still for that time; its sockets stay open.
    pub async fn freeze_postgres(&self, still: Duration) {
        let _still = self.frozen_postgres();
        tokio::time::sleep(still).await;
    }

    /// The same, until the answer is dropped.
    pub fn frozen_postgres(&self) -> Frozen {
        self.stood_still.set(true);
        self.services.freeze_postgres()
    }

    /// Whether Postgres was ever made to stand still.
    pub fn has_stood_still(&self) -> bool {
        self.stood_still.get()
    }

    /// Nothing more can be written for that time: a file takes all the room that is left.
    pub async fn fill_disk(&mut self, full: Duration) -> anyhow::Result<()> {
        let disk = self.disk.as_ref().context("this scenario's disk has no bound")?;
        let ballast = disk.path.join("ballast");
        // It ends for want of room: that is what it is for.
        let _full = Command::new("dd")
            .args(["if=/dev/zero", "bs=64k", "status=none"])
            .arg(format!("of={}", ballast.display()))
            .output()?;
        tokio::time::sleep(full).await;
        fs::remove_file(&ballast)?;
        Ok(())
    }

    /// How many lines of Postgres's log say that.
    pub fn postgres_said(&self, what: &str) -> anyhow::Result<usize> {
        let log = fs::read(self.services.postgres().log())?;
        Ok(String::from_utf8_lossy(&log).lines().filter(|line| line.contains(what)).count())
    }

    pub async fn stop(self) {
        let Self { services, redis, disk, scratch, .. } = self;
        services.stop().await;
        drop((redis, disk, scratch));
    }
}

pub async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tasks::spawn("run's connection", connection);
    Ok(client)
}

/// The wall clock of processes that were started under it (libfaketime); their monotonic clock stays true.
#[derive(Clone)]
pub struct ClockFile {
    path: PathBuf,
    library: PathBuf,
}

impl ClockFile {
    pub fn create(path: PathBuf) -> anyhow::Result<Self> {
        let machines = fs::read_dir("/usr/lib")?.flatten();
        let library = machines.map(|machine| machine.path().join(FAKETIME)).find(|library| library.exists());
        let library = library.context("libfaketime is missing: apt-get install faketime")?;
        let clock = Self { path, library };
        clock.step(0)?;
        Ok(clock)
    }

    /// So many seconds off the true time, from now on.
    pub fn step(&self, seconds: i64) -> anyhow::Result<()> {
        let new = self.path.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
        fs::rename(&new, &self.path)?;
        Ok(())
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let file = self.path.display().to_string();
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Whether this process runs under it, and what a process under it takes the time to be is as far off as was asked for.
    pub fn rules(&self, pid: i32, seconds: i64) -> anyhow::Result<bool> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let date = Command::new("date").arg("+%s").envs(self.environment()).output()?;
        let (shown, true_time) = (String::from_utf8(date.stdout)?, Command::new("date").arg("+%s").output()?);
        let off =
            shown.trim().parse::<i64>()? - String::from_utf8(true_time.stdout)?.trim().parse::<i64>()?;
        Ok(maps.contains("libfaketime") && (off - seconds).abs() <= 2)
    }

    /// A program of the same name in `dir` that runs `program` under this clock.
    fn wrap(&self, program: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
        let Some(name) = program.file_name() else { bail!("{} has no name", program.display()) };
        let wrapper = dir.join("wrapped").join(name);
        fs::create_dir_all(dir.join("wrapped"))?;
        let exports: String =
            self.environment().iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        fs::write(&wrapper, format!("#!/bin/sh\n{exports}exec '{}' \"$@\"\n", program.display()))?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        Ok(wrapper)
    }
}

/// A file system in memory with a bound.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mount(path: PathBuf, mb: u32) -> anyhow::Result<Self> {
        fs::create_dir(&path)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mb}m,mode=0755"), "tmpfs"])
            .arg(&path)
            .output()?;
        ensure!(
            mounted.status.success(),
            "this needs the right to mount a file system: {}",
            String::from_utf8_lossy(&mounted.stderr).trim()
        );
        Ok(Self { path })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
