//! The last executions of many jobs, in one statement.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    dsl::SqlTypeOf,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

use super::ID_MARGIN;
use crate::{
    domain::{
        execution::Status,
        id::{ExecutionId, JobId, WorkspaceId},
    },
    store::{Conn, StoreError, columns::parse_enum, schema::executions, sql::prepared},
};

/// An execution, as far as it shows how its job fares.
#[derive(Clone, Debug)]
pub struct Activity {
    pub id: ExecutionId,
    pub status: Status,
    pub scheduled_for: DateTime<Utc>,
    /// From the start of the first attempt to the end of the last.
    pub duration_us: Option<i64>,
    pub attempt_count: u16,
}

/// The executions of one table of job `j` between the ids `$4` and `$3`, at most `$5`, newest first. The job and the id are compared and
/// ordered together: see `executions::list`. `$and` leaves out partitions.
macro_rules! last_of {
    ($finished_at:literal, $table:literal, $and:literal) => {
        concat!(
            "select e.id, e.status, e.scheduled_for, e.started_at, ",
            $finished_at,
            " as finished_at, e.attempt_count
             from ",
            $table,
            " e where (e.job_id, e.id) < (j.id, $3) and (e.job_id, e.id) >= (j.id, $4)",
            $and,
            " and e.scheduled_for <= clock_timestamp() order by e.job_id desc, e.id desc limit $5"
        )
    };
}

/// The statement of [`activity`], for the test of its plan.
pub const ACTIVITY: &str = concat!(
    "select j.id as job_id, e.* from unnest($2::uuid[]) as named(id)
     join lateral (select j.id from jobs j where j.id = named.id and j.workspace_id = $1 limit 1) j on true
     left join lateral (
         select * from ((",
    last_of!("null::timestamptz", "runs", ""),
    ") union all (",
    last_of!("e.finished_at", "executions", " and e.id < $3 and e.id >= $4"),
    ")) e order by e.id desc limit $5) e on true"
);

/// A job, and one of its executions if it has any.
#[derive(QueryableByName)]
#[diesel(table_name = executions)]
struct ActivityRow {
    job_id: Uuid,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::id>>)]
    id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::status>>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::scheduled_for>>)]
    scheduled_for: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::finished_at>>)]
    finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlTypeOf<executions::attempt_count>>)]
    attempt_count: Option<i16>,
}

impl ActivityRow {
    fn into_activity(self) -> Result<Option<Activity>, StoreError> {
        let (Some(id), Some(status), Some(scheduled_for)) = (self.id, self.status, self.scheduled_for) else {
            return Ok(None);
        };
        let duration = self.started_at.zip(self.finished_at).map(|(started, finished)| finished - started);
        Ok(Some(Activity {
            id: ExecutionId::from_uuid(id),
            status: parse_enum("executions.status", &status)?,
            scheduled_for,
            duration_us: duration.and_then(|duration| duration.num_microseconds()),
            attempt_count: self.attempt_count.unwrap_or_default().unsigned_abs(),
        }))
    }
}

/// For those of these jobs that exist, their last `limit` executions that were due between `from` and `now`, newest first. The caller bounds
/// the number of jobs, and names each once.
pub async fn activity(
    conn: &mut Conn,
    workspace: WorkspaceId,
    jobs: &[JobId],
    (from, now): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<HashMap<JobId, Vec<Activity>>, StoreError> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.uuid()).collect();
    let rows: Vec<ActivityRow> = prepared(
        sql_query(ACTIVITY)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(now + ID_MARGIN))
            .bind::<SqlUuid, _>(ExecutionId::lower_bound(from - ID_MARGIN))
            .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    let mut by_job: HashMap<JobId, Vec<Activity>> = HashMap::new();
    for row in rows {
        let of_job = by_job.entry(JobId::from_uuid(row.job_id)).or_default();
        of_job.extend(row.into_activity()?);
    }
    for of_job in by_job.values_mut() {
        of_job.sort_unstable_by_key(|one| std::cmp::Reverse(one.id));
    }
    Ok(by_job)
}
