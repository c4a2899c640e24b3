//! The backlog and the schedule errors of the installation, for its metrics.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError, sql::prepared};
use crate::domain::workspace::SHARDS;

/// Larger numbers change nothing for an operator, and reading the rows would take longer in a crisis. Of each shard, no more than this
/// many rows are read, those that have been due for longest; some of them may have an owner or wait for a slot.
const MAX_COUNTED: i64 = 10_000;

/// Across all workspaces.
#[derive(Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Executions that are due, have no owner, and could be leased now, up to 10,000.
    pub waiting: u64,
    /// Executions whose account, workspace or job has its share of the executors, up to 10,000.
    pub waiting_for_capacity: u64,
    /// When the oldest of them was due.
    pub oldest_due_at: Option<DateTime<Utc>>,
    /// The earliest next fire of all active jobs. It lies far in the past if no scheduler plans.
    pub next_fire_at: Option<DateTime<Utc>>,
    /// Active jobs whose next fire could not be computed, up to 10,000.
    pub schedule_errors: u64,
}

/// Executions that wait for a slot are not counted: their job wants them to wait. Those that wait for capacity are counted separately:
/// they say that one tenant asks for much, not that the installation is behind. What was due before `after` is not searched: see
/// [`LowerBound`](super::lower_bound::LowerBound).
pub async fn measure(conn: &mut Conn, after: DateTime<Utc>) -> Result<Backlog, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        waiting: i64,
        #[diesel(sql_type = BigInt)]
        waiting_for_capacity: i64,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        oldest_due_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        next_fire_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = BigInt)]
        schedule_errors: i64,
    }
    let measured = format!(
        "select least(count(*), {MAX_COUNTED}) as waiting, min(w.due_at) as oldest_due_at,
                (select count(*) from (select from runs where waits_for_capacity limit {MAX_COUNTED}) c) as waiting_for_capacity,
                (select min(next_run_at) from job_timers where next_run_at > $1) as next_fire_at,
                (select count(*) from (select from job_timers where next_run_at is null limit {MAX_COUNTED}) t) as schedule_errors
         from generate_series(0, {SHARDS} - 1) s
         cross join lateral (
             select e.due_at, e.owner_id, e.waits_for_slot, e.waits_for_capacity from runs e
             where e.shard = s and e.due_at > $1 and e.due_at <= statement_timestamp()
             order by e.due_at limit {MAX_COUNTED}) w
         where w.owner_id is null and not w.waits_for_slot and not w.waits_for_capacity"
    );
    let row: Row = prepared(sql_query(measured).bind::<Timestamptz, _>(after)).get_result(conn).await?;
    Ok(Backlog {
        waiting: row.waiting.unsigned_abs(),
        waiting_for_capacity: row.waiting_for_capacity.unsigned_abs(),
        oldest_due_at: row.oldest_due_at,
        next_fire_at: row.next_fire_at,
        schedule_errors: row.schedule_errors.unsigned_abs(),
    })
}
