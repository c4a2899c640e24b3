//! The hold of an installation. The statements that lease, and that claim notifications and tests, look at it themselves, so that nothing
//! begins after its commit; the processes also read it twice a second.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Conn, StoreError, schema::holds, sql::prepared};
use crate::domain::{
    hold::{Hold, Missed},
    id::{ExecutionId, WorkspaceId},
};

/// The active hold, if there is one.
pub async fn active(conn: &mut Conn) -> Result<Option<Hold>, StoreError> {
    let row: Option<(DateTime<Utc>, String)> = holds::table
        .filter(holds::released_at.is_null())
        .select((holds::created_at, holds::reason))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(since, reason)| Hold { since, reason }))
}

/// Begins a hold. [`StoreError::Conflict`] `holds_active` if there is one.
pub async fn begin(conn: &mut Conn, hold: &Hold) -> Result<(), StoreError> {
    let id = Uuid::now_v7();
    diesel::insert_into(holds::table)
        .values((holds::id.eq(id), holds::reason.eq(&hold.reason), holds::created_at.eq(hold.since)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends the hold. [`StoreError::NotFound`] if there is none.
pub async fn release(conn: &mut Conn, missed: Missed, at: DateTime<Utc>) -> Result<(), StoreError> {
    let released = diesel::update(holds::table)
        .filter(holds::released_at.is_null())
        .set((holds::released_at.eq(at), holds::missed.eq(missed.as_str())))
        .execute(conn)
        .await?;
    if released == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

#[derive(QueryableByName)]
struct OpenRow {
    #[diesel(sql_type = SqlUuid)]
    workspace_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Up to `limit` executions that are due and wait, or whose executor is gone; the oldest first.
pub async fn waiting(conn: &mut Conn, limit: i64) -> Result<Vec<(WorkspaceId, ExecutionId)>, StoreError> {
    let rows: Vec<OpenRow> = prepared(
        sql_query(
            "select r.workspace_id, r.id from runs r
             where r.due_at <= statement_timestamp()
               and not (r.status = 'running' and exists (
                   select from executors x
                   where x.id = r.owner_id and x.ended_at is null and x.heartbeat_at > now() - interval '1 minute'))
             order by r.due_at limit $1",
        )
        .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    let id = |row: OpenRow| (WorkspaceId::from_uuid(row.workspace_id), ExecutionId::from_uuid(row.id));
    Ok(rows.into_iter().map(id).collect())
}
