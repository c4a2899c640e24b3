//! How far executions are counted.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Double, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::Counting;
use crate::store::{Conn, StoreError, sql::prepared};

/// The conflict of a position that another process has moved.
pub const MOVED: &str = "stats_position";

/// Where a pass begins, and how far it may go.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Position {
    /// What transactions before this one have recorded is counted.
    #[diesel(sql_type = BigInt)]
    pub counted_to: i64,
    /// All transactions before this one have ended.
    #[diesel(sql_type = BigInt)]
    pub settled_to: i64,
    /// No transaction from this one on had begun when the position was read.
    #[diesel(sql_type = BigInt)]
    next: i64,
    #[diesel(sql_type = BigInt)]
    mark: i64,
    #[diesel(sql_type = Timestamptz)]
    mark_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    is_locked: bool,
}

/// The position, unless another process counts, or everything was fresh less than `pause` ago.
///
/// In a restored database, transactions are numbered anew, and the position is ahead of them: then it goes back to those that have ended.
pub async fn claim(
    conn: &mut Conn,
    counting: Counting,
    pause: TimeDelta,
) -> Result<Option<Position>, StoreError> {
    let position: Option<Position> = prepared(
        sql_query(
            "select least(counted_to, settled_to) as counted_to, settled_to, next, mark, mark_at, now() as now,
                    pg_try_advisory_xact_lock(hashtextextended('trigrun.stats.' || name, 0)) as is_locked
             from stats_positions,
                  (select pg_snapshot_xmin(s)::text::bigint as settled_to, pg_snapshot_xmax(s)::text::bigint as next
                   from pg_current_snapshot() s) s
             where name = $1 and fresh_until <= now() - make_interval(secs => $2)",
        )
        .bind::<Text, _>(counting.as_str())
        .bind::<Double, _>(pause.as_seconds_f64()),
    )
    .get_result(conn)
    .await
    .optional()?;
    Ok(position.filter(|position| position.is_locked))
}

/// Moves the position to `counted_to`. [`StoreError::Conflict`] [`MOVED`] if another process has moved it.
pub async fn advance(
    conn: &mut Conn,
    counting: Counting,
    position: Position,
    counted_to: i64,
) -> Result<(), StoreError> {
    // What was recorded before an instant was recorded by transactions that had begun by then.
    let has_reached = |mark: i64| counted_to >= mark;
    let (fresh_until, is_marked) = if has_reached(position.next) {
        (Some(position.now), true)
    } else if has_reached(position.mark) {
        (Some(position.mark_at), true)
    } else {
        (None, false)
    };
    let moved = prepared(
        sql_query(
            "update stats_positions
             set counted_to = $3, fresh_until = greatest(fresh_until, $4),
                 mark = case when $5 then $6 else mark end, mark_at = case when $5 then $7 else mark_at end
             where name = $1 and least(counted_to, $8) = $2",
        )
        .bind::<Text, _>(counting.as_str())
        .bind::<BigInt, _>(position.counted_to)
        .bind::<BigInt, _>(counted_to)
        .bind::<diesel::sql_types::Nullable<Timestamptz>, _>(fresh_until)
        .bind::<Bool, _>(is_marked)
        .bind::<BigInt, _>(position.next)
        .bind::<Timestamptz, _>(position.now)
        .bind::<BigInt, _>(position.settled_to),
    )
    .execute(conn)
    .await?;
    if moved == 0 { Err(StoreError::conflict(MOVED)) } else { Ok(()) }
}

/// What was recorded before this instant is counted.
pub async fn fresh_until(conn: &mut Conn, counting: Counting) -> Result<DateTime<Utc>, StoreError> {
    #[derive(QueryableByName)]
    struct Fresh {
        #[diesel(sql_type = Timestamptz)]
        fresh_until: DateTime<Utc>,
    }
    let fresh: Fresh = prepared(
        sql_query("select fresh_until from stats_positions where name = $1")
            .bind::<Text, _>(counting.as_str()),
    )
    .get_result(conn)
    .await?;
    Ok(fresh.fresh_until)
}
