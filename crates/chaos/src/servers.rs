//! A Postgres and a Redis for one run, and the faults that can be injected into them.

use anyhow::{Context, ensure};
use secrecy::SecretString;
use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio_postgres::{Client, NoTls};
use trigrun_core::{runtime::tasks, store::PostgresSettings, stream::RedisSettings};
use trigrun_embed::{Durability, Frozen, Options, Programs, Scratch, Services, Shutdown};
use trigrun_testkit::process::binary;

use crate::{clock_file::ClockFile, proxy::Proxy};

const DATABASE: &str = "postgres";
const NAMESPACE: &str = "chaos";

/// Prepares the servers for faults that need it from the start.
#[derive(Clone, Copy, Default)]
pub struct ServerFaults {
    /// Postgres's wall clock can be set; see [`ClockFile`].
    pub postgres_clock: bool,
    /// Limits the size of Postgres's disk.
    pub disk_mb: Option<u32>,
}

pub struct Servers {
    services: Services,
    pub redis: Proxy,
    pub postgres_clock: Option<ClockFile>,
    disk: Option<Disk>,
    was_frozen: Cell<bool>,
    // Last: the directory of the others.
    scratch: Scratch,
}

impl Servers {
    /// Both with production durability: what Postgres has committed survives a kill.
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
        Ok(Self { services, redis, postgres_clock, disk, was_frozen: Cell::new(false), scratch })
    }

    pub fn postgres_settings(&self) -> PostgresSettings {
        PostgresSettings {
            url: SecretString::from(self.postgres_url()),
            ca_file: PathBuf::new(),
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

    /// For the processes: through the proxy.
    pub fn redis_settings(&self) -> RedisSettings {
        RedisSettings {
            url: SecretString::from(self.redis.url()),
            ca_file: PathBuf::new(),
            namespace: NAMESPACE.into(),
            timeout_ms: 1000,
        }
    }

    /// Bypasses the proxy.
    pub fn direct_redis_settings(&self) -> RedisSettings {
        RedisSettings { url: SecretString::from(self.services.redis_url()), ..self.redis_settings() }
    }

    /// Applies the migrations of these binaries, or of those built with this program.
    pub async fn migrate(&self, binaries: Option<&Path>) -> anyhow::Result<()> {
        let program = binaries.map_or_else(|| binary("api"), |dir| dir.join("trigrun-api"));
        let mut command = tokio::process::Command::new(program);
        let migrate = command.arg("migrate").env("TRIGRUN__POSTGRES__URL", self.postgres_url()).output();
        let migrate = migrate.await?;
        ensure!(migrate.status.success(), "{}", String::from_utf8_lossy(&migrate.stderr));
        Ok(())
    }

    pub async fn sql(&self) -> anyhow::Result<Client> {
        connect(&self.postgres_url()).await
    }

    /// A connection to Redis that bypasses the proxy.
    pub async fn redis(&self) -> anyhow::Result<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.services.redis_url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    /// Redis loses its data and is down for this long.
    pub async fn lose_redis(&mut self, downtime: Duration) -> anyhow::Result<()> {
        let mut connection = self.redis().await?;
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await?;
        self.services.stop_redis().await;
        tokio::time::sleep(downtime).await;
        self.services.start_redis().await.context("Redis does not restart")
    }

    /// Stops Postgres as `pg_ctl stop -m immediate` does, and starts it again.
    pub async fn crash_postgres(&mut self, downtime: Duration) -> anyhow::Result<()> {
        self.services.stop_postgres(Shutdown::Immediate).await;
        tokio::time::sleep(downtime).await;
        self.services.start_postgres().await.context("Postgres does not restart")
    }

    /// Starts Postgres if it has exited.
    pub async fn start_postgres(&mut self) -> anyhow::Result<()> {
        self.services.start_postgres().await.context("Postgres does not restart")
    }

    /// Stops every process of Postgres with SIGSTOP until the result is dropped. Its sockets stay open.
    pub fn freeze_postgres(&self) -> Frozen {
        self.was_frozen.set(true);
        self.services.freeze_postgres()
    }

    pub async fn freeze_postgres_for(&self, time: Duration) {
        let _frozen = self.freeze_postgres();
        tokio::time::sleep(time).await;
    }

    /// Whether Postgres was ever frozen.
    pub fn was_frozen(&self) -> bool {
        self.was_frozen.get()
    }

    /// Fills the disk for this long.
    pub async fn fill_disk(&mut self, time: Duration) -> anyhow::Result<()> {
        let disk = self.disk.as_ref().context("the disk of this scenario has no limit")?;
        let filler = disk.path.join("filler");
        // It fails once the disk is full, as intended.
        let _full = Command::new("dd")
            .args(["if=/dev/zero", "bs=64k", "status=none"])
            .arg(format!("of={}", filler.display()))
            .output()?;
        tokio::time::sleep(time).await;
        fs::remove_file(&filler)?;
        Ok(())
    }

    /// How many lines of Postgres's log contain this text.
    pub fn count_in_postgres_log(&self, text: &str) -> anyhow::Result<usize> {
        let log = fs::read(self.services.postgres().log())?;
        Ok(String::from_utf8_lossy(&log).lines().filter(|line| line.contains(text)).count())
    }

    pub async fn stop(self) {
        let Self { services, redis, disk, scratch, .. } = self;
        services.stop().await;
        drop((redis, disk, scratch));
    }
}

pub async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tasks::spawn("chaos connection", connection);
    Ok(client)
}

/// A file system in memory of limited size.
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
            "mounting a file system is not permitted: {}",
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
