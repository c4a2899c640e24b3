//! The versions of a job: what it was, since when, and who wrote it.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    dsl::SqlTypeOf,
    sql_query,
    sql_types::{BigInt, Integer, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{job_columns, pause::pause_columns, row::JobRow};
use crate::{
    domain::{
        audit::Actor,
        id::{JobId, WorkspaceId},
        job::Definition,
    },
    store::{Conn, StoreError, schema::job_versions, sql::prepared},
};

/// A version of a job.
#[derive(Clone, Debug)]
pub struct JobVersion {
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub by: Actor,
    /// Key and stack are those that the job has now: they are not versioned.
    pub definition: Definition,
}

#[derive(QueryableByName)]
#[diesel(table_name = job_versions)]
struct Row {
    #[diesel(embed)]
    job: JobRow,
    #[diesel(sql_type = SqlTypeOf<job_versions::version>)]
    number: i32,
    #[diesel(sql_type = SqlTypeOf<job_versions::created_at>)]
    written_at: DateTime<Utc>,
    actor: String,
    actor_id: Option<Uuid>,
    actor_name: Option<String>,
}

/// Up to `limit` versions, from `newest` downwards. Each comes with the body of its request. [`StoreError::NotFound`] without the job.
pub async fn versions(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    newest: i32,
    limit: i64,
) -> Result<Vec<JobVersion>, StoreError> {
    let rows: Vec<Row> = prepared(
        sql_query(concat!(
            "select ",
            job_columns!("v.body"),
            ", null::timestamptz as next_run_at, null::text as schedule_error, null::uuid as last_id, null::text as last_status,
                    null::timestamptz as last_scheduled_for, null::bigint as failures_in_a_row, null::timestamptz as health_since, ",
            pause_columns!(),
            ", v.version as number, v.created_at as written_at, v.actor, v.actor_id,
                    v.actor_name
             from jobs j join job_versions v on v.job_id = j.id left join lateral (
                 select * from pauses p where p.job_id = j.id limit 1) p on true
             where j.workspace_id = $1 and j.id = $2 and v.version <= $3 order by v.version desc limit $4",
        ))
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<Integer, _>(newest)
        .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    if rows.is_empty() {
        return Err(StoreError::NotFound);
    }
    let version = |Row { job, number, written_at, actor, actor_id, actor_name }| {
        let by = Actor::from_columns(&actor, actor_id, actor_name);
        Ok(JobVersion { version: number, created_at: written_at, by, definition: job.into_job()?.definition })
    };
    rows.into_iter().map(version).collect()
}

/// Deletes up to `limit` versions that were replaced before `oldest`; returns how many. `oldest` is a day before the oldest execution that is
/// kept, which may have a version that was replaced while its fire was planned. An open execution keeps its version and all later ones, so that
/// those of a job have no gaps.
pub async fn purge_versions(conn: &mut Conn, oldest: DateTime<Utc>, limit: i64) -> Result<usize, StoreError> {
    let statement = sql_query(
        "delete from job_versions where (job_id, version) in (
             select v.job_id, v.version from job_versions v
             where v.replaced_at < $1
               and not exists (select from runs r where r.job_id = v.job_id and r.version <= v.version)
             order by v.replaced_at limit $2 for update of v skip locked)",
    )
    .bind::<Timestamptz, _>(oldest)
    .bind::<BigInt, _>(limit);
    Ok(prepared(statement).execute(conn).await?)
}
