//! Jobs one after the other, in the order of their creation.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::id::{JobId, WorkspaceId},
    store::{Conn, StoreError, schema::jobs, sql::prepared},
};

/// The next jobs after `after`, at most `limit`.
pub async fn after(
    conn: &mut Conn,
    workspace: WorkspaceId,
    after: Option<JobId>,
    limit: i64,
) -> Result<Vec<JobId>, StoreError> {
    let ids: Vec<Uuid> = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::id.gt(after.map_or(Uuid::nil(), JobId::uuid)))
        .order((jobs::workspace_id, jobs::id))
        .limit(limit)
        .select(jobs::id)
        .load(conn)
        .await?;
    Ok(ids.into_iter().map(JobId::from_uuid).collect())
}

/// How many jobs come after `after`; counting stops at `max`.
pub async fn count_after(
    conn: &mut Conn,
    workspace: WorkspaceId,
    after: Option<JobId>,
    max: i64,
) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count: Count = prepared(
        sql_query(
            "select count(*) as count from (
                 select from jobs where (workspace_id, id) > ($1, $2) and workspace_id <= $1 order by workspace_id, id limit $3) j",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(after.map_or(Uuid::nil(), JobId::uuid))
        .bind::<BigInt, _>(max),
    )
    .get_result(conn)
    .await?;
    Ok(count.count)
}
