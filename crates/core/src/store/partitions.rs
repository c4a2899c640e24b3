//! Partitions: one per day of executions and attempts, created ahead and dropped whole.

use chrono::{DateTime, Days, NaiveDate, Utc};
use diesel::{prelude::*, result::Error as Diesel, sql_query, sql_types::Text};
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{Conn, StoreError, error::is_lock_timeout};
use crate::domain::id::ExecutionId;

/// The partitioned tables and their key: the execution's id in both.
const TABLES: [(&str, &str); 2] = [("executions", "id"), ("earlier_attempts", "execution_id")];
/// 60 % of each page of executions stays free: a lease rewrites the row in its page.
const EXECUTIONS_STORAGE: &str = "with (fillfactor = 40)";

/// A week without a scheduler loses nothing.
const DAYS_AHEAD: u64 = 7;

/// While a session waits for the lock of a whole table, all readers and leases that come after it wait too. It limits how long they can
/// be delayed by one long reader. The next pass tries again.
const SET_LOCK_TIMEOUT: &str = "set local lock_timeout = '50ms'";

/// Creates the missing partitions of today and the following week; returns how many. A day ahead whose lock is not available is left to
/// the next pass.
pub async fn make_ahead(conn: &mut Conn, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let mut created = 0;
    for offset in 0..=DAYS_AHEAD {
        let Some(day) = now.date_naive().checked_add_days(Days::new(offset)) else { break };
        for (table, key) in TABLES {
            if !exists(conn, &name(table, day)).await? {
                created += usize::from(create(conn, table, key, day, offset == 0).await?);
            }
        }
    }
    Ok(created)
}

/// Drops the partitions of days before `oldest`; returns their names. A partition whose lock is not available is left to the next pass.
pub async fn drop_behind(conn: &mut Conn, oldest: NaiveDate) -> Result<Vec<String>, StoreError> {
    let mut dropped = Vec::new();
    for (table, _) in TABLES {
        for partition in partitions(conn, table).await? {
            if day_of(&partition, table).is_some_and(|day| day < oldest)
                && drop_partition(conn, &partition).await?
            {
                dropped.push(partition);
            }
        }
    }
    Ok(dropped)
}

async fn drop_partition(conn: &mut Conn, partition: &str) -> Result<bool, StoreError> {
    let dropped = conn.transaction(async |conn: &mut Conn| -> Result<_, Diesel> {
        sql_query(SET_LOCK_TIMEOUT).execute(conn).await?;
        sql_query(format!("drop table {partition}")).execute(conn).await?;
        Ok(())
    });
    unless_locked(dropped.await, partition)
}

/// `false` if the lock was not available in time.
fn unless_locked(result: Result<(), Diesel>, partition: &str) -> Result<bool, StoreError> {
    match result {
        Err(error) if is_lock_timeout(&error) => {
            tracing::info!(partition, "the table is in use: left to the next pass");
            Ok(false)
        }
        result => Ok(result.map(|()| true)?),
    }
}

/// Since when executions are kept: the start of the first day with a partition.
pub async fn oldest(conn: &mut Conn) -> Result<Option<DateTime<Utc>>, StoreError> {
    let oldest = days(conn).await?.min();
    Ok(oldest.map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc()))
}

/// The last day with a partition.
pub async fn newest(conn: &mut Conn) -> Result<Option<NaiveDate>, StoreError> {
    Ok(days(conn).await?.max())
}

async fn days(conn: &mut Conn) -> Result<impl Iterator<Item = NaiveDate> + use<>, StoreError> {
    let partitions = partitions(conn, "executions").await?;
    Ok(partitions.into_iter().filter_map(|partition| day_of(&partition, "executions")))
}

/// The day of a partition; `None` for the default partition.
fn day_of(partition: &str, table: &str) -> Option<NaiveDate> {
    let day = partition.strip_prefix(table)?.strip_prefix('_')?;
    NaiveDate::parse_from_str(day, "%Y%m%d").ok()
}

fn name(table: &str, day: NaiveDate) -> String {
    format!("{table}_{}", day.format("%Y%m%d"))
}

/// Created separately and then attached, because attaching does not block sessions that use the other partitions. Rows of that day
/// that were written before its partition existed are moved out of the default partition, which is locked and nearly empty.
///
/// Today's partition is missing only after a week without a scheduler. Rows for it may be on their way to the default partition, so all
/// writers wait for it, and it waits for them. The days ahead can be left to the next pass.
async fn create(
    conn: &mut Conn,
    table: &str,
    key: &str,
    day: NaiveDate,
    is_today: bool,
) -> Result<bool, StoreError> {
    let (from, to) =
        (bound(day), day.checked_add_days(Days::new(1)).map(bound).unwrap_or_else(uuid::Uuid::max));
    let partition = name(table, day);
    let created = conn
        .transaction(async |conn: &mut Conn| -> Result<_, Diesel> {
            if is_today {
                sql_query(format!("lock table {table} in share row exclusive mode")).execute(conn).await?;
            } else {
                sql_query(SET_LOCK_TIMEOUT).execute(conn).await?;
            }
            let storage = if table == "executions" { EXECUTIONS_STORAGE } else { "" };
            for statement in [
                format!("create table {partition} (like {table} including defaults including constraints) {storage}"),
                format!("lock table {table}_default in access exclusive mode"),
                format!(
                    "with early as (delete from {table}_default where {key} >= '{from}' and {key} < '{to}' returning *)
                     insert into {partition} select * from early"
                ),
                format!("alter table {table} attach partition {partition} for values from ('{from}') to ('{to}')"),
            ] {
                sql_query(statement).execute(conn).await?;
            }
            Ok(())
        })
        .await;
    match created {
        // Another scheduler created it at the same moment.
        Err(_) if exists(conn, &partition).await? => Ok(true),
        created if is_today => Ok(created.map(|()| true)?),
        created => unless_locked(created, &partition),
    }
}

fn bound(day: NaiveDate) -> uuid::Uuid {
    ExecutionId::lower_bound(day.and_time(chrono::NaiveTime::MIN).and_utc())
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

async fn exists(conn: &mut Conn, table: &str) -> Result<bool, StoreError> {
    let found: Vec<Name> =
        sql_query("select relname::text as name from pg_class where oid = to_regclass($1)")
            .bind::<Text, _>(table)
            .load(conn)
            .await?;
    Ok(!found.is_empty())
}

async fn partitions(conn: &mut Conn, table: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Name> = sql_query(
        "select c.relname::text as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = to_regclass($1) order by 1",
    )
    .bind::<Text, _>(table)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}
