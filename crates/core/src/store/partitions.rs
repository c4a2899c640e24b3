//! Days of history: partitions made ahead, and dropped whole behind.

use chrono::{DateTime, Days, NaiveDate, Utc};
use diesel::{prelude::*, sql_query, sql_types::Text};
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{Conn, StoreError};
use crate::domain::id::ExecutionId;

/// The partitioned tables and their key: the execution's id in both.
const TABLES: [(&str, &str); 2] = [("executions", "id"), ("earlier_attempts", "execution_id")];
/// Of each page of executions, six tenths are left: a lease rewrites the row in its place.
const ROOM: &str = "with (fillfactor = 40)";

/// Partitions are made this many days ahead, so that a week without a scheduler loses nothing.
const DAYS_AHEAD: u64 = 7;

/// Whoever waits for the lock of a whole table makes all wait that come after: readers and leases. So this is as long as they may
/// stand behind one long reader; what could not be done by then has time until the next pass.
const NO_LONGER: &str = "set local lock_timeout = '50ms'";

/// Makes the partitions of today and the week after it, where they are missing; returns how many were made. A day ahead that somebody
/// is in the way of is left to the next pass.
pub async fn make_ahead(conn: &mut Conn, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let mut made = 0;
    for offset in 0..=DAYS_AHEAD {
        let Some(day) = now.date_naive().checked_add_days(Days::new(offset)) else { break };
        for (table, key) in TABLES {
            if !exists(conn, &name(table, day)).await? {
                made += usize::from(make(conn, table, key, day, offset == 0).await?);
            }
        }
    }
    Ok(made)
}

/// Drops the partitions of days that ended before `oldest`; returns their names. One that somebody is in the way of is left to the next
/// pass.
pub async fn drop_behind(conn: &mut Conn, oldest: NaiveDate) -> Result<Vec<String>, StoreError> {
    let mut dropped = Vec::new();
    for (table, _) in TABLES {
        for partition in partitions(conn, table).await? {
            if day_of(&partition, table).is_some_and(|day| day < oldest) && drop_one(conn, &partition).await?
            {
                dropped.push(partition);
            }
        }
    }
    Ok(dropped)
}

async fn drop_one(conn: &mut Conn, partition: &str) -> Result<bool, StoreError> {
    let dropped = conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        sql_query(NO_LONGER).execute(conn).await?;
        sql_query(format!("drop table {partition}")).execute(conn).await?;
        Ok(())
    });
    unless_locked(dropped.await, partition)
}

/// Was it done? Not when somebody was in the way.
fn unless_locked(done: Result<(), StoreError>, partition: &str) -> Result<bool, StoreError> {
    match done {
        Err(error) if error.is_lock_timeout() => {
            tracing::info!(partition, "the table is in use: left to the next pass");
            Ok(false)
        }
        done => done.map(|()| true),
    }
}

/// Since when executions are kept: the first day that has its partition.
pub async fn oldest(conn: &mut Conn) -> Result<Option<DateTime<Utc>>, StoreError> {
    let oldest = days(conn).await?.min();
    Ok(oldest.map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc()))
}

/// The last day that has its partition.
pub async fn newest(conn: &mut Conn) -> Result<Option<NaiveDate>, StoreError> {
    Ok(days(conn).await?.max())
}

async fn days(conn: &mut Conn) -> Result<impl Iterator<Item = NaiveDate> + use<>, StoreError> {
    let partitions = partitions(conn, "executions").await?;
    Ok(partitions.into_iter().filter_map(|partition| day_of(&partition, "executions")))
}

/// The day that a partition is for; `None` of the default one.
fn day_of(partition: &str, table: &str) -> Option<NaiveDate> {
    let day = partition.strip_prefix(table)?.strip_prefix('_')?;
    NaiveDate::parse_from_str(day, "%Y%m%d").ok()
}

fn name(table: &str, day: NaiveDate) -> String {
    format!("{table}_{}", day.format("%Y%m%d"))
}

/// Made on its own and attached then: attaching blocks nobody who reads or writes the other partitions. Rows of that day that
/// came before their partition move over from the default one, which is locked meanwhile; it is all but empty. Today's is missing only after
/// a week without a scheduler; rows for it may be on their way to the default one right now, so all writers wait for it, and it for
/// whoever is in the way. The days ahead can wait.
async fn make(
    conn: &mut Conn,
    table: &str,
    key: &str,
    day: NaiveDate,
    is_today: bool,
) -> Result<bool, StoreError> {
    let (from, to) =
        (bound(day), day.checked_add_days(Days::new(1)).map(bound).unwrap_or_else(uuid::Uuid::max));
    let partition = name(table, day);
    let made = conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        if is_today {
            sql_query(format!("lock table {table} in share row exclusive mode")).execute(conn).await?;
        } else {
            sql_query(NO_LONGER).execute(conn).await?;
        }
        let storage = if table == "executions" { ROOM } else { "" };
        sql_query(format!("create table {partition} (like {table} including defaults including constraints) {storage}"))
            .execute(conn)
            .await?;
        sql_query(format!("lock table {table}_default in access exclusive mode")).execute(conn).await?;
        let move_over = format!(
            "with early as (delete from {table}_default where {key} >= '{from}' and {key} < '{to}' returning *)
             insert into {partition} select * from early"
        );
        sql_query(move_over).execute(conn).await?;
        let attach = format!("alter table {table} attach partition {partition} for values from ('{from}') to ('{to}')");
        sql_query(attach).execute(conn).await?;
        Ok(())
    })
    .await;
    match made {
        // Another scheduler made it at the same moment.
        Err(_) if exists(conn, &partition).await? => Ok(true),
        made if is_today => made.map(|()| true),
        made => unless_locked(made, &partition),
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
