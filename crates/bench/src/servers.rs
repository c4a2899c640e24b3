//! A Postgres and a Redis with production durability, on disk, and a database for each measurement.

use anyhow::Context;
use secrecy::SecretString;
use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fs,
    path::PathBuf,
};
use tokio_postgres::{Client, NoTls};
use trigrun_core::{runtime::tasks, store::PostgresSettings, stream::RedisSettings};
use trigrun_embed::{Durability, Options, Programs, Services};

use crate::{builds::Build, executions};

/// As on a dedicated server of this size: no checkpoint is forced during a measurement because the log is full.
const SETTINGS: [(&str, &str); 4] = [
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "30min"),
    ("autovacuum_naptime", "10s"),
    ("track_io_timing", "on"),
];
const SHARED_BUFFERS_MB: u32 = 2048;

pub struct Servers {
    pub services: Services,
    created: Cell<u32>,
    /// The databases that are copied for a measurement.
    templates: RefCell<HashSet<String>>,
    dir: PathBuf,
}

impl Servers {
    /// Uses `target/bench/data`, which is emptied before and removed afterwards.
    pub async fn start() -> anyhow::Result<Self> {
        let dir = PathBuf::from("target/bench/data");
        // It may not exist.
        let _absent = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let mut options = Options::new(&dir, Durability::Production);
        options.shared_buffers_mb = SHARED_BUFFERS_MB;
        let services = Services::start(&Programs::find()?, &options).await?;
        let servers = Self { services, created: Cell::new(0), templates: RefCell::default(), dir };
        let sql = servers.sql("postgres").await?;
        for (name, value) in SETTINGS {
            sql.batch_execute(&format!("alter system set {name} = '{value}'")).await?;
        }
        sql.batch_execute("select pg_reload_conf()").await?;
        Ok(servers)
    }

    /// A new database, migrated by this build, with partitions for this many past days; Redis is emptied.
    pub async fn database(&self, build: &Build, days: u64) -> anyhow::Result<String> {
        self.copy_of(&self.template(build, days).await?).await
    }

    /// Made when it is first needed.
    async fn template(&self, build: &Build, days: u64) -> anyhow::Result<String> {
        let name = format!("bench_{}_{days}_days", build.name);
        if self.templates.borrow().contains(&name) {
            return Ok(name);
        }
        self.sql("postgres").await?.batch_execute(&format!("create database {name}")).await?;
        build.operate(&self.postgres_settings(&name), &self.redis_settings(), &["migrate"]).await?;
        executions::create_past_partitions(&self.sql(&name).await?, days).await?;
        self.templates.borrow_mut().insert(name.clone());
        Ok(name)
    }

    /// A new, empty database; Redis is emptied.
    pub async fn empty_database(&self) -> anyhow::Result<String> {
        self.copy_of("template1").await
    }

    async fn copy_of(&self, template: &str) -> anyhow::Result<String> {
        let name = format!("bench_{}", self.created.replace(self.created.get() + 1));
        let sql = self.sql("postgres").await?;
        sql.batch_execute(&format!("create database {name} template {template}")).await?;
        self.flush_redis().await?;
        Ok(name)
    }

    pub async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        let sql = self.sql("postgres").await?;
        sql.batch_execute(&format!("drop database {name} with (force)")).await?;
        Ok(sql.batch_execute("checkpoint").await?)
    }

    pub async fn flush_redis(&self) -> anyhow::Result<()> {
        let client = redis::Client::open(self.services.redis_url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await?;
        Ok(())
    }

    pub async fn redis_version(&self) -> anyhow::Result<String> {
        let client = redis::Client::open(self.services.redis_url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.context("Redis does not report its version")?.to_owned())
    }

    pub fn postgres_settings(&self, database: &str) -> PostgresSettings {
        PostgresSettings {
            url: SecretString::from(self.services.postgres_url(database)),
            ca_file: PathBuf::new(),
            max_connections: 4,
            acquire_timeout_ms: 10_000,
            statement_timeout_ms: 3_600_000,
            lock_timeout_ms: 30_000,
            idle_in_transaction_timeout_ms: 3_600_000,
        }
    }

    pub fn redis_settings(&self) -> RedisSettings {
        RedisSettings {
            url: SecretString::from(self.services.redis_url()),
            ca_file: PathBuf::new(),
            namespace: "bench".into(),
            timeout_ms: 1000,
        }
    }

    pub async fn sql(&self, database: &str) -> anyhow::Result<Client> {
        let url = self.services.postgres_url(database);
        let (client, connection) =
            tokio_postgres::connect(&url, NoTls).await.context("Postgres does not respond")?;
        tasks::spawn("bench connection", connection);
        Ok(client)
    }

    pub fn pids(&self) -> anyhow::Result<(u32, u32)> {
        let postgres = self.services.postgres().pid().context("Postgres has ended")?;
        Ok((postgres, self.services.redis().pid().context("Redis has ended")?))
    }

    pub async fn stop(self) {
        let Self { services, dir, .. } = self;
        services.stop().await;
        // The next run removes what is left.
        let _left = fs::remove_dir_all(dir);
    }
}
