//! The hosts that jobs call.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;

use crate::{
    domain::id::WorkspaceId,
    store::{Conn, StoreError, sql::prepared},
};

/// A host that jobs call.
#[derive(QueryableByName)]
pub struct CalledHost {
    #[diesel(sql_type = Text)]
    pub host: String,
    #[diesel(sql_type = BigInt)]
    pub jobs: i64,
    #[diesel(sql_type = BigInt)]
    pub active: i64,
    /// Jobs whose last execution failed.
    #[diesel(sql_type = BigInt)]
    pub failing: i64,
}

/// The statement of [`called_hosts`], for the test of its plan.
pub const CALLED_HOSTS: &str = "
    select j.host, count(*) as jobs, count(*) filter (where j.state = 'active') as active, count(h.job_id) as failing
    from (select id, host, state from jobs where workspace_id = $1 order by workspace_id desc, id desc limit $2) j
    left join lateral (select h.job_id from job_health h where h.job_id = j.id and h.state = 'failing' limit 1) h on true
    group by j.host order by 2 desc, 1 limit $3";

/// The hosts that most of the newest `max_jobs` jobs call, at most `limit`.
pub async fn called_hosts(
    conn: &mut Conn,
    workspace: WorkspaceId,
    max_jobs: i64,
    limit: i64,
) -> Result<Vec<CalledHost>, StoreError> {
    let hosts = prepared(
        sql_query(CALLED_HOSTS)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<BigInt, _>(max_jobs)
            .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    Ok(hosts)
}
