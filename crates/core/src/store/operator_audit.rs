//! The audit log of the operators. An entry is written in the transaction of the change that it describes, and stays.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use std::fmt::Display;
use uuid::Uuid;

use super::{
    Conn, StoreError,
    columns::{flatten, pairs},
    schema::operator_entries,
};
use crate::domain::{
    audit::Target,
    id::{AuditId, OperatorId},
    operator::{OperatorAction, OperatorAuthor, OperatorEntry},
    page::{List, Page},
};

/// Records that an operator did `action` to `target`, which is called `name`, in the transaction of the change.
pub async fn write(
    conn: &mut Conn,
    by: &OperatorAuthor,
    action: OperatorAction,
    (target, name): (impl Display, Option<&str>),
    details: &[(&str, &str)],
) -> Result<(), StoreError> {
    diesel::insert_into(operator_entries::table)
        .values((
            operator_entries::id.eq(AuditId::at(by.at).uuid()),
            operator_entries::created_at.eq(by.at),
            operator_entries::operator_id.eq(by.operator_id.map(OperatorId::uuid)),
            operator_entries::operator.eq(&by.operator),
            operator_entries::action.eq(action.as_str()),
            operator_entries::reason.eq(&by.reason),
            operator_entries::target.eq(target.to_string()),
            operator_entries::target_name.eq(name),
            operator_entries::details.eq(flatten(details.iter().copied())),
            operator_entries::request_id.eq(&by.request_id),
            operator_entries::address.eq(by.address.map(|address| address.to_string())),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = operator_entries)]
struct EntryRow {
    id: Uuid,
    created_at: DateTime<Utc>,
    operator_id: Option<Uuid>,
    operator: String,
    action: String,
    reason: String,
    target: String,
    target_name: Option<String>,
    details: Vec<String>,
    request_id: Option<String>,
    address: Option<String>,
}

fn entry(row: EntryRow) -> OperatorEntry {
    OperatorEntry {
        id: AuditId::from_uuid(row.id),
        at: row.created_at,
        operator_id: row.operator_id.map(OperatorId::from_uuid),
        operator: row.operator,
        action: row.action,
        reason: row.reason,
        target: Target { id: row.target, name: row.target_name },
        details: pairs(row.details),
        request_id: row.request_id,
        address: row.address,
    }
}

/// Newest first: all entries, or those of one target.
pub async fn list(
    conn: &mut Conn,
    target: Option<&str>,
    page: Page,
) -> Result<List<OperatorEntry>, StoreError> {
    let before = operator_entries::table.filter(operator_entries::id.lt(page.before.unwrap_or(Uuid::max())));
    let query = before.order(operator_entries::id.desc()).limit(page.limit + 1).select(EntryRow::as_select());
    let rows: Vec<EntryRow> = match target {
        Some(target) => query.filter(operator_entries::target.eq(target)).load(conn).await?,
        None => query.load(conn).await?,
    };
    let entries = rows.into_iter().map(entry).collect();
    Ok(List::from_rows(entries, page, |entry: &OperatorEntry| entry.id.uuid()))
}
