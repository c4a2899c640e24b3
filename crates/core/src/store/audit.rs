//! The audit log. An entry is written in the transaction of the change that it describes, and is removed only by age.
//!
//! An entry references its workspace. The writer has locked the workspace before any other row of it (`workspaces::lock_active`, or a
//! trigger on insertion), which is the order of a deletion.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::fmt::Display;
use uuid::Uuid;

use super::{
    Conn, StoreError,
    columns::{flatten, pairs},
    schema::audit_entries,
    sql::prepared,
};
use crate::domain::{
    audit::{Action, Actor, AuditEntry, Author, Target},
    id::{AuditId, ExecutionId, TokenId, UserId, WorkspaceId},
    page::{List, Page},
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
    let (actor, id, called) = match &by.actor {
        Actor::User { id, email } => ("user", Some(id.uuid()), Some(email)),
        Actor::Token { id, name } => ("token", Some(id.uuid()), Some(name)),
        Actor::Operator => ("operator", None, None),
    };
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

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_entries, check_for_backend(diesel::pg::Pg))]
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
    let name = row.actor_name.unwrap_or_default();
    let actor = match (row.actor.as_str(), row.actor_id) {
        ("user", Some(id)) => Actor::User { id: UserId::from_uuid(id), email: name },
        ("token", Some(id)) => Actor::Token { id: TokenId::from_uuid(id), name },
        _ => Actor::Operator,
    };
    AuditEntry {
        id: AuditId::from_uuid(row.id),
        at: row.created_at,
        actor,
        action: row.action,
        target: Target { id: row.target, name: row.target_name },
        details: pairs(row.details),
        request_id: row.request_id,
        address: row.address,
    }
}

/// Newest first.
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: Filter,
    page: Page,
) -> Result<List<AuditEntry>, StoreError> {
    let mut query = audit_entries::table
        .filter(audit_entries::workspace_id.eq(workspace.uuid()))
        .filter(audit_entries::id.lt(page.before.unwrap_or_else(Uuid::max)))
        .order(audit_entries::id.desc())
        .limit(page.limit + 1)
        .select(EntryRow::as_select())
        .into_boxed();
    if let Some(action) = filter.action {
        query = query.filter(audit_entries::action.eq(action.as_str()));
    }
    let rows: Vec<EntryRow> = query.load(conn).await?;
    Ok(List::from_rows(rows.into_iter().map(entry).collect(), page, |entry: &AuditEntry| entry.id.uuid()))
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
