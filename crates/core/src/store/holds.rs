//! The hold of an installation. The statements that lease, and that claim notifications and tests, look at it themselves, so that nothing
//! begins after its commit; the processes also read it twice a second.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::time::Duration;
use uuid::Uuid;

use super::{
    Conn, StoreError, leases,
    lower_bound::BEGINNING,
    operator_audit,
    schema::holds,
    sql::prepared,
    timers::{self, PlanningWindow},
};
use crate::domain::{
    fire,
    hold::{Hold, Missed},
    id::{ExecutionId, WorkspaceId},
    operator::{INSTALLATION, OperatorAction, OperatorAuthor},
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

/// Begins a hold. `false`, and nothing changes, if there is one.
pub async fn begin(conn: &mut Conn, by: &OperatorAuthor) -> Result<bool, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let begun = diesel::insert_into(holds::table)
            .values((holds::id.eq(Uuid::now_v7()), holds::reason.eq(&by.reason), holds::created_at.eq(by.at)))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
        if begun == 0 {
            return Ok(false);
        }
        operator_audit::write(conn, by, OperatorAction::InstallationHeld, (INSTALLATION, None), &[]).await?;
        Ok(true)
    })
    .await
}

/// Ends the hold. [`StoreError::NotFound`] if there is none.
pub async fn release(conn: &mut Conn, missed: Missed, by: &OperatorAuthor) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let released = diesel::update(holds::table)
            .filter(holds::released_at.is_null())
            .set((holds::released_at.eq(by.at), holds::missed.eq(missed.as_str())))
            .execute(conn)
            .await?;
        if released == 0 {
            return Err(StoreError::NotFound);
        }
        let details = [("missed", missed.as_str())];
        operator_audit::write(conn, by, OperatorAction::InstallationReleased, (INSTALLATION, None), &details)
            .await
    })
    .await
}

/// Keeps the hold from being released until the transaction ends. [`StoreError::NotFound`] without one.
async fn lock_active(conn: &mut Conn) -> Result<(), StoreError> {
    holds::table
        .filter(holds::released_at.is_null())
        .select(holds::id)
        .for_share()
        .first::<Uuid>(conn)
        .await?;
    Ok(())
}

/// Records that an operator begins to skip what was missed. [`StoreError::NotFound`] without a hold.
pub async fn skipping(conn: &mut Conn, by: &OperatorAuthor) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        lock_active(conn).await?;
        operator_audit::write(conn, by, OperatorAction::MissedSkipped, (INSTALLATION, None), &[]).await
    })
    .await
}

/// Records the fires up to now of up to `limit` timers as skipped, and returns how many had some. [`StoreError::NotFound`] without a hold.
pub async fn skip_fires(conn: &mut Conn, limit: i64) -> Result<usize, StoreError> {
    let due = PlanningWindow::Missed { late: Duration::ZERO, after: BEGINNING };
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        lock_active(conn).await?;
        Ok(timers::record_fires(conn, due, limit, fire::skip).await?.timers)
    })
    .await
}

/// Cancels up to `limit` of the executions that are due, and returns how many were found. [`StoreError::NotFound`] without a hold.
pub async fn cancel_waiting(conn: &mut Conn, limit: i64) -> Result<usize, StoreError> {
    let waiting = waiting(conn, limit).await?;
    for (workspace, execution) in &waiting {
        // Each in a transaction of its own: the locks of many would wait for those of a deletion, and the deletion for them.
        conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
            lock_active(conn).await?;
            match leases::cancel(conn, *workspace, *execution).await {
                // It has ended, or its job was deleted.
                Ok(_) | Err(StoreError::NotFound) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await?;
    }
    match waiting.is_empty() {
        true => lock_active(conn).await.map(|()| 0),
        false => Ok(waiting.len()),
    }
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
             order by r.due_at, r.id limit $1",
        )
        .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    let id = |row: OpenRow| (WorkspaceId::from_uuid(row.workspace_id), ExecutionId::from_uuid(row.id));
    Ok(rows.into_iter().map(id).collect())
}
