//! The timers of a workspace's active jobs, to compute what will fire.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::{
        id::{JobId, WorkspaceId},
        timer::{StoredSchedule, Timer},
    },
    store::{Conn, StoreError, sql::prepared},
};

/// How many jobs one statement reads.
pub const ACTIVE_BATCH: i64 = 5000;

/// The timers of `$jobs`, each found by its key: the table of timers has those of all workspaces. The last job that was read
/// has a row even if it has no timer or does not match.
macro_rules! select_timers {
    ($jobs:literal) => {
        concat!(
            "select j.id, j.version, j.is_last, t.next_run_at, t.anchor_at, t.every_seconds, t.cron, t.timezone, j.host
             from (",
            $jobs,
            ") j
             left join lateral (select * from job_timers t where t.job_id = j.id limit 1) t on j.matches
             where t.next_run_at is not null or j.is_last"
        )
    };
}

/// The statement of [`active`], for the test of its plan.
pub const ACTIVE: &str = select_timers!(
    "select id, version, host, number = $4 as is_last, case when $3 = any(tags) then true else $3::text is null end as matches
     from (select j.*, row_number() over () as number
           from (select id, version, host, tags from jobs where (workspace_id, id) > ($1, $2) and workspace_id <= $1
                 order by workspace_id, id limit $4) j) j"
);

const ACTIVE_JOB: &str = select_timers!(
    "select id, version, host, false as is_last, case when $3 = any(tags) then true else $3::text is null end as matches
     from jobs where workspace_id = $1 and id = $2"
);

#[derive(QueryableByName)]
struct ActiveRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Bool)]
    is_last: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    next_run_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    anchor_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Integer>)]
    every_seconds: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    cron: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    timezone: Option<String>,
    #[diesel(sql_type = Text)]
    host: String,
}

impl ActiveRow {
    fn into_timer(self) -> Option<Timer> {
        let next_run_at = self.next_run_at?;
        let schedule = match (self.every_seconds, self.cron) {
            (Some(seconds), _) => StoredSchedule::Every { seconds: seconds.unsigned_abs() },
            (None, Some(expression)) => StoredSchedule::Cron {
                expression,
                timezone: self.timezone.unwrap_or_else(|| "UTC".to_owned()),
            },
            // Without a recurrence, this is the only fire.
            (None, None) => StoredSchedule::Once { run_at: next_run_at },
        };
        Some(Timer {
            job: JobId::from_uuid(self.id),
            version: self.version,
            next_run_at,
            anchor: self.anchor_at?,
            schedule,
            host: self.host,
        })
    }
}

/// Timers of some of the jobs.
#[derive(Debug, Default)]
pub struct ActiveTimers {
    /// Sorted by job.
    pub timers: Vec<Timer>,
    /// The last job that was read, if there may be more.
    pub next: Option<JobId>,
}

/// The timers of the next `limit` jobs after `after`, at most [`ACTIVE_BATCH`]; jobs without the tag or without a next fire are left out.
pub async fn active(
    conn: &mut Conn,
    workspace: WorkspaceId,
    tag: Option<&str>,
    after: Option<JobId>,
    limit: i64,
) -> Result<ActiveTimers, StoreError> {
    let rows: Vec<ActiveRow> = prepared(
        sql_query(ACTIVE)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(after.map_or(Uuid::nil(), JobId::uuid))
            .bind::<Nullable<Text>, _>(tag)
            .bind::<BigInt, _>(limit.min(ACTIVE_BATCH)),
    )
    .load(conn)
    .await?;
    let next = rows.iter().find(|row| row.is_last).map(|row| JobId::from_uuid(row.id));
    let mut timers: Vec<Timer> = rows.into_iter().filter_map(ActiveRow::into_timer).collect();
    timers.sort_unstable_by_key(|timer| timer.job);
    Ok(ActiveTimers { timers, next })
}

/// The timer of one job, if it has the tag and a next fire.
pub async fn active_job(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    tag: Option<&str>,
) -> Result<Option<Timer>, StoreError> {
    let rows: Vec<ActiveRow> = prepared(
        sql_query(ACTIVE_JOB)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(job.uuid())
            .bind::<Nullable<Text>, _>(tag),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().find_map(ActiveRow::into_timer))
}
