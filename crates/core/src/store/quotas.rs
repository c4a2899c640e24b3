//! Quotas: how many jobs or tokens a workspace may have.
//!
//! Checked after the insertion, in its transaction. The count takes the row lock of the workspace, which serialises concurrent counts.
//! Without a quota, no lock is taken. The time of a count grows with the quota (10,000 index entries take about a millisecond), so a plan
//! with more than about 100,000 jobs should have no limit.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError, sql::prepared};
use crate::domain::id::WorkspaceId;

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    Jobs,
    Tokens,
}

/// [`StoreError::Conflict`] `quota` if there are more than `max` now.
pub(super) async fn check(
    conn: &mut Conn,
    workspace: WorkspaceId,
    counted: Counted,
    max: Option<u32>,
) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let Some(max) = max.map(i64::from) else { return Ok(()) };
    prepared(
        sql_query("select from workspaces where id = $1 for no key update")
            .bind::<SqlUuid, _>(workspace.uuid()),
    )
    .execute(conn)
    .await?;
    // Stops counting one above the limit.
    let count = match counted {
        Counted::Jobs => {
            "select count(*) as count from (select from jobs where workspace_id = $1 limit $2 + 1) c"
        }
        Counted::Tokens => {
            "select count(*) as count from (select from tokens where workspace_id = $1 limit $2 + 1) c"
        }
    };
    let counted: Count =
        prepared(sql_query(count).bind::<SqlUuid, _>(workspace.uuid()).bind::<BigInt, _>(max))
            .get_result(conn)
            .await?;
    if counted.count > max { Err(StoreError::conflict("quota")) } else { Ok(()) }
}
