//! Bells that somebody asks for: work that nobody holds and that the stream does not know, or does not know any more.
//!
//! What is planned is published by whoever planned it; all else has `published_at` null until a scheduler takes its ringing on itself.
//!
//! Conditions say `statement_timestamp()`, which stands still: by `clock_timestamp()` no index can be searched.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::time::Duration;
use uuid::Uuid;

use super::{Conn, StoreError, columns::millis, schema::executions, sql::prepared};
use crate::domain::{
    dispatch::Dispatch,
    id::{ExecutionId, WorkspaceId},
    workspace::SHARDS,
};

/// Takes on the ringing of work that asks for it and is due within `lead`: asked-for runs, work handed back, slots that fell free.
pub async fn claim_unpublished(
    conn: &mut Conn,
    lead: Duration,
    limit: i64,
) -> Result<Vec<Dispatch>, StoreError> {
    let rows: Vec<DispatchRow> = prepared(
        sql_query(
            "update executions e set published_at = clock_timestamp()
             from (select id from executions
                   where published_at is null and owner_id is null and finished_at is null and not waits_for_slot
                     and due_at <= statement_timestamp() + $1 * interval '1 ms'
                   order by due_at limit $2 for update skip locked) u
             where e.id = u.id
             returning e.id, e.workspace_id, e.shard, e.due_at, e.traceparent",
        )
        .bind::<BigInt, _>(millis(lead))
        .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(DispatchRow::into_dispatch).collect())
}

/// Gives up the ringing of work that is not due yet: any scheduler takes it on in its time.
pub async fn release(conn: &mut Conn, ids: &[ExecutionId]) -> Result<usize, StoreError> {
    let handed = prepared(
        sql_query(
            "update executions set published_at = null
             where id = any($1) and owner_id is null and finished_at is null and published_at is not null",
        )
        .bind::<Array<SqlUuid>, _>(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>()),
    )
    .execute(conn)
    .await?;
    Ok(handed)
}

/// The shards in which work is overdue by more than `grace` though its dispatch was published: lost dispatches, or a backlog.
pub async fn overdue_shards(conn: &mut Conn, grace: Duration) -> Result<Vec<i16>, StoreError> {
    #[derive(QueryableByName)]
    #[diesel(table_name = executions)]
    struct Shard {
        shard: i16,
    }
    // Said with constants, it is planned once: with parameters Postgres plans it again each time, which takes longer than to run it.
    // The limit keeps the planner from joining with all that is overdue.
    let grace = millis(grace);
    let overdue = format!(
        "select s::smallint as shard from generate_series(0, {SHARDS} - 1) s
         cross join lateral (
             select from executions e
             where e.shard = s and e.owner_id is null and e.finished_at is null and not e.waits_for_slot
               and e.due_at < statement_timestamp() - interval '{grace} ms'
               and e.published_at < statement_timestamp() - interval '{grace} ms'
             limit 1) overdue"
    );
    let rows: Vec<Shard> = prepared(sql_query(overdue)).load(conn).await?;
    Ok(rows.into_iter().map(|row| row.shard).collect())
}

/// Asks for the dispatch of work in `shard` that must have lost it: published, or to be published `lead` before it was due, longer than
/// `grace` before `delivered_up_to`, and still in nobody's hands. Returns how many.
///
/// `delivered_up_to` is the instant of ringing up to which the stream has been delivered; `None` for all of it. Without that
/// bound a backlog would ring itself again and again, and feed itself. It is no due time, because the stream is in the order of
/// ringing: a run that was handed back is due before all that were published before it. What can be said of due times, that nothing is published
/// more than `lead` before it is due, keeps a burst that is still being delivered from being read through each time.
pub async fn request_republish(
    conn: &mut Conn,
    shard: i16,
    delivered_up_to: Option<DateTime<Utc>>,
    grace: Duration,
    lead: Duration,
    limit: i64,
) -> Result<usize, StoreError> {
    let asked = prepared(
        sql_query(
            "update executions e set published_at = null
             from (select id from executions w
                   where shard = $1 and owner_id is null and finished_at is null and not waits_for_slot
                     and due_at < statement_timestamp() - $3 * interval '1 ms'
                     and due_at < least($2, statement_timestamp()) + ($4 - $3) * interval '1 ms'
                     and greatest(published_at, due_at - $4 * interval '1 ms')
                         < least($2, statement_timestamp()) - $3 * interval '1 ms'
                     and exists (select from job_versions v where v.job_id = w.job_id and v.version = w.version)
                   order by due_at limit $5 for update skip locked) lost
             where e.id = lost.id",
        )
        .bind::<SmallInt, _>(shard)
        .bind::<Nullable<Timestamptz>, _>(delivered_up_to)
        .bind::<BigInt, _>(millis(grace))
        .bind::<BigInt, _>(millis(lead))
        .bind::<BigInt, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(asked)
}

#[derive(QueryableByName)]
#[diesel(table_name = executions)]
struct DispatchRow {
    id: Uuid,
    workspace_id: Uuid,
    shard: i16,
    due_at: DateTime<Utc>,
    traceparent: Option<String>,
}

impl DispatchRow {
    fn into_dispatch(self) -> Dispatch {
        let Self { id, workspace_id, shard, due_at, traceparent } = self;
        let (execution, workspace) = (ExecutionId::from_uuid(id), WorkspaceId::from_uuid(workspace_id));
        Dispatch { execution, workspace, shard, due_at, traceparent }
    }
}
