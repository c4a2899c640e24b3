//! Operators, by their names and by the digests of their tokens.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Conn, StoreError, operator_audit, schema::operators};
use crate::domain::{
    id::OperatorId,
    operator::{Operator, OperatorAction, OperatorAuthor},
};

pub struct NewOperator<'a> {
    pub operator: &'a Operator,
    /// The digest of the secret of the token.
    pub hash: &'a [u8],
    pub expires_at: Option<DateTime<Utc>>,
}

/// [`StoreError::Conflict`] `operators_name` if there is one with this name.
pub async fn insert(conn: &mut Conn, new: NewOperator<'_>, by: &OperatorAuthor) -> Result<(), StoreError> {
    let Operator { id, name } = new.operator;
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        diesel::insert_into(operators::table)
            .values((
                operators::id.eq(id.uuid()),
                operators::name.eq(name),
                operators::hash.eq(new.hash),
                operators::created_at.eq(by.at),
                operators::expires_at.eq(new.expires_at),
            ))
            .execute(conn)
            .await?;
        operator_audit::write(conn, by, OperatorAction::OperatorCreated, (id, Some(name)), &[]).await
    })
    .await
}

/// An operator as the list has it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub operator: Operator,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// By name; few.
pub async fn list(conn: &mut Conn) -> Result<Vec<Listed>, StoreError> {
    type Row = (Uuid, String, DateTime<Utc>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = operators::table
        .order(operators::name)
        .limit(1000)
        .select((operators::id, operators::name, operators::created_at, operators::expires_at))
        .load(conn)
        .await?;
    let listed = |(id, name, created_at, expires_at): Row| Listed {
        operator: Operator { id: OperatorId::from_uuid(id), name },
        created_at,
        expires_at,
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// Deletes an operator, whose token is invalid from then on. [`StoreError::NotFound`] without one.
pub async fn delete(conn: &mut Conn, name: &str, by: &OperatorAuthor) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let deleted: Uuid = diesel::delete(operators::table.filter(operators::name.eq(name)))
            .returning(operators::id)
            .get_result(conn)
            .await?;
        let target = (OperatorId::from_uuid(deleted), Some(name));
        operator_audit::write(conn, by, OperatorAction::OperatorDeleted, target, &[]).await
    })
    .await
}

/// The operator whose token has this digest; `None` if there is none, or the token has expired.
pub async fn find_by_hash(conn: &mut Conn, hash: &[u8]) -> Result<Option<Operator>, StoreError> {
    let row: Option<(Uuid, String)> = operators::table
        .filter(operators::hash.eq(hash))
        .filter(operators::expires_at.is_null().or(operators::expires_at.gt(diesel::dsl::now)))
        .select((operators::id, operators::name))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(id, name)| Operator { id: OperatorId::from_uuid(id), name }))
}
