//! Rows by the million: written without indexes, which are made afterwards, and with as little log as can be.

use anyhow::{Context, ensure};
use nix::sys::statvfs::statvfs;
use tokio_postgres::Client;

/// While millions of rows are written, the log is kept this short: it takes room that the rows need.
const SHORT_LOG: &str = "1GB";
/// What is left free for everybody else.
const SPARE: u64 = 1 << 30;

/// An error when the disk has no room for so many rows.
pub fn room_for(rows: i64, bytes_each: u64) -> anyhow::Result<()> {
    let disk = statvfs(".").context("the disk does not say how full it is")?;
    let free = disk.blocks_available() * disk.fragment_size();
    let wanted = u64::try_from(rows)? * bytes_each + SPARE;
    let mib = |bytes: u64| bytes >> 20;
    ensure!(free > wanted, "{rows} rows need {} MiB, and {} are free", mib(wanted), mib(free));
    Ok(())
}

/// Makes this connection one for writing rows as they are: no triggers, no foreign keys, no waiting for the disk.
pub async fn prepare(sql: &Client) -> anyhow::Result<()> {
    let settings =
        "set session_replication_role = replica; set synchronous_commit = off; set work_mem = '256MB';
                    set maintenance_work_mem = '512MB'";
    Ok(sql.batch_execute(settings).await?)
}

/// From here on the indexes of these tables are not kept.
pub async fn without_indexes(sql: &Client, tables: &[&str]) -> anyhow::Result<()> {
    let unready = "update pg_index set indisready = false, indisvalid = false
                   where indrelid in (select table_name::regclass from unnest($1::text[]) table_name)";
    sql.execute(unready, &[&tables]).await?;
    Ok(())
}

/// Makes the indexes, and vacuums and analyzes as autovacuum would have in time.
pub async fn with_indexes(sql: &Client, tables: &[&str]) -> anyhow::Result<()> {
    for table in tables {
        sql.batch_execute(&format!("reindex table {table}")).await?;
        sql.batch_execute(&format!("vacuum (freeze, analyze) {table}")).await?;
    }
    Ok(())
}

/// Keeps the log short; says how long it was allowed to be, for [`long_log`].
pub async fn short_log(sql: &Client) -> anyhow::Result<String> {
    let before = sql.query_one("select current_setting('max_wal_size')", &[]).await?.get(0);
    set_log(sql, SHORT_LOG).await?;
    Ok(before)
}

/// As long as before, and nothing in it that is still to be written.
pub async fn long_log(sql: &Client, length: &str) -> anyhow::Result<()> {
    sql.batch_execute("checkpoint").await?;
    set_log(sql, length).await
}

async fn set_log(sql: &Client, length: &str) -> anyhow::Result<()> {
    sql.batch_execute(&format!("alter system set max_wal_size = '{length}'")).await?;
    Ok(sql.batch_execute("select pg_reload_conf()").await?)
}
