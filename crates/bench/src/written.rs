//! What Postgres writes during a measurement: its log, commits, and the rows and indexes of executions.

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::executions;

/// Per run. The log and the commits include everything that the server and the database did in that time: autovacuum, polling, and full
/// images of pages after the checkpoint that precedes a measurement.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Written {
    pub wal_bytes: f64,
    pub commits: f64,
    pub heap_bytes: f64,
    pub index_bytes: f64,
}

/// The counters of the server and of one database.
pub struct Counters {
    wal_bytes: i64,
    commits: i64,
    size: executions::Size,
}

impl Counters {
    pub async fn read(sql: &Client) -> anyhow::Result<Self> {
        let wal = sql.query_one("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint", &[]).await?;
        let mut counters = Self { wal_bytes: wal.get(0), commits: 0, size: executions::size(sql).await? };
        counters.read_commits(sql).await?;
        Ok(counters)
    }

    /// Sessions report their commits within a second while they work, and when they end.
    pub async fn read_commits(&mut self, sql: &Client) -> anyhow::Result<()> {
        let commits = "select xact_commit from pg_stat_database where datname = current_database()";
        self.commits = sql.query_one(commits, &[]).await?.get(0);
        Ok(())
    }

    /// What was written between `before` and this reading.
    pub fn since(&self, before: &Self, runs: usize) -> Written {
        let per_run = |now: i64, before: i64| (now - before) as f64 / runs.max(1) as f64;
        Written {
            wal_bytes: per_run(self.wal_bytes, before.wal_bytes),
            commits: per_run(self.commits, before.commits),
            heap_bytes: per_run(self.size.heap, before.size.heap),
            index_bytes: per_run(self.size.indexes, before.size.indexes),
        }
    }
}
