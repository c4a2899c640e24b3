//! The audit log. An entry is written in the transaction of the change that it describes, and is removed only by age.
//!
//! An entry references its workspace. The writer has locked the workspace before any other row of it (`workspaces::lock_active`, or a
//! trigger on insertion), which is the order of a deletion.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::fmt::Display;
use uuid::Uuid;

use super::{
    Conn, StoreError,
    columns::{SearchedRow, flatten, pairs},
    schema::audit_entries,
    sql::prepared,
};
use crate::domain::{
    audit::{Action, Actor, AuditEntry, Author, Target},
    id::{AuditId, ExecutionId, WorkspaceId},
    page::{List, Page, max_rows_searched},
};

/// Filters of a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub action: Option<Action>,
}

/// Records that `by` did `action` to `target`, which is called `name`, in the transaction of the change.
pub(super) async fn write(
    conn: &mut Conn,
    workspace: WorkspaceId,
    by: &Author,
    action: Action,
    (target, name): (impl Display, Option<&str>),
    details: &[(&str, &str)],
) -> Result<(), StoreError> {
    let (actor, id, called) = by.actor.columns();
    diesel::insert_into(audit_entries::table)
        .values((
            audit_entries::id.eq(AuditId::at(by.at).uuid()),
            audit_entries::workspace_id.eq(workspace.uuid()),
            audit_entries::created_at.eq(by.at),
            audit_entries::actor.eq(actor),
            audit_entries::actor_id.eq(id),
            audit_entries::actor_name.eq(called),
            audit_entries::action.eq(action.as_str()),
            audit_entries::target.eq(target.to_string()),
            audit_entries::target_name.eq(name),
            audit_entries::details.eq(flatten(details.iter().copied())),
            audit_entries::request_id.eq(&by.request_id),
            audit_entries::address.eq(by.address.map(|address| address.to_string())),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
#[diesel(table_name = audit_entries)]
struct EntryRow {
    id: Uuid,
    created_at: DateTime<Utc>,
    actor: String,
    actor_id: Option<Uuid>,
    actor_name: Option<String>,
    action: String,
    target: String,
    target_name: Option<String>,
    details: Vec<String>,
    request_id: Option<String>,
    address: Option<String>,
}

fn entry(row: EntryRow) -> AuditEntry {
    AuditEntry {
        id: AuditId::from_uuid(row.id),
        at: row.created_at,
        actor: Actor::from_columns(&row.actor, row.actor_id, row.actor_name),
        action: row.action,
        target: Target { id: row.target, name: row.target_name },
        details: pairs(row.details),
        request_id: row.request_id,
        address: row.address,
    }
}

/// The statement of [`list`], for the test of its plan: see `executions::list`.
pub const LIST: &str = concat!(
    "select * from (
         select a.*, a.number = ",
    max_rows_searched!(),
    " as is_last, case when action = $2 then true else $2::text is null end as matches
         from (
             select a.*, row_number() over () as number
             from (select * from audit_entries where (workspace_id, id) < ($1, $3) and workspace_id >= $1
                   order by workspace_id desc, id desc limit ",
    max_rows_searched!(),
    ") a) a) a
     where matches or is_last limit $4"
);

/// Newest first. A page may be short, or even empty, and have a next one: see [`MAX_ROWS_SEARCHED`].
///
/// [`MAX_ROWS_SEARCHED`]: crate::domain::page::MAX_ROWS_SEARCHED
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: Filter,
    page: Page,
) -> Result<List<AuditEntry>, StoreError> {
    let rows: Vec<SearchedRow<EntryRow>> = prepared(
        sql_query(LIST)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Nullable<Text>, _>(filter.action.map(Action::as_str))
            .bind::<SqlUuid, _>(page.before.unwrap_or_else(Uuid::max))
            .bind::<BigInt, _>(page.limit + 1),
    )
    .load(conn)
    .await?;
    let rows = rows.into_iter().map(Into::into).collect();
    let list = List::from_search(rows, page.limit, |row: &EntryRow| row.id);
    Ok(List { data: list.data.into_iter().map(entry).collect(), next: list.next })
}

/// Deletes up to `limit` entries from before `oldest`; returns how many.
pub async fn purge_old(conn: &mut Conn, oldest: DateTime<Utc>, limit: i64) -> Result<usize, StoreError> {
    let purged = prepared(
        sql_query(
            "delete from audit_entries where id in (select id from audit_entries where id < $1 order by id limit $2)",
        )
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(oldest))
        .bind::<BigInt, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(purged)
}

/// Deletes up to `limit` entries of deleted workspaces; returns how many.
pub(super) async fn purge_workspaces(conn: &mut Conn, limit: i64) -> Result<usize, StoreError> {
    let purged = prepared(
        sql_query(
            "delete from audit_entries where id in (
                 select a.id from audit_entries a join workspaces w on w.id = a.workspace_id
                 where w.deleted_at is not null limit $1)",
        )
        .bind::<BigInt, _>(limit),
    )
    .execute(conn)
    .await?;
    Ok(purged)
}
