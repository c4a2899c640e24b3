//! Which jobs a request with an idempotency key has created.
//!
//! A *group* is the jobs that one request has created: an import or a batch. It has one key, and each of its jobs a key of its own: that of the
//! group, a separator and the number of the job.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    NewJob, insert_all, job_columns, last_run, pause::pause_columns, planned_run, row::JobRow, select_jobs,
};
use crate::{
    domain::{
        crontab::MAX_ENTRIES,
        id::{ExecutionId, JobId, WorkspaceId},
        job::Job,
    },
    store::{Conn, StoreError, schema::jobs, sql::prepared},
};

/// No key that a client sends contains it, so the key of a job of a group is never that of a single job.
const SEPARATOR: char = '\u{1f}';

/// A job that was created under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentJob {
    pub id: JobId,
    /// Of the body of the request that created it.
    pub request_digest: Option<Vec<u8>>,
}

/// The job that was created under this key.
pub async fn find_by_idempotency_key(
    conn: &mut Conn,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Option<IdempotentJob>, StoreError> {
    let found: Option<(Uuid, Option<Vec<u8>>)> = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::idempotency_key.eq(key))
        .select((jobs::id, jobs::request_digest))
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(id, request_digest)| IdempotentJob { id: JobId::from_uuid(id), request_digest }))
}

/// The key of a job of a group. Its number is that of the line of an import, or the index in a batch.
pub fn key_in_group(group: &str, number: usize) -> String {
    format!("{group}{SEPARATOR}{number}")
}

/// Creates the jobs of a group, all or none. Returns the execution of each, as [`insert_all`] does. [`StoreError::Conflict`] `group_key` if a
/// group with this key has created jobs before.
pub async fn insert_group(
    conn: &mut Conn,
    workspace: WorkspaceId,
    key: Option<&str>,
    all: &[NewJob<'_>],
    max: Option<u32>,
) -> Result<Vec<Option<ExecutionId>>, StoreError> {
    let Some(key) = key else { return insert_all(conn, workspace, all, max).await };
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // Two groups may have no number in common, so no constraint would stop the second.
        let lock = sql_query("select pg_advisory_xact_lock(hashtextextended($1 || $2, 0))");
        let lock = lock.bind::<Text, _>(workspace.uuid().to_string()).bind::<Text, _>(key);
        prepared(lock).execute(conn).await?;
        let (first, end) = keys_of_group(key);
        let created: i64 = jobs::table
            .filter(jobs::workspace_id.eq(workspace.uuid()))
            .filter(jobs::idempotency_key.ge(first))
            .filter(jobs::idempotency_key.lt(end))
            .count()
            .get_result(conn)
            .await?;
        if created > 0 {
            return Err(StoreError::conflict("group_key"));
        }
        insert_all(conn, workspace, all, max).await
    })
    .await
}

/// From the first possible key, up to one that is no longer of the group.
fn keys_of_group(key: &str) -> (String, String) {
    (format!("{key}{SEPARATOR}"), format!("{key} "))
}

/// A job of a group, as it is now.
#[derive(Clone, Debug)]
pub struct GroupedJob {
    /// See [`key_in_group`].
    pub number: usize,
    pub job: Job,
    /// Of the body of the request.
    pub request_digest: Option<Vec<u8>>,
}

#[derive(QueryableByName)]
struct GroupedRow {
    #[diesel(embed)]
    job: JobRow,
    #[diesel(sql_type = Text)]
    idempotency_key: String,
    #[diesel(sql_type = diesel::dsl::SqlTypeOf<jobs::request_digest>)]
    request_digest: Option<Vec<u8>>,
}

/// The jobs of the group with this key that still exist, in the order of their numbers.
pub async fn find_group(
    conn: &mut Conn,
    workspace: WorkspaceId,
    key: &str,
    now: DateTime<Utc>,
) -> Result<Vec<GroupedJob>, StoreError> {
    let (first, end) = keys_of_group(key);
    let rows: Vec<GroupedRow> = prepared(
        sql_query(select_jobs!(
            "v.body",
            "select * from jobs where workspace_id = $1 and idempotency_key >= $3 and idempotency_key < $4 limit $5",
            ", j.idempotency_key, j.request_digest",
            "j.id"
        ))
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(now))
        .bind::<Text, _>(first)
        .bind::<Text, _>(end)
        .bind::<BigInt, _>(MAX_ENTRIES as i64),
    )
    .load(conn)
    .await?;
    let grouped = |GroupedRow { job, idempotency_key, request_digest }| {
        let number =
            idempotency_key.rsplit(SEPARATOR).next().and_then(|number| number.parse().ok()).unwrap_or(0);
        Ok(GroupedJob { number, job: job.into_job()?, request_digest })
    };
    let mut jobs = rows.into_iter().map(grouped).collect::<Result<Vec<_>, StoreError>>()?;
    jobs.sort_by_key(|grouped| grouped.number);
    Ok(jobs)
}
