//! Timers: when each active job fires next. The scheduler's `plan` advances them; a change of the job sets them again.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

mod active;
mod claim;

pub use active::{ACTIVE, ACTIVE_BATCH, ActiveTimers, active, active_job};

use super::{
    Conn, StoreError,
    columns::ScheduleColumns,
    executions::{self, Publisher, Repeated},
    schema::job_timers,
    sql::prepared,
};
use crate::domain::{
    dispatch::Dispatch,
    fire::{self, Advance, DueTimer, FireDecision, Planned},
    id::{ExecutionId, JobId, WorkspaceId},
    job::Definition,
    workspace::{Suspension, shard},
};

/// A new timer, for `insert_into(job_timers)`.
#[derive(Insertable)]
#[diesel(table_name = job_timers, treat_none_as_default_value = false)]
pub(super) struct NewTimer {
    job_id: Uuid,
    workspace_id: Uuid,
    shard: i16,
    version: i32,
    next_run_at: DateTime<Utc>,
    anchor_at: DateTime<Utc>,
    every_seconds: Option<i32>,
    cron: Option<String>,
    timezone: Option<String>,
    misfire_policy: &'static str,
    catch_up_limit: i16,
}

impl NewTimer {
    pub fn new(
        (workspace, job): (WorkspaceId, JobId),
        version: i32,
        definition: &Definition,
        anchor: DateTime<Utc>,
        next: DateTime<Utc>,
    ) -> Self {
        let ScheduleColumns { every_seconds, cron, timezone, .. } = (&definition.schedule).into();
        Self {
            job_id: job.uuid(),
            workspace_id: workspace.uuid(),
            shard: shard(workspace),
            version,
            next_run_at: next,
            anchor_at: anchor,
            every_seconds,
            cron,
            timezone,
            misfire_policy: definition.misfire_policy.as_str(),
            catch_up_limit: definition.catch_up_limit as i16,
        }
    }
}

/// Keeps the fires, for a new version.
pub(super) async fn keep(
    conn: &mut Conn,
    job: JobId,
    version: i32,
    definition: &Definition,
) -> Result<(), StoreError> {
    diesel::update(job_timers::table.find(job.uuid()))
        .set((
            job_timers::version.eq(version),
            job_timers::misfire_policy.eq(definition.misfire_policy.as_str()),
            job_timers::catch_up_limit.eq(definition.catch_up_limit as i16),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Waits for a scheduler that is planning the job, and keeps others from it. A job that does not fire has no timer.
pub(super) async fn lock(conn: &mut Conn, job: JobId) -> Result<(), StoreError> {
    prepared(sql_query("select from job_timers where job_id = $1 for update").bind::<SqlUuid, _>(job.uuid()))
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn remove(conn: &mut Conn, job: JobId) -> Result<(), StoreError> {
    diesel::delete(job_timers::table.find(job.uuid())).execute(conn).await?;
    Ok(())
}

/// The result of a round of planning.
#[derive(Debug, Default)]
pub struct Round {
    /// Advanced timers. As long as there are some, there may be more.
    pub timers: usize,
    /// Newly recorded fires, to be published.
    pub to_publish: Vec<Dispatch>,
    /// Fires that were skipped, except those of suspended workspaces.
    pub skipped: usize,
    /// Of suspended workspaces.
    pub suspended: usize,
}

/// Which timers a round claims.
#[derive(Clone, Copy, Debug)]
pub enum PlanningWindow {
    /// Those that fire within `horizon`, or should have fired at most `late` ago.
    ///
    /// The lower bound keeps the scan from reading index entries that earlier fires left behind.
    Due { horizon: Duration, late: Duration },
    /// Those that should have fired more than `late` ago, but not before `after`: see [`LowerBound`](super::lower_bound::LowerBound).
    Missed { late: Duration, after: DateTime<Utc> },
}

/// Claims timers, records their fires as `decide` says and advances the timers, in one transaction: a fire is recorded if and only if its
/// timer has advanced past it. Several schedulers may do so at once; each timer is claimed by one.
pub async fn record_fires(
    conn: &mut Conn,
    window: PlanningWindow,
    limit: i64,
    decide: impl Fn(DueTimer) -> FireDecision + Send + Sync,
) -> Result<Round, StoreError> {
    match round(conn, window, limit, &decide, Repeated::Fail).await {
        // An operator set timers back.
        Err(error) if executions::is_repeated(&error) => {
            round(conn, window, limit, &decide, Repeated::Stay).await
        }
        done => done,
    }
}

async fn round(
    conn: &mut Conn,
    window: PlanningWindow,
    limit: i64,
    decide: &(impl Fn(DueTimer) -> FireDecision + Send + Sync),
    repeated: Repeated,
) -> Result<Round, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let claim::Claimed { due, unreadable } = match window {
            PlanningWindow::Due { horizon, late } => claim::due(conn, horizon, late, limit).await?,
            PlanningWindow::Missed { late, after } => claim::missed(conn, late, after, limit).await?,
        };
        if due.is_empty() && unreadable.is_empty() {
            return Ok(Round::default());
        }
        let timers = due.len() + unreadable.len();
        if !unreadable.is_empty() {
            advance(conn, &unreadable).await?;
        }
        let (fires, new) = record_all(conn, due, decide, Publisher::ByCaller, repeated).await?;
        let skips = fires.iter().filter_map(|fire| fire.skipped.as_ref());
        let (suspended, skipped): (Vec<_>, Vec<_>) =
            skips.partition(|skip| skip.reason == Suspension::SKIP_REASON);
        let (suspended, skipped) = (suspended.len(), skipped.len());
        let to_publish = fires
            .into_iter()
            .filter(|fire| fire.skipped.is_none() && new.contains(&fire.id))
            .map(Planned::dispatch);
        Ok(Round { timers, to_publish: to_publish.collect(), skipped, suspended })
    })
    .await
}

/// Records the fires of these timers, and advances them. Returns the fires, and which of them are new.
async fn record_all(
    conn: &mut Conn,
    due: Vec<DueTimer>,
    decide: impl Fn(DueTimer) -> FireDecision,
    publisher: Publisher,
    repeated: Repeated,
) -> Result<(Vec<Planned>, HashSet<ExecutionId>), StoreError> {
    let mut fires = Vec::with_capacity(due.len());
    let mut moves = Vec::with_capacity(due.len());
    for timer in due {
        let job = timer.job;
        let decision = decide(timer);
        fires.extend(decision.fires);
        moves.push((job, decision.advance));
    }
    advance(conn, &moves).await?;
    let new = executions::insert_planned(conn, &fires, publisher, repeated).await?;
    Ok((fires, new))
}

/// Records the fires of a job that are due by `now` and that no scheduler has planned, before its timer is removed or set again: they became
/// due before the change. Any scheduler publishes them.
pub(super) async fn record_overdue(
    conn: &mut Conn,
    job: JobId,
    now: DateTime<Utc>,
    traceparent: Option<&str>,
) -> Result<(), StoreError> {
    // The first iteration decides missed fires; the next ones record those of the last minute.
    loop {
        let Some(due) = claim::overdue(conn, job, now).await? else { return Ok(()) };
        let decide = |timer| {
            let mut decision =
                fire::decide(DueTimer { traceparent: traceparent.map(str::to_owned), ..timer });
            // The change decides the state of the job.
            decision.fires.iter_mut().for_each(|fire| fire.ends_job = false);
            decision
        };
        record_all(conn, vec![due], decide, Publisher::ByScheduler, Repeated::Stay).await?;
    }
}

async fn advance(conn: &mut Conn, moves: &[(JobId, Advance)]) -> Result<(), StoreError> {
    let ids = |keep: fn(&Advance) -> bool| -> Vec<Uuid> {
        moves.iter().filter(|(_, advance)| keep(advance)).map(|(job, _)| job.uuid()).collect()
    };
    let next: Vec<DateTime<Utc>> = moves
        .iter()
        .filter_map(|(_, advance)| if let Advance::To(next) = advance { Some(*next) } else { None })
        .collect();
    prepared(
        sql_query(
            "update job_timers t set next_run_at = m.next from unnest($1::uuid[], $2::timestamptz[]) as m(job_id, next)
             where t.job_id = m.job_id",
        )
        .bind::<Array<SqlUuid>, _>(ids(|advance| matches!(advance, Advance::To(_))))
        .bind::<Array<Timestamptz>, _>(next),
    )
    .execute(conn)
    .await?;
    let exhausted = ids(|advance| matches!(advance, Advance::Exhausted));
    if !exhausted.is_empty() {
        diesel::delete(job_timers::table).filter(job_timers::job_id.eq_any(exhausted)).execute(conn).await?;
    }
    for (job, advance) in moves {
        if let Advance::Failed { after, error } = advance {
            diesel::update(job_timers::table.find(job.uuid()))
                .set((
                    job_timers::next_run_at.eq(None::<DateTime<Utc>>),
                    job_timers::computed_after.eq(after),
                    job_timers::error.eq(error),
                ))
                .execute(conn)
                .await?;
        }
    }
    Ok(())
}

/// Retries timers whose next fire could not be computed; returns how many succeeded.
pub async fn retry_failed(
    conn: &mut Conn,
    limit: i64,
    next: impl Fn(&DueTimer) -> Option<DateTime<Utc>> + Send + Sync,
) -> Result<usize, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let mut rescheduled = 0;
        for timer in claim::failed(conn, limit).await? {
            if let Some(next) = next(&timer) {
                reschedule(conn, timer.job, next).await?;
                rescheduled += 1;
            }
        }
        Ok(rescheduled)
    })
    .await
}

async fn reschedule(conn: &mut Conn, job: JobId, next: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::update(job_timers::table.find(job.uuid()))
        .set((
            job_timers::next_run_at.eq(next),
            job_timers::computed_after.eq(None::<DateTime<Utc>>),
            job_timers::error.eq(None::<String>),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
