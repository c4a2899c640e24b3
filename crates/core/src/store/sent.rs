//! What an attempt has sent: its number, and the version of the job that its execution ran.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    dsl::SqlTypeOf,
    sql_query,
    sql_types::{Nullable, SmallInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        sent_request::SentAttempt,
    },
    store::{
        Conn, StoreError,
        jobs::row::RequestRow,
        schema::{earlier_attempts, executions},
        sql::prepared,
    },
};

#[derive(QueryableByName)]
#[diesel(table_name = executions)]
struct SentRow {
    job_id: Uuid,
    scheduled_for: DateTime<Utc>,
    depth: i16,
    #[diesel(sql_type = SqlTypeOf<earlier_attempts::number>)]
    number: i16,
    http_version: Option<String>,
    #[diesel(embed)]
    request: RequestRow,
}

/// This attempt of an execution, or the last one. [`StoreError::NotFound`] if it has not had so many.
pub async fn get(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ExecutionId,
    number: Option<u16>,
) -> Result<SentAttempt, StoreError> {
    let row: SentRow = prepared(
        sql_query(
            "select e.job_id, e.scheduled_for, e.depth, e.number, a.http_version,
                    v.url, v.method, v.headers, v.body, v.body_is_json, v.timeout_seconds, v.success_statuses
             from (
                 select job_id, version, scheduled_for, depth, attempt_count, coalesce($3, attempt_count) as number from all_executions
                 where id = $2 and workspace_id = $1) e
             join job_versions v on v.job_id = e.job_id and v.version = e.version
             left join (select number, http_version from attempts where execution_id = $2) a on a.number = e.number
             where e.number between 1 and e.attempt_count",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<Nullable<SmallInt>, _>(number.map(|number| i16::try_from(number).unwrap_or(i16::MAX))),
    )
    .get_result(conn)
    .await?;
    Ok(SentAttempt {
        execution: id,
        job: JobId::from_uuid(row.job_id),
        scheduled_for: row.scheduled_for,
        depth: row.depth,
        number: row.number.unsigned_abs(),
        http_version: row.http_version,
        request: row.request.into_request()?,
    })
}
