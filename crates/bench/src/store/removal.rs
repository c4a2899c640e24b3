//! The end of days: partitions that are dropped while somebody reads, alone and while somebody else looks at the tables for long.

use bytes::Bytes;
use chrono::{NaiveDate, TimeDelta};
use hyper::Method;
use serde::Serialize;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use trigrun_core::store::{migrate, partitions};

use crate::{bench::Bench, scenarios::Api, servers::Servers};

const LIST: &str = "/v1/executions?";
const BEFORE: Duration = Duration::from_secs(2);
/// Somebody who looks at the tables in one transaction, as a backup does, takes so long.
const LOOKS: Duration = Duration::from_secs(4);

#[derive(Serialize)]
pub struct Removal {
    pub name: &'static str,
    pub executions: i64,
    pub seconds: f64,
    /// The worst page in the seconds before, and while it lasted.
    pub worst_before_ms: f64,
    pub worst_ms: f64,
    /// Answers while it lasted that were no page.
    pub refused: usize,
}

/// What a reader has seen.
struct Seen {
    worst_ms: f64,
    refused: usize,
}

/// A day, then a day while a backup is on its way, then all that are left.
pub async fn measure(
    bench: &Bench,
    database: &str,
    api: &Api,
    today: NaiveDate,
) -> anyhow::Result<Vec<Removal>> {
    let plans = [("a day", 6, false), ("a day, during a backup", 5, true), ("all the other days", 0, false)];
    let mut removals = Vec::new();
    for (name, days_kept, backup) in plans {
        let oldest = today - TimeDelta::days(days_kept);
        let removal = remove(&bench.servers, database, api, name, oldest, backup).await?;
        bench.progress.say(&format!(
            "{name}: {} executions dropped in {:.3} s, worst page {:.1} ms (before: {:.1}), {} refused",
            removal.executions, removal.seconds, removal.worst_ms, removal.worst_before_ms, removal.refused
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
    let worst_before_ms = tokio::join!(read(api, &ended), after(BEFORE, &ended)).0?.worst_ms;
    ended.store(false, Ordering::Relaxed);
    let drops = async {
        let looking = if backup { Some(look(servers, database).await?) } else { None };
        let dropped = dropped(servers, database, oldest);
        let ends = async {
            if let Some(looking) = looking {
                tokio::time::sleep(LOOKS).await;
                looking.batch_execute("commit").await?;
            }
            anyhow::Ok(())
        };
        let (seconds, ends) = tokio::join!(dropped, ends);
        ended.store(true, Ordering::Relaxed);
        ends.and(seconds)
    };
    let (seen, seconds) = tokio::join!(read(api, &ended), drops);
    let Seen { worst_ms, refused } = seen?;
    let executions = before - count(servers, database).await?;
    Ok(Removal { name, executions, seconds: seconds?, worst_before_ms, worst_ms, refused })
}

/// Pages, one after the other until it is over.
async fn read(api: &Api, ended: &AtomicBool) -> anyhow::Result<Seen> {
    let (mut connection, mut worst, mut refused) = (api.connect().await?, Duration::ZERO, 0);
    while !ended.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let (status, _) = connection.answer(Method::GET, LIST, Bytes::new()).await?;
        worst = worst.max(asked.elapsed());
        refused += usize::from(!status.is_success());
    }
    Ok(Seen { worst_ms: worst.as_secs_f64() * 1e3, refused })
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

/// A transaction that has looked at both tables, and is still open.
async fn look(servers: &Servers, database: &str) -> anyhow::Result<tokio_postgres::Client> {
    let sql = servers.sql(database).await?;
    sql.batch_execute("begin; select from executions limit 1; select from earlier_attempts limit 1").await?;
    Ok(sql)
}

/// As of the last vacuum: nothing has been written since.
async fn count(servers: &Servers, database: &str) -> anyhow::Result<i64> {
    let count = "select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_inherits join pg_class c on c.oid = inhrelid
                 where inhparent = 'executions'::regclass";
    Ok(servers.sql(database).await?.query_one(count, &[]).await?.get(0))
}
