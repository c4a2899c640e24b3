//! What there is to do for a scheduler: one bounded search instead of one per pass, several times a second.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Nullable, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::time::Duration;
use uuid::Uuid;

use super::{Conn, StoreError, columns::millis, executors::LiveExecutor, sql::prepared};
use crate::domain::{id::ExecutorId, workspace::SHARDS};

/// Each field says whether one of the passes finds something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// The first timer that fires within the horizon, or has missed its fire.
    pub timer: Option<DateTime<Utc>>,
    /// When the first execution is due whose publication is requested.
    pub unpublished: Option<DateTime<Utc>>,
    /// When the first execution is due that no executor owns, though its publication is claimed. If that is long ago, its dispatch message
    /// may be lost.
    pub publish_claimed: Option<DateTime<Utc>>,
    /// Executions wait for a slot of their job.
    pub waits_for_slot: bool,
    /// Sessions have ended and may still own executions.
    pub unreleased: bool,
    /// Timers have no next fire, because it could not be computed.
    pub schedule_errors: bool,
    pub live_executors: Vec<LiveExecutor>,
}

impl Work {
    /// The oldest that was found: see [`LowerBound`](super::lower_bound::LowerBound).
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        [self.timer, self.unpublished, self.publish_claimed].into_iter().flatten().min()
    }

    pub fn is_none(&self) -> bool {
        self.oldest().is_none() && !self.waits_for_slot && !self.unreleased && !self.schedule_errors
    }
}

const FIND: &str = "
    select (select next_run_at from job_timers
             where next_run_at > $1 and next_run_at <= statement_timestamp() + $2 * interval '1 ms'
             order by next_run_at limit 1) as timer,
            (select due_at from runs
             where publish_claimed_at is null and owner_id is null and not waits_for_slot
               and due_at > $1 and due_at <= statement_timestamp() + $2 * interval '1 ms'
             order by due_at limit 1) as unpublished,
            (select min(p.due_at) from generate_series(0, $3 - 1) s cross join lateral (
                 select due_at from runs
                 where shard = s and due_at > $1 and due_at <= statement_timestamp() + $2 * interval '1 ms' and owner_id is null
                   and publish_claimed_at is not null and not waits_for_slot and not waits_for_capacity
                 order by due_at limit 1) p) as publish_claimed,
            exists (select from runs where waits_for_slot) as waits_for_slot,
            exists (select from executors where ended_at is not null and released_at is null) as unreleased,
            exists (select from job_timers where next_run_at is null) as schedule_errors,
            array(select id from executors where ended_at is null order by id) as live,
            array(select heartbeat_at from executors where ended_at is null order by id) as heartbeats";

/// Searches for work of every kind that is due within `horizon`, or has been since `after`: see
/// [`LowerBound`](super::lower_bound::LowerBound).
pub async fn find(conn: &mut Conn, after: DateTime<Utc>, horizon: Duration) -> Result<Work, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        timer: Option<DateTime<Utc>>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        unpublished: Option<DateTime<Utc>>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        publish_claimed: Option<DateTime<Utc>>,
        #[diesel(sql_type = Bool)]
        waits_for_slot: bool,
        #[diesel(sql_type = Bool)]
        unreleased: bool,
        #[diesel(sql_type = Bool)]
        schedule_errors: bool,
        #[diesel(sql_type = Array<SqlUuid>)]
        live: Vec<Uuid>,
        #[diesel(sql_type = Array<Timestamptz>)]
        heartbeats: Vec<DateTime<Utc>>,
    }
    let row: Row = prepared(
        sql_query(FIND)
            .bind::<Timestamptz, _>(after)
            .bind::<BigInt, _>(millis(horizon))
            .bind::<BigInt, _>(i64::from(SHARDS)),
    )
    .get_result(conn)
    .await?;
    let live = row.live.into_iter().zip(row.heartbeats);
    Ok(Work {
        timer: row.timer,
        unpublished: row.unpublished,
        publish_claimed: row.publish_claimed,
        waits_for_slot: row.waits_for_slot,
        unreleased: row.unreleased,
        schedule_errors: row.schedule_errors,
        live_executors: live
            .map(|(id, heartbeat_at)| LiveExecutor { id: ExecutorId::from_uuid(id), heartbeat_at })
            .collect(),
    })
}
