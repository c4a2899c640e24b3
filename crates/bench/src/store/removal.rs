//! The removal of days: partitions are dropped while a client reads, with and without a long transaction on the tables.

use chrono::{NaiveDate, TimeDelta};
use hyper::Method;
use serde::Serialize;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use trigrun_core::store::{migrate, partitions};
use trigrun_testkit::client::Request;

use crate::{bench::Bench, executions, scenarios::Api, servers::Servers};

const LIST: &str = "/v1/executions?";
const BASELINE_TIME: Duration = Duration::from_secs(2);
/// The length of a transaction that reads both tables, as a backup does.
const BACKUP_TIME: Duration = Duration::from_secs(4);

#[derive(Serialize)]
pub struct Removal {
    pub name: &'static str,
    pub executions: i64,
    pub seconds: f64,
    /// The slowest page before and during the removal.
    pub worst_before_ms: f64,
    pub worst_ms: f64,
    /// Responses other than a page during the removal.
    pub failed: usize,
}

/// The pages that a client read.
struct Pages {
    worst_ms: f64,
    failed: usize,
}

/// Removes a day, then a day during a backup, then all that are left.
pub async fn measure(
    bench: &Bench,
    database: &str,
    api: &Api,
    today: NaiveDate,
) -> anyhow::Result<Vec<Removal>> {
    let plans = [("a day", 6, false), ("a day, during a backup", 5, true), ("all other days", 0, false)];
    let mut removals = Vec::new();
    for (name, days_kept, backup) in plans {
        let oldest = today - TimeDelta::days(days_kept);
        let removal = remove(&bench.servers, database, api, name, oldest, backup).await?;
        bench.progress.say(&format!(
            "{name}: {} executions dropped in {:.3} s, slowest page {:.1} ms (before: {:.1}), {} failed",
            removal.executions, removal.seconds, removal.worst_ms, removal.worst_before_ms, removal.failed
        ));
        removals.push(removal);
    }
    Ok(removals)
}

async fn remove(
    servers: &Servers,
    database: &str,
    api: &Api,
    name: &'static str,
    oldest: NaiveDate,
    backup: bool,
) -> anyhow::Result<Removal> {
    let before = count(servers, database).await?;
    let ended = AtomicBool::new(false);
    let worst_before_ms = tokio::join!(read(api, &ended), after(BASELINE_TIME, &ended)).0?.worst_ms;
    ended.store(false, Ordering::Relaxed);
    let drops = async {
        let reader = if backup { Some(open_transaction(servers, database).await?) } else { None };
        let dropped = dropped(servers, database, oldest);
        let ends = async {
            if let Some(reader) = reader {
                tokio::time::sleep(BACKUP_TIME).await;
                reader.batch_execute("commit").await?;
            }
            anyhow::Ok(())
        };
        let (seconds, ends) = tokio::join!(dropped, ends);
        ended.store(true, Ordering::Relaxed);
        ends.and(seconds)
    };
    let (pages, seconds) = tokio::join!(read(api, &ended), drops);
    let Pages { worst_ms, failed } = pages?;
    let executions = before - count(servers, database).await?;
    Ok(Removal { name, executions, seconds: seconds?, worst_before_ms, worst_ms, failed })
}

/// Reads one page after the other until the end.
async fn read(api: &Api, ended: &AtomicBool) -> anyhow::Result<Pages> {
    let (mut connection, mut worst, mut failed) = (api.connect().await?, Duration::ZERO, 0);
    while !ended.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let response = connection.send(Request::new(Method::GET, LIST)).await?;
        worst = worst.max(sent.elapsed());
        failed += usize::from(!response.status.is_success());
    }
    Ok(Pages { worst_ms: worst.as_secs_f64() * 1e3, failed })
}

async fn after(wait: Duration, ended: &AtomicBool) {
    tokio::time::sleep(wait).await;
    ended.store(true, Ordering::Relaxed);
}

async fn dropped(servers: &Servers, database: &str, oldest: NaiveDate) -> anyhow::Result<f64> {
    let mut conn = migrate::connect(&servers.postgres_settings(database)).await?;
    let began = Instant::now();
    partitions::drop_behind(&mut conn, oldest).await?;
    Ok(began.elapsed().as_secs_f64())
}

/// A transaction that has read both tables and is still open.
async fn open_transaction(servers: &Servers, database: &str) -> anyhow::Result<tokio_postgres::Client> {
    let sql = servers.sql(database).await?;
    executions::begin_backup(&sql).await?;
    Ok(sql)
}

async fn count(servers: &Servers, database: &str) -> anyhow::Result<i64> {
    executions::count(&servers.sql(database).await?).await
}
