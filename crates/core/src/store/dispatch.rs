//! Requested publications: work without an owner whose dispatch message is not in the stream, or not any more.
//!
//! A scheduler publishes what it has planned itself. All other work has `publish_claimed_at` null until a scheduler claims its publication.
//!
//! Conditions use `statement_timestamp()`, which is constant within a statement: with `clock_timestamp()`, no index can be searched.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, SmallInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::time::Duration;
use uuid::Uuid;

use super::{Conn, StoreError, columns::millis, schema::runs, sql::prepared};
use crate::domain::{
    dispatch::Dispatch,
    id::{ExecutionId, WorkspaceId},
    workspace::SHARDS,
};

/// Claims the publication of work that requests it and is due within `lead`: requested runs, released leases, executions that received a
/// free slot. Work that was due before `after` is not searched: see [`LowerBound`](super::lower_bound::LowerBound).
pub async fn claim_unpublished(
    conn: &mut Conn,
    after: DateTime<Utc>,
    lead: Duration,
    limit: i64,
) -> Result<Vec<Dispatch>, StoreError> {
    let rows: Vec<DispatchRow> = prepared(
        sql_query(
            "update runs e set publish_claimed_at = clock_timestamp()
             from (select id from runs
                   where publish_claimed_at is null and owner_id is null and not waits_for_slot
                     and due_at <= statement_timestamp() + $1 * interval '1 ms' and due_at > $3
                   order by due_at limit $2 for update skip locked) u
             where e.id = u.id
             returning e.id, e.workspace_id, e.shard, e.due_at, e.traceparent",
        )
        .bind::<BigInt, _>(millis(lead))
        .bind::<BigInt, _>(limit)
        .bind::<Timestamptz, _>(after),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(DispatchRow::into_dispatch).collect())
}

/// Gives up the publication of work that is not due yet: any scheduler will claim it in time.
pub async fn hand_over(conn: &mut Conn, ids: &[ExecutionId]) -> Result<usize, StoreError> {
    let handed_over = prepared(
        sql_query(
            "update runs set publish_claimed_at = null
             where id = any($1) and owner_id is null and publish_claimed_at is not null",
        )
        .bind::<Array<SqlUuid>, _>(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>()),
    )
    .execute(conn)
    .await?;
    Ok(handed_over)
}

/// A shard with overdue work whose publication is claimed.
#[derive(Debug, PartialEq, Eq, QueryableByName)]
#[diesel(table_name = runs)]
pub struct OverdueShard {
    pub shard: i16,
    /// When the oldest of it was due.
    pub due_at: DateTime<Utc>,
}

/// The shards with work that is overdue by more than `grace` though its publication is claimed: its dispatch messages are lost, or there is
/// a backlog. Work that was due before `after` is not searched: see [`LowerBound`](super::lower_bound::LowerBound).
pub async fn overdue_shards(
    conn: &mut Conn,
    after: DateTime<Utc>,
    grace: Duration,
) -> Result<Vec<OverdueShard>, StoreError> {
    // The limit keeps the planner from a join with all overdue rows.
    const OVERDUE: &str = "
        select s::smallint as shard, overdue.due_at from generate_series(0, $3 - 1) s
        cross join lateral (
            select e.due_at from runs e
            where e.shard = s and e.due_at > $1 and e.owner_id is null and not e.waits_for_slot and not e.waits_for_capacity
              and e.due_at < statement_timestamp() - $2 * interval '1 ms'
              and e.publish_claimed_at < statement_timestamp() - $2 * interval '1 ms'
            order by e.due_at limit 1) overdue";
    Ok(prepared(
        sql_query(OVERDUE)
            .bind::<Timestamptz, _>(after)
            .bind::<BigInt, _>(millis(grace))
            .bind::<BigInt, _>(i64::from(SHARDS)),
    )
    .load(conn)
    .await?)
}

/// Requests publication of work in `shard` whose dispatch message must be lost; returns how many. Such work
///
/// - has no owner, and waits neither for a slot nor for capacity;
/// - is overdue by more than `grace`;
/// - is due less than `lead - grace` after `delivered_up_to`: what is due later cannot have been delivered for `grace`. This avoids reading a
///   burst on each call that is still being delivered;
/// - was claimed for publication, or should have been `lead` before it was due, longer than `grace` before `delivered_up_to`.
///
/// `delivered_up_to` is the publication time up to which the stream has been delivered; `None` means all of it. Without this bound, a
/// backlog would be published again and again, and would grow with each time. It is not a due time, because the stream is in the order of
/// publication: a released run is due before everything that was published before it. Nothing in the shard is older than `overdue`.
pub async fn request_republish(
    conn: &mut Conn,
    overdue: &OverdueShard,
    delivered_up_to: Option<DateTime<Utc>>,
    grace: Duration,
    lead: Duration,
    limit: i64,
) -> Result<usize, StoreError> {
    let requested = prepared(
        sql_query(
            "update runs e set publish_claimed_at = null
             from (select id from runs w
                   where shard = $1 and due_at >= $6 and owner_id is null and not waits_for_slot and not waits_for_capacity
                     and due_at < statement_timestamp() - $3 * interval '1 ms'
                     and due_at < least($2, statement_timestamp()) + ($4 - $3) * interval '1 ms'
                     and greatest(publish_claimed_at, due_at - $4 * interval '1 ms')
                         < least($2, statement_timestamp()) - $3 * interval '1 ms'
                     and exists (select from job_versions v where v.job_id = w.job_id and v.version = w.version)
                   order by due_at limit $5 for update skip locked) lost
             where e.id = lost.id",
        )
        .bind::<SmallInt, _>(overdue.shard)
        .bind::<Nullable<Timestamptz>, _>(delivered_up_to)
        .bind::<BigInt, _>(millis(grace))
        .bind::<BigInt, _>(millis(lead))
        .bind::<BigInt, _>(limit)
        .bind::<Timestamptz, _>(overdue.due_at),
    )
    .execute(conn)
    .await?;
    Ok(requested)
}

#[derive(QueryableByName)]
#[diesel(table_name = runs)]
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
