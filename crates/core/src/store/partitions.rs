//! Partitions: of a day of executions and attempts each, or of several if executions are kept for long; created ahead and dropped whole.
//!
//! A statement that does not say when its executions were due locks every partition and every index of it while Postgres plans it, and all
//! sessions together have one table of locks, of a fixed size. So there are never more than a few dozen partitions.

use chrono::{DateTime, Days, NaiveDate, Utc};
use diesel::{
    prelude::*,
    result::Error as Diesel,
    sql_query,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Conn, StoreError, error::is_lock_timeout};
use crate::domain::id::ExecutionId;

/// The partitioned tables and their key: the execution's id in both.
const TABLES: [(&str, &str); 2] = [("executions", "id"), ("earlier_attempts", "execution_id")];

/// A week without a scheduler loses nothing.
const DAYS_AHEAD: u64 = 7;
/// How many partitions hold what is kept.
const MAX_KEPT: u16 = 45;
/// How many days a partition may have: a day, a week, four weeks, a year, ten years.
const WIDTHS: [u16; 5] = [1, 7, 28, 364, 3640];

/// While a session waits for the lock of a whole table, all readers and leases that come after it wait too. It limits how long they can
/// be delayed by one long reader. The next pass tries again.
const SET_LOCK_TIMEOUT: &str = "set local lock_timeout = '50ms'";

/// How many days a new partition has, if executions are kept for so many days: the fewest with which there are at most `MAX_KEPT` partitions
/// of past days.
pub fn width(retention_days: u16) -> u16 {
    let wide_enough = |width: &&u16| retention_days.div_ceil(**width) <= MAX_KEPT;
    *WIDTHS.iter().find(wide_enough).unwrap_or(&WIDTHS[WIDTHS.len() - 1])
}

/// A partition with its days, `from` (inclusive) and `to` (exclusive).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Partition {
    name: String,
    from: NaiveDate,
    to: NaiveDate,
}

/// Creates partitions of `width` days, so that today and the following week have one; returns how many. A day ahead whose lock is not
/// available is left to the next pass.
pub async fn make_ahead(conn: &mut Conn, now: DateTime<Utc>, width: u16) -> Result<usize, StoreError> {
    let (today, mut created) = (now.date_naive(), 0);
    for (table, key) in TABLES {
        let mut known = partitions(conn, table).await?;
        for offset in 0..=DAYS_AHEAD {
            let Some(day) = today.checked_add_days(Days::new(offset)) else { break };
            if let Some((from, to)) = missing(&known, day, width) {
                let partition = Partition { name: name(table, from), from, to };
                created += usize::from(create(conn, table, key, &partition, day == today).await?);
                known.push(partition);
            }
        }
    }
    Ok(created)
}

/// The days of the partition that `day` lacks: as wide as `width` says, but without the days that have one.
fn missing(known: &[Partition], day: NaiveDate, width: u16) -> Option<(NaiveDate, NaiveDate)> {
    if known.iter().any(|partition| partition.from <= day && day < partition.to) {
        return None;
    }
    // Counted from 1970, so that all processes agree.
    let since = (day - NaiveDate::default()).num_days().unsigned_abs() % u64::from(width.max(1));
    let from = day.checked_sub_days(Days::new(since))?;
    let to = from.checked_add_days(Days::new(width.max(1).into()))?;
    let before = known.iter().map(|partition| partition.to).filter(|to| *to <= day).max();
    let after = known.iter().map(|partition| partition.from).filter(|from| *from > day).min();
    Some((before.map_or(from, |before| from.max(before)), after.map_or(to, |after| to.min(after))))
}

/// Drops the partitions all of whose days are before `oldest`; returns their names. A partition whose lock is not available is left to
/// the next pass.
pub async fn drop_behind(conn: &mut Conn, oldest: NaiveDate) -> Result<Vec<String>, StoreError> {
    let mut dropped = Vec::new();
    for (table, _) in TABLES {
        for partition in partitions(conn, table).await? {
            if partition.to <= oldest && drop_partition(conn, &partition.name).await? {
                dropped.push(partition.name);
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
    let oldest = partitions(conn, "executions").await?.into_iter().map(|partition| partition.from).min();
    Ok(oldest.map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc()))
}

/// The last day with a partition.
pub async fn newest(conn: &mut Conn) -> Result<Option<NaiveDate>, StoreError> {
    let end = partitions(conn, "executions").await?.into_iter().map(|partition| partition.to).max();
    Ok(end.and_then(|end| end.pred_opt()))
}

/// The name is that of the first day.
fn name(table: &str, day: NaiveDate) -> String {
    format!("{table}_{}", day.format("%Y%m%d"))
}

/// Created separately and then attached, because attaching does not block sessions that use the other partitions. Rows of its days
/// that were written before its partition existed are moved out of the default partition, which is locked and nearly empty.
///
/// Today's partition is missing only after a week without a scheduler. Rows for it may be on their way to the default partition, so all
/// writers wait for it, and it waits for them. The days ahead can be left to the next pass.
async fn create(
    conn: &mut Conn,
    table: &str,
    key: &str,
    partition: &Partition,
    is_today: bool,
) -> Result<bool, StoreError> {
    let (from, to) = (bound(partition.from), bound(partition.to));
    let partition = &partition.name;
    let created = conn
        .transaction(async |conn: &mut Conn| -> Result<_, Diesel> {
            if is_today {
                sql_query(format!("lock table {table} in share row exclusive mode")).execute(conn).await?;
            } else {
                sql_query(SET_LOCK_TIMEOUT).execute(conn).await?;
            }
            for statement in [
                format!("create table {partition} (like {table} including defaults including constraints)"),
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
        Err(_) if exists(conn, partition).await? => Ok(true),
        created if is_today => Ok(created.map(|()| true)?),
        created => unless_locked(created, partition),
    }
}

fn bound(day: NaiveDate) -> Uuid {
    ExecutionId::lower_bound(day.and_time(chrono::NaiveTime::MIN).and_utc())
}

async fn exists(conn: &mut Conn, table: &str) -> Result<bool, StoreError> {
    let found = sql_query("select from pg_class where oid = to_regclass($1)").bind::<Text, _>(table);
    Ok(found.execute(conn).await? > 0)
}

/// Locks of the server: how many one session needs for the partitions, and how many all sessions together can have.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Locks {
    /// While Postgres plans a statement over all days: one for each partition, and one for each index of it.
    #[diesel(sql_type = BigInt)]
    pub of_session: i64,
    #[diesel(sql_type = BigInt)]
    pub of_server: i64,
}

pub async fn locks(conn: &mut Conn) -> Result<Locks, StoreError> {
    let locks = sql_query(
        "select (select count(distinct i.inhrelid) + count(x.indexrelid)
                 from pg_inherits i left join pg_index x on x.indrelid = i.inhrelid
                 where i.inhparent in ('executions'::regclass, 'earlier_attempts'::regclass)) as of_session,
                current_setting('max_locks_per_transaction')::bigint
                * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) as of_server",
    );
    Ok(locks.get_result(conn).await?)
}

/// Without the default partition.
async fn partitions(conn: &mut Conn, table: &str) -> Result<Vec<Partition>, StoreError> {
    #[derive(QueryableByName)]
    struct Bounds {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = SqlUuid)]
        lower: Uuid,
        #[diesel(sql_type = SqlUuid)]
        upper: Uuid,
    }
    // Bounds read: FOR VALUES FROM ('…') TO ('…').
    let rows: Vec<Bounds> = sql_query(
        "select p.name, p.bounds[1]::uuid as lower, p.bounds[2]::uuid as upper from (
             select c.relname::text as name, regexp_match(pg_get_expr(c.relpartbound, c.oid), '\\(''(.+)''\\).*\\(''(.+)''\\)') as bounds
             from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass($1)) p
         where p.bounds is not null order by 2",
    )
    .bind::<Text, _>(table)
    .load(conn)
    .await?;
    let partition =
        |Bounds { name, lower, upper }| Some(Partition { name, from: day(lower)?, to: day(upper)? });
    Ok(rows.into_iter().filter_map(partition).collect())
}

/// The day of a bound, which is a time in milliseconds and zeros.
fn day(bound: Uuid) -> Option<NaiveDate> {
    let millis = i64::try_from(bound.as_u128() >> 80).ok()?;
    Some(DateTime::from_timestamp_millis(millis)?.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_few_however_long_executions_are_kept() {
        assert_eq!(
            [1, 30, 45, 46, 315, 316, 400, 1260, 1261, u16::MAX].map(width),
            [1, 1, 1, 7, 7, 28, 28, 28, 364, 3640]
        );
        for days in 1..=u16::MAX {
            assert!(days.div_ceil(width(days)) <= MAX_KEPT, "{days}");
        }
    }

    #[test]
    fn a_partition_has_no_day_of_another() {
        let day = |day: u64| NaiveDate::default() + Days::new(day);
        let known = |from, to| Partition { name: String::new(), from: day(from), to: day(to) };
        assert_eq!(missing(&[], day(9), 1), Some((day(9), day(10))));
        assert_eq!(missing(&[], day(9), 7), Some((day(7), day(14))));
        assert_eq!(missing(&[known(0, 9), known(12, 13)], day(9), 7), Some((day(9), day(12))));
        assert_eq!(missing(&[known(7, 14)], day(9), 1), None);
        assert_eq!(missing(&[known(9, 10)], day(8), 7), Some((day(7), day(9))));
    }
}
