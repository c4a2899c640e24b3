//! Quotas: how many jobs, tokens, members and channels a workspace may have.
//!
//! A quota is checked after the insertion, in its transaction. The count takes the row lock of the workspace, which serialises concurrent counts.
//! Without a quota, no lock is taken. The time of a count grows with the quota (10,000 index entries take about a millisecond), so a plan
//! with more than about 100,000 jobs should have no limit.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError, sql::prepared};
use crate::domain::id::{ExecutionId, WorkspaceId};

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    Jobs,
    Tokens,
    /// With the users who are invited.
    Members,
    Channels,
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
        Counted::Members => {
            "select count(*) as count from (
                 select from members where workspace_id = $1
                 union all select from invitations where workspace_id = $1 and expires_at > now() limit $2 + 1) c"
        }
        Counted::Channels => {
            "select count(*) as count from (select from channels where workspace_id = $1 limit $2 + 1) c"
        }
    };
    let counted: Count =
        prepared(sql_query(count).bind::<SqlUuid, _>(workspace.uuid()).bind::<BigInt, _>(max))
            .get_result(conn)
            .await?;
    if counted.count > max { Err(StoreError::conflict("quota")) } else { Ok(()) }
}

/// What a workspace uses.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Used {
    #[diesel(sql_type = BigInt)]
    pub jobs: i64,
    #[diesel(sql_type = BigInt)]
    pub tokens: i64,
    /// Executions whose time a client chose, requested since then.
    #[diesel(sql_type = BigInt)]
    pub requested: i64,
    /// With the users who are invited.
    #[diesel(sql_type = BigInt)]
    pub members: i64,
    #[diesel(sql_type = BigInt)]
    pub channels: i64,
}

/// The statement of [`used`], for the test of its plan.
pub const USED: &str = "
    select (select count(*) from (select from jobs where workspace_id = $1 limit $2) j) as jobs,
           (select count(*) from (select from tokens where workspace_id = $1 limit $2) t) as tokens,
           (select count(*) from (select from runs where workspace_id = $1 and source <> 'schedule'
              and source in ('manual', 'one_time', 'replay') and id >= $3 limit $2) r)
           + (select count(*) from (select from executions where workspace_id = $1 and source <> 'schedule'
              and source in ('manual', 'one_time', 'replay') and id >= $3 limit $2) e) as requested,
           (select count(*) from (select from members where workspace_id = $1
              union all select from invitations where workspace_id = $1 and expires_at > now() limit $2) m) as members,
           (select count(*) from (select from channels where workspace_id = $1 limit $2) c) as channels";

/// Counts what the workspace uses; each count stops at `max`.
pub async fn used(
    conn: &mut Conn,
    workspace: WorkspaceId,
    since: DateTime<Utc>,
    max: i64,
) -> Result<Used, StoreError> {
    let used = prepared(
        sql_query(USED)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<BigInt, _>(max)
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(since)),
    )
    .get_result(conn)
    .await?;
    Ok(used)
}
