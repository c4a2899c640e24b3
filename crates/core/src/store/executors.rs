//! Executor sessions. A lease belongs to a live executor and ends with it.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Conn, StoreError, schema::executors, sql::prepared};
use crate::domain::id::ExecutorId;

pub async fn insert(conn: &mut Conn, executor: ExecutorId, name: &str) -> Result<(), StoreError> {
    prepared(sql_query("insert into executors (id, name, started_at, heartbeat_at) values ($1, $2, clock_timestamp(), clock_timestamp())")
        .bind::<SqlUuid, _>(executor.uuid())
        .bind::<Text, _>(name))
        .execute(conn)
        .await?;
    Ok(())
}

/// Records a heartbeat, and returns how many executors are alive. `None`: the session has expired, and its executions belong to other
/// executors now.
pub async fn heartbeat(conn: &mut Conn, executor: ExecutorId) -> Result<Option<usize>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        live: i64,
    }
    let row: Option<Row> = prepared(
        sql_query(
            "update executors set heartbeat_at = clock_timestamp() where id = $1 and ended_at is null
             returning (select count(*) from executors where ended_at is null) as live",
        )
        .bind::<SqlUuid, _>(executor.uuid()),
    )
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| usize::try_from(row.live).unwrap_or(1)))
}

/// Ends the session of an executor that has released everything.
///
/// A lease locks the executor's row with `for key share`. This therefore waits for leases that are being taken, and prevents later ones.
pub async fn end(conn: &mut Conn, executor: ExecutorId) -> Result<(), StoreError> {
    prepared(
        sql_query(
            "with alive as (select id from executors where id = $1 and ended_at is null for update)
             update executors x set ended_at = clock_timestamp() from alive a where x.id = a.id",
        )
        .bind::<SqlUuid, _>(executor.uuid()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An executor that has not ended, and its latest heartbeat by Postgres's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveExecutor {
    pub id: ExecutorId,
    pub heartbeat_at: DateTime<Utc>,
}

pub async fn live(conn: &mut Conn) -> Result<Vec<LiveExecutor>, StoreError> {
    #[derive(QueryableByName)]
    #[diesel(table_name = executors)]
    struct Row {
        id: Uuid,
        heartbeat_at: DateTime<Utc>,
    }
    let rows: Vec<Row> = prepared(sql_query("select id, heartbeat_at from executors where ended_at is null"))
        .load(conn)
        .await?;
    let live = |row: Row| LiveExecutor { id: ExecutorId::from_uuid(row.id), heartbeat_at: row.heartbeat_at };
    Ok(rows.into_iter().map(live).collect())
}

/// Sessions that have ended and may still own executions, which are to be reclaimed.
pub(super) async fn unreleased(conn: &mut Conn) -> Result<Vec<Uuid>, StoreError> {
    #[derive(QueryableByName)]
    #[diesel(table_name = executors)]
    struct Row {
        id: Uuid,
    }
    let rows: Vec<Row> =
        prepared(sql_query("select id from executors where ended_at is not null and released_at is null"))
            .load(conn)
            .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Expires these sessions, unless another heartbeat has arrived; returns how many expired.
pub async fn expire(conn: &mut Conn, expired: &[LiveExecutor]) -> Result<usize, StoreError> {
    let count = prepared(
        sql_query(
            "with expired as (
                 select x.id from executors x join unnest($1::uuid[], $2::timestamptz[]) as s(id, heartbeat_at)
                     on x.id = s.id and x.heartbeat_at = s.heartbeat_at
                 where x.ended_at is null order by x.id for update of x)
             update executors x set ended_at = clock_timestamp() from expired s where x.id = s.id",
        )
        .bind::<Array<SqlUuid>, _>(expired.iter().map(|executor| executor.id.uuid()).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(expired.iter().map(|executor| executor.heartbeat_at).collect::<Vec<_>>()),
    )
    .execute(conn)
    .await?;
    Ok(count)
}

/// Marks these sessions as released if they own nothing any more.
pub(super) async fn mark_released(conn: &mut Conn, ended: &[Uuid]) -> Result<(), StoreError> {
    prepared(
        sql_query(
            "update executors x set released_at = clock_timestamp()
             where x.id = any($1) and x.ended_at is not null
               and not exists (select from runs e where e.owner_id = any($1))",
        )
        .bind::<Array<SqlUuid>, _>(ended),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes sessions that ended more than a day ago and own nothing. A released session that still owns something is reclaimed again: an older
/// version took leases without a lock, and may have committed one after the search.
pub async fn prune(conn: &mut Conn) -> Result<usize, StoreError> {
    let pruned = prepared(sql_query(
        "with old as (
             select x.id, x.ended_at < clock_timestamp() - interval '1 day' as is_old,
                    exists (select from runs e where e.owner_id = x.id) as owns
             from executors x
             where x.ended_at < clock_timestamp() - interval '1 day' or x.released_at > clock_timestamp() - interval '10 minutes'),
         again as (
             update executors x set released_at = null from old o where x.id = o.id and o.owns and x.released_at is not null)
         delete from executors x using old o where x.id = o.id and o.is_old and not o.owns",
    ))
    .execute(conn)
    .await?;
    Ok(pruned)
}
