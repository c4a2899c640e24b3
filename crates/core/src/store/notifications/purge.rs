//! Removal of notifications: with their channel, job or workspace, and by age.

use chrono::{DateTime, Utc};
use diesel::{
    sql_query,
    sql_types::{Array, BigInt, Integer, Nullable, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::id::{ChannelId, ExecutionId, JobId},
    store::{Conn, StoreError, sql::prepared},
};

/// Deletes up to `limit` undelivered notifications of a channel; returns how many.
pub(in crate::store) async fn drop_open(
    conn: &mut Conn,
    channel: ChannelId,
    limit: Option<i64>,
) -> Result<usize, StoreError> {
    let dropped = prepared(
        sql_query(
            "delete from notifications where id in (
                 select id from notifications where channel_id = $1 and finished_at is null limit $2)",
        )
        .bind::<SqlUuid, _>(channel.uuid())
        .bind::<Nullable<BigInt>, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(dropped)
}

/// Deletes the undelivered notifications of a job that is being deleted.
pub(in crate::store) async fn drop_open_of_job(conn: &mut Conn, job: JobId) -> Result<(), StoreError> {
    prepared(
        sql_query("delete from notifications where job_id = $1 and finished_at is null")
            .bind::<SqlUuid, _>(job.uuid()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes up to `limit` notifications of these deleted jobs; returns how many.
pub(in crate::store) async fn purge_jobs(
    conn: &mut Conn,
    jobs: &[Uuid],
    limit: i32,
) -> Result<usize, StoreError> {
    let purged = prepared(
        sql_query(
            "delete from notifications
             where id in (select id from notifications where job_id = any($1) limit $2)",
        )
        .bind::<Array<SqlUuid>, _>(jobs)
        .bind::<Integer, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(purged)
}

/// Deletes up to `limit` notifications of deleted workspaces; returns how many.
pub(in crate::store) async fn purge_workspaces(conn: &mut Conn, limit: i64) -> Result<usize, StoreError> {
    let purged = prepared(
        sql_query(
            "delete from notifications where id in (
                 select n.id from workspaces w join notifications n on n.workspace_id = w.id
                 where w.deleted_at is not null limit $1)",
        )
        .bind::<BigInt, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(purged)
}

/// Deletes up to `limit` notifications from before `oldest`; returns how many.
pub async fn purge_old(conn: &mut Conn, oldest: DateTime<Utc>, limit: i64) -> Result<usize, StoreError> {
    let purged = prepared(
        sql_query(
            "delete from notifications where id in (select id from notifications where id < $1 order by id limit $2)",
        )
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(oldest))
        .bind::<BigInt, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(purged)
}
