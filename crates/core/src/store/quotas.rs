//! Quotas: how many of something a workspace may have.
//!
//! Checked after the insertion, in its transaction: whoever counts holds the workspace's row, so that a hundred who come at once
//! are counted one after the other. Without a quota nobody waits for anybody. Counting takes time by the size of the quota (10,000 rows of an
//! index in about a millisecond), so a plan with more than some 100,000 jobs is better one without limit.

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

/// [`StoreError::Conflict`] `quota` when there are more than `most` now.
pub(super) async fn check(
    conn: &mut Conn,
    workspace: WorkspaceId,
    counted: Counted,
    most: Option<u32>,
) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let Some(most) = most.map(i64::from) else { return Ok(()) };
    prepared(
        sql_query("select from workspaces where id = $1 for no key update")
            .bind::<SqlUuid, _>(workspace.uuid()),
    )
    .execute(conn)
    .await?;
    // Not one further than it matters.
    let count = match counted {
        Counted::Jobs => {
            "select count(*) as count from (select from jobs where workspace_id = $1 limit $2 + 1) c"
        }
        Counted::Tokens => {
            "select count(*) as count from (select from tokens where workspace_id = $1 limit $2 + 1) c"
        }
    };
    let there: Count =
        prepared(sql_query(count).bind::<SqlUuid, _>(workspace.uuid()).bind::<BigInt, _>(most))
            .get_result(conn)
            .await?;
    if there.count > most { Err(StoreError::conflict("quota")) } else { Ok(()) }
}
