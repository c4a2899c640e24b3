//! Bulk writes of millions of rows: indexes are built afterwards, and the log is kept short.

use anyhow::{Context, ensure};
use nix::sys::statvfs::statvfs;
use tokio_postgres::Client;

use crate::jobs::Batch;

/// The tables of [`write_jobs`].
pub const JOB_TABLES: [&str; 3] = ["jobs", "job_versions", "job_timers"];

/// During bulk writes; the rows need the disk space.
const SHORT_WAL: &str = "1GB";
/// Disk space left for other programs.
const SPARE_BYTES: u64 = 1 << 30;

/// Fails if the disk has no space for this many rows.
pub fn check_disk_space(rows: i64, bytes_each: u64) -> anyhow::Result<()> {
    let disk = statvfs(".").context("cannot read the free disk space")?;
    let free = disk.blocks_available() * disk.fragment_size();
    let wanted = u64::try_from(rows)? * bytes_each + SPARE_BYTES;
    let mib = |bytes: u64| bytes >> 20;
    ensure!(free > wanted, "{rows} rows need {} MiB, and {} are free", mib(wanted), mib(free));
    Ok(())
}

/// Writes jobs by the million.
pub async fn write_jobs(sql: &Client, batch: &Batch) -> anyhow::Result<()> {
    let wal_size = shorten_wal(sql).await?;
    prepare(sql).await?;
    disable_indexes(sql, &JOB_TABLES).await?;
    batch.write(sql).await?;
    rebuild_indexes(sql, &JOB_TABLES).await?;
    restore_wal(sql, &wal_size).await
}

/// Prepares this connection for bulk writes: no triggers, no foreign keys, no synchronous commits.
pub async fn prepare(sql: &Client) -> anyhow::Result<()> {
    let settings =
        "set session_replication_role = replica; set synchronous_commit = off; set work_mem = '256MB';
                    set maintenance_work_mem = '512MB'";
    Ok(sql.batch_execute(settings).await?)
}

/// Stops the maintenance of the indexes of these tables.
pub async fn disable_indexes(sql: &Client, tables: &[&str]) -> anyhow::Result<()> {
    let unready = "update pg_index set indisready = false, indisvalid = false
                   where indrelid in (select table_name::regclass from unnest($1::text[]) table_name)";
    sql.execute(unready, &[&tables]).await?;
    Ok(())
}

/// Builds the indexes, and vacuums and analyzes as autovacuum would.
pub async fn rebuild_indexes(sql: &Client, tables: &[&str]) -> anyhow::Result<()> {
    for table in tables {
        sql.batch_execute(&format!("reindex table {table}")).await?;
        sql.batch_execute(&format!("vacuum (freeze, analyze) {table}")).await?;
    }
    Ok(())
}

/// Keeps the WAL short; returns the setting before, for [`restore_wal`].
pub async fn shorten_wal(sql: &Client) -> anyhow::Result<String> {
    let before = sql.query_one("select current_setting('max_wal_size')", &[]).await?.get(0);
    set_wal_size(sql, SHORT_WAL).await?;
    Ok(before)
}

/// Restores the setting, after a checkpoint.
pub async fn restore_wal(sql: &Client, max_size: &str) -> anyhow::Result<()> {
    sql.batch_execute("checkpoint").await?;
    set_wal_size(sql, max_size).await
}

async fn set_wal_size(sql: &Client, max_size: &str) -> anyhow::Result<()> {
    sql.batch_execute(&format!("alter system set max_wal_size = '{max_size}'")).await?;
    Ok(sql.batch_execute("select pg_reload_conf()").await?)
}
