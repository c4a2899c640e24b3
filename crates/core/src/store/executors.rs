//! Executor sessions. A lease is held by a living session and is worth nothing without one.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::time::Duration;
use uuid::Uuid;

use super::{Conn, StoreError, sql::prepared};
use crate::domain::id::SessionId;

pub async fn insert(conn: &mut Conn, session: SessionId, name: &str) -> Result<(), StoreError> {
    prepared(sql_query("insert into executors (id, name, started_at, heartbeat_at) values ($1, $2, clock_timestamp(), clock_timestamp())")
        .bind::<SqlUuid, _>(session.uuid())
        .bind::<Text, _>(name))
        .execute(conn)
        .await?;
    Ok(())
}

/// Says that the session lives. `false`: it was declared dead; whatever it held belongs to others now.
pub async fn heartbeat(conn: &mut Conn, session: SessionId) -> Result<bool, StoreError> {
    let alive = prepared(
        sql_query("update executors set heartbeat_at = clock_timestamp() where id = $1 and ended_at is null")
            .bind::<SqlUuid, _>(session.uuid()),
    )
    .execute(conn)
    .await?;
    Ok(alive == 1)
}

/// Ends a session in order, after it handed everything back.
pub async fn end(conn: &mut Conn, session: SessionId) -> Result<(), StoreError> {
    prepared(
        sql_query("update executors set ended_at = clock_timestamp() where id = $1 and ended_at is null")
            .bind::<SqlUuid, _>(session.uuid()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Declares dead every session that was silent for longer than `ttl`; says how many.
pub async fn reap(conn: &mut Conn, ttl: Duration) -> Result<usize, StoreError> {
    let reaped = prepared(
        sql_query(
            "update executors set ended_at = clock_timestamp()
         where ended_at is null and heartbeat_at < clock_timestamp() - $1 * interval '1 ms'",
        )
        .bind::<BigInt, _>(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)),
    )
    .execute(conn)
    .await?;
    Ok(reaped)
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

pub async fn living(conn: &mut Conn) -> Result<Vec<SessionId>, StoreError> {
    let rows: Vec<Id> =
        prepared(sql_query("select id from executors where ended_at is null")).load(conn).await?;
    Ok(rows.into_iter().map(|row| SessionId::from_uuid(row.id)).collect())
}

/// Forgets sessions that ended a day ago and hold nothing.
pub async fn prune(conn: &mut Conn) -> Result<usize, StoreError> {
    let pruned = prepared(sql_query(
        "delete from executors x where x.ended_at < clock_timestamp() - interval '1 day'
         and not exists (select from executions e where e.owner_id = x.id)",
    ))
    .execute(conn)
    .await?;
    Ok(pruned)
}
