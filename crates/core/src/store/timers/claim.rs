//! Rows of timers that are claimed.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::time::Duration;
use uuid::Uuid;

use crate::{
    domain::{
        fire::{Advance, DueTimer},
        id::{JobId, WorkspaceId},
        schedule::Schedule,
    },
    store::{
        Conn, StoreError,
        columns::{ScheduleColumns, millis, parse_enum},
        schema::job_timers,
        sql::{prepared_as, row},
    },
};

/// The resolution of Postgres's times: a fire that could not be planned is the first one after this much before it.
const TIME_RESOLUTION: TimeDelta = TimeDelta::microseconds(1);

row! {
    /// A timer that is claimed, and the time at which it was.
    struct TimerRow, timer_columns {
        job_timers { job_id: Uuid, workspace_id: Uuid, shard: i16, version: i32 }
        expression next_run_at: DateTime<Utc> as Timestamptz;
        job_timers {
            anchor_at: DateTime<Utc>, every_seconds: Option<i32>, cron: Option<String>, timezone: Option<String>,
            misfire_policy: String, catch_up_limit: i16,
        }
        expression now: DateTime<Utc> as Timestamptz;
        expression is_suspended: bool as Bool;
    }
}

impl TimerRow {
    fn into_timer(self) -> Result<DueTimer, StoreError> {
        let Self { every_seconds, cron, timezone, next_run_at, .. } = self;
        // Without a recurrence, this is the only fire.
        let run_at = (every_seconds.is_none() && cron.is_none()).then_some(next_run_at);
        Ok(DueTimer {
            job: JobId::from_uuid(self.job_id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            shard: self.shard,
            version: self.version,
            next_run_at,
            anchor: self.anchor_at,
            schedule: ScheduleColumns { every_seconds, cron, timezone, run_at }.schedule()?,
            misfire_policy: parse_enum("misfire_policy", &self.misfire_policy)?,
            catch_up_limit: self.catch_up_limit.unsigned_abs(),
            now: self.now,
            is_suspended: self.is_suspended,
            traceparent: None,
        })
    }
}

/// Claimed timers, and those of them that this version of TrigRun cannot read.
pub struct Claimed {
    pub due: Vec<DueTimer>,
    /// Set aside, so that they do not delay others: they are retried later, by a version of TrigRun that can read them.
    pub unreadable: Vec<(JobId, Advance)>,
}

impl Claimed {
    fn of(rows: Vec<TimerRow>) -> Self {
        let mut claimed = Self { due: Vec::with_capacity(rows.len()), unreadable: Vec::new() };
        for row in rows {
            let (job, next) = (JobId::from_uuid(row.job_id), row.next_run_at);
            match row.into_timer() {
                Ok(timer) => claimed.due.push(timer),
                Err(error) => {
                    tracing::error!(%job, %error, "cannot read a timer; its next fire waits for a newer TrigRun");
                    // The next fire after this is the one that could not be planned.
                    let after = next - TIME_RESOLUTION;
                    claimed.unreadable.push((job, Advance::Failed { after, error: error.to_string() }));
                }
            }
        }
        claimed
    }
}

/// Whether the workspace of a timer is suspended.
macro_rules! is_suspended {
    () => {
        "exists (select from workspaces w where w.id = job_timers.workspace_id and w.suspended_at is not null)"
    };
}

macro_rules! claim {
    ($window:literal) => {
        concat!(
            "select ",
            timer_columns!(
                next_run_at = "next_run_at",
                now = "clock_timestamp()",
                is_suspended = is_suspended!(),
            ),
            " from job_timers where ",
            $window,
            " order by next_run_at, job_id limit $2 for update skip locked"
        )
    };
}

pub async fn due(
    conn: &mut Conn,
    horizon: Duration,
    late: Duration,
    limit: i64,
) -> Result<Claimed, StoreError> {
    let rows: Vec<TimerRow> = prepared_as::<TimerRow, _>(
        sql_query(claim!(
            "next_run_at <= statement_timestamp() + $1 * interval '1 ms' and next_run_at > statement_timestamp() - $3 * interval '1 ms'"
        ))
        .bind::<BigInt, _>(millis(horizon))
        .bind::<BigInt, _>(limit)
        .bind::<BigInt, _>(millis(late)),
    )
    .load(conn)
    .await?;
    Ok(Claimed::of(rows))
}

pub async fn missed(
    conn: &mut Conn,
    late: Duration,
    after: DateTime<Utc>,
    limit: i64,
) -> Result<Claimed, StoreError> {
    let rows: Vec<TimerRow> = prepared_as::<TimerRow, _>(
        sql_query(claim!("next_run_at <= statement_timestamp() - $1 * interval '1 ms' and next_run_at > $3"))
            .bind::<BigInt, _>(millis(late))
            .bind::<BigInt, _>(limit)
            .bind::<Timestamptz, _>(after),
    )
    .load(conn)
    .await?;
    Ok(Claimed::of(rows))
}

/// The timer of this job if it is due by `now` and this version of TrigRun can read it. The caller has locked its row.
pub async fn overdue(
    conn: &mut Conn,
    job: JobId,
    now: DateTime<Utc>,
) -> Result<Option<DueTimer>, StoreError> {
    let row: Option<TimerRow> = prepared_as::<TimerRow, _>(
        sql_query(concat!(
            "select ",
            timer_columns!(next_run_at = "next_run_at", now = "$2", is_suspended = is_suspended!(),),
            " from job_timers where job_id = $1 and next_run_at <= $2",
        ))
        .bind::<SqlUuid, _>(job.uuid())
        .bind::<Timestamptz, _>(now),
    )
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.and_then(|row| row.into_timer().ok()))
}

/// Timers with a schedule error. Their `next_run_at` is the fire that the next one has to come after.
pub async fn failed(conn: &mut Conn, limit: i64) -> Result<Vec<DueTimer>, StoreError> {
    let rows: Vec<TimerRow> = prepared_as::<TimerRow, _>(
        sql_query(concat!(
            "select ",
            timer_columns!(
                next_run_at = "computed_after",
                now = "clock_timestamp()",
                is_suspended = is_suspended!(),
            ),
            " from job_timers where next_run_at is null order by job_id limit $1 for update skip locked",
        ))
        .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    // Unreadable timers stay as they are.
    let mut timers: Vec<DueTimer> = rows.into_iter().filter_map(|row| row.into_timer().ok()).collect();
    for timer in &mut timers {
        if let Schedule::Scheduled { run_at } = &mut timer.schedule {
            *run_at = timer.next_run_at + TIME_RESOLUTION;
        }
    }
    Ok(timers)
}
