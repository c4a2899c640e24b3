//! What waits, and what is wrong: for the metrics of whoever runs an installation.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError, sql::prepared};
use crate::domain::workspace::SHARDS;

/// Nobody acts differently on more, and counting them would take longer in a crisis.
const COUNTED: i64 = 10_000;

/// Of all workspaces together.
#[derive(Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Executions that are due and that nobody holds, up to 10,000.
    pub waiting: u64,
    /// Since when the oldest of them has been due.
    pub oldest_due_at: Option<DateTime<Utc>>,
    /// Active jobs whose next fire could not be computed, up to 10,000.
    pub stuck_jobs: u64,
}

/// What waits for its slot is not counted: it waits because its job wants it to.
pub async fn measure(conn: &mut Conn) -> Result<Backlog, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        waiting: i64,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        oldest_due_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = BigInt)]
        stuck_jobs: i64,
    }
    let waits = "e.owner_id is null and e.finished_at is null and not e.waits_for_slot and e.due_at <= statement_timestamp()";
    // The oldest of each shard is the first in its index.
    let measured = format!(
        "select (select count(*) from (select from generate_series(0, {SHARDS} - 1) s
                     cross join lateral (select from executions e where e.shard = s and {waits}) w limit {COUNTED}) w) as waiting,
                (select min(w.due_at) from generate_series(0, {SHARDS} - 1) s
                     cross join lateral (select e.due_at from executions e where e.shard = s and {waits}
                                         order by e.due_at limit 1) w) as oldest_due_at,
                (select count(*) from (select from job_timers where next_run_at is null limit {COUNTED}) t) as stuck_jobs"
    );
    let row: Row = prepared(sql_query(measured)).get_result(conn).await?;
    Ok(Backlog {
        waiting: row.waiting.unsigned_abs(),
        oldest_due_at: row.oldest_due_at,
        stuck_jobs: row.stuck_jobs.unsigned_abs(),
    })
}
