//! The health of jobs: a row for each job that has failed.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use crate::{
    domain::{
        execution::Status,
        id::{ExecutionId, JobId, WorkspaceId},
        statistics::{Failure, Health, Recorded},
    },
    store::{Conn, StoreError, notifications::Decided, sql::prepared},
};

#[derive(QueryableByName)]
struct HealthRow {
    #[diesel(sql_type = SqlUuid)]
    job_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    since: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    failures_in_a_row: i64,
    #[diesel(sql_type = Timestamptz)]
    failed_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    error_class: String,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status_code: Option<i16>,
    #[diesel(sql_type = SqlUuid)]
    execution_id: Uuid,
}

impl HealthRow {
    fn into_health(self) -> (JobId, Health) {
        let last_failure = Failure {
            execution: ExecutionId::from_uuid(self.execution_id),
            at: self.failed_at,
            error_class: self.error_class,
            status_code: self.status_code,
        };
        let Self { job_id, since, failures_in_a_row, .. } = self;
        (JobId::from_uuid(job_id), Health { failures_in_a_row, since, last_failure })
    }
}

/// Applies these ends, which are in the order in which they were recorded. Returns those that decide, each with the failures before it.
pub async fn write<'a>(conn: &mut Conn, ends: &'a [Recorded]) -> Result<Vec<Decided<'a>>, StoreError> {
    let decides = |end: &&Recorded| matches!(end.status, Status::Succeeded | Status::Failed);
    let known = find(conn, ends.iter().filter(decides).map(|end| end.job.uuid()).collect()).await?;
    let mut changed: HashMap<JobId, (WorkspaceId, Health)> = HashMap::new();
    let mut decided = Vec::new();
    for end in ends.iter().filter(decides) {
        let before = changed.get(&end.job).map(|(_, health)| health).or_else(|| known.get(&end.job));
        let before = before.cloned();
        let failures = before.as_ref().map_or(0, |health| health.failures_in_a_row);
        decided.push(Decided { end, failures: u32::try_from(failures).unwrap_or(u32::MAX) });
        if let Some(after) = Health::after(before.clone(), end).filter(|after| before.as_ref() != Some(after))
        {
            changed.insert(end.job, (end.workspace, after));
        }
    }
    let mut changed: Vec<_> = changed.into_iter().collect();
    // In one order, so that no two transactions wait for each other's rows.
    changed.sort_unstable_by_key(|(job, _)| *job);
    upsert(conn, &changed).await?;
    Ok(decided)
}

async fn find(conn: &mut Conn, jobs: HashSet<Uuid>) -> Result<HashMap<JobId, Health>, StoreError> {
    let rows: Vec<HealthRow> = prepared(
        sql_query(
            "select h.* from unnest($1::uuid[]) as wanted(id)
             join lateral (select job_id, since, failures_in_a_row, failed_at, error_class, status_code, execution_id
                           from job_health h where h.job_id = wanted.id limit 1) h on true",
        )
        .bind::<Array<SqlUuid>, _>(jobs.into_iter().collect::<Vec<_>>()),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(HealthRow::into_health).collect())
}

type Changed = (JobId, (WorkspaceId, Health));

fn column<'a, T>(changed: &'a [Changed], value: impl Fn(&'a Health) -> T) -> Vec<T> {
    changed.iter().map(|(_, (_, health))| value(health)).collect()
}

/// A job that has been deleted gets no row.
async fn upsert(conn: &mut Conn, changed: &[Changed]) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let ids = |id: fn(&Changed) -> Uuid| changed.iter().map(id).collect::<Vec<_>>();
    prepared(
        sql_query(
            "insert into job_health (job_id, workspace_id, state, since, failures_in_a_row, failed_at, error_class, status_code,
                                     execution_id)
             select h.* from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[], $6::timestamptz[],
                                    $7::text[], $8::smallint[], $9::uuid[])
               as h(job_id, workspace_id, state, since, failures_in_a_row, failed_at, error_class, status_code, execution_id)
             join lateral (select from jobs j where j.id = h.job_id limit 1) j on true
             on conflict (job_id) do update set
               state = excluded.state, since = excluded.since, failures_in_a_row = excluded.failures_in_a_row,
               failed_at = excluded.failed_at, error_class = excluded.error_class, status_code = excluded.status_code,
               execution_id = excluded.execution_id",
        )
        .bind::<Array<SqlUuid>, _>(ids(|(job, _)| job.uuid()))
        .bind::<Array<SqlUuid>, _>(ids(|(_, (workspace, _))| workspace.uuid()))
        .bind::<Array<Text>, _>(column(changed, |health| health.state().as_str()))
        .bind::<Array<Timestamptz>, _>(column(changed, |health| health.since))
        .bind::<Array<BigInt>, _>(column(changed, |health| health.failures_in_a_row))
        .bind::<Array<Timestamptz>, _>(column(changed, |health| health.last_failure.at))
        .bind::<Array<Text>, _>(column(changed, |health| health.last_failure.error_class.as_str()))
        .bind::<Array<Nullable<SmallInt>>, _>(column(changed, |health| health.last_failure.status_code))
        .bind::<Array<SqlUuid>, _>(column(changed, |health| health.last_failure.execution.uuid())),
    )
    .execute(conn)
    .await?;
    Ok(())
}
