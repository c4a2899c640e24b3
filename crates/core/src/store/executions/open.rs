//! Which of the executions that clients wait for are still open.

use diesel::{sql_query, sql_types::Array, sql_types::Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use std::collections::HashSet;
use uuid::Uuid;

use super::row::RunId;
use crate::{
    domain::id::ExecutionId,
    store::{Conn, StoreError, sql::prepared},
};

/// The statement of [`find_open`], for the test of its plan.
pub const FIND_OPEN: &str = "select id from runs where id = any($1)
     union all select id from request_tests where id = any($1) and status is null";

/// Those of these executions and tests that have not ended. The id of a test is the id that its request names as its execution. For executions of any workspace: their clients have been authorized. Reads a row per id.
pub async fn find_open(conn: &mut Conn, ids: &[ExecutionId]) -> Result<HashSet<ExecutionId>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let open: Vec<RunId> = prepared(sql_query(FIND_OPEN).bind::<Array<SqlUuid>, _>(&ids)).load(conn).await?;
    Ok(open.into_iter().map(RunId::execution).collect())
}
