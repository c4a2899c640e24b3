//! Executions that have ended, in the order in which they were recorded: for those who follow them.
//!
//! Transactions commit in another order than they begin. What a transaction recorded is read once all that began before it have ended, so
//! that nothing is recorded later in a part that has been read.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    list::add_earlier_attempts,
    row::{ExecutionRow, authority, execution_columns},
};
use crate::{
    domain::{execution::Execution, id::WorkspaceId},
    store::{Conn, StoreError, sql::prepared},
};

/// All transactions before this one have ended.
pub async fn settled(conn: &mut Conn) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Settled {
        #[diesel(sql_type = BigInt)]
        settled: i64,
    }
    let settled: Settled =
        prepared(sql_query("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as settled"))
            .get_result(conn)
            .await?;
    Ok(settled.settled)
}

/// The statement of [`ended`], for the test of its plan. Only the order of recording is searched: with the workspaces beside it, Postgres
/// might read all that they have.
pub const ENDED: &str = concat!(
    "select coalesce((select j.name from jobs j where j.id = e.job_id), '') as job_name, ",
    authority!(),
    " as authority, e.*
     from (select ",
    execution_columns!(),
    ", e.recorded_in from executions e where e.recorded_in >= $1 and e.recorded_in < $2 offset 0) e
     where e.workspace_id = any($3) order by e.recorded_in, e.id limit $4"
);

/// Executions of these workspaces that transactions in `[from, to)` recorded, at most `limit`, without attempts.
pub async fn ended(
    conn: &mut Conn,
    workspaces: &[WorkspaceId],
    (from, to): (i64, i64),
    limit: usize,
) -> Result<Vec<Execution>, StoreError> {
    let workspaces: Vec<Uuid> = workspaces.iter().map(|workspace| workspace.uuid()).collect();
    let mut rows: Vec<ExecutionRow> = prepared(
        sql_query(ENDED)
            .bind::<BigInt, _>(from)
            .bind::<BigInt, _>(to)
            .bind::<Array<SqlUuid>, _>(workspaces)
            .bind::<BigInt, _>(limit as i64),
    )
    .load(conn)
    .await?;
    add_earlier_attempts(conn, &mut rows).await?;
    rows.into_iter().map(ExecutionRow::into_execution).collect()
}
