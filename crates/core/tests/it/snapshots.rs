//! The searches for missed and lost work while an old snapshot keeps Postgres from removing what has ended.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};
use trigrun_core::{
    domain::fire::{MISFIRE_THRESHOLD, decide},
    store::{
        Conn, StoreError, backlog, dispatch, leases,
        lower_bound::{BEGINNING, LowerBound},
        migrate, snapshots, timers,
    },
};
use trigrun_testkit::TestDb;

/// Executions and timers that have ended or moved on since.
const ENDED: i64 = 3000;
const GRACE: Duration = Duration::from_millis(400);

/// Plans and ends executions, and moves the timers of as many jobs, each an hour later.
fn work() -> String {
    format!(
        "set session_replication_role = replica;
         insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, publish_claimed_at)
         select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, n % 16, 'queued', 'schedule', now(),
                now() - interval '1 h' + n * interval '1 s', now() - interval '1 h'
         from generate_series(1, {ENDED}) n;
         update runs set publish_claimed_at = null;
         delete from runs;
         insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, misfire_policy, catch_up_limit)
         select gen_random_uuid(), gen_random_uuid(), 0, 1, now() - interval '1 h' + n * interval '1 s', now(), 3600, 'skip', 1
         from generate_series(1, {ENDED}) n;
         update job_timers set next_run_at = next_run_at + interval '3 h';
         set session_replication_role = origin"
    )
}

/// Index entries that this session's statements met so far, whether their rows exist or not.
const ENTRIES_READ: &str = "(select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)::bigint from pg_stat_user_indexes)";

/// Fails unless the search reads a number of index entries in this range.
async fn reads<T>(
    conn: &mut Conn,
    name: &str,
    entries: RangeInclusive<i64>,
    search: impl AsyncFnOnce(&mut Conn) -> Result<T, StoreError>,
) {
    conn.batch_execute(&format!("select set_config('test.read', {ENTRIES_READ}::text, false)"))
        .await
        .unwrap();
    search(conn).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let check = format!(
        "do $$ declare read bigint := {ENTRIES_READ} - current_setting('test.read')::bigint;
         begin if read not between {} and {} then raise '% entries were read', read; end if; end $$",
        entries.start(),
        entries.end()
    );
    conn.batch_execute(&check).await.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// In a transaction that is rolled back, because Postgres forgets the numbers at a commit.
async fn each_search_reads(db: &TestDb, after: DateTime<Utc>, entries: RangeInclusive<i64>) {
    let mut conn = migrate::connect(&db.settings()).await.unwrap();
    conn.begin_test_transaction().await.unwrap();
    let conn = &mut conn;
    let late = MISFIRE_THRESHOLD;
    let missed = timers::PlanningWindow::Missed { late, after };
    reads(conn, "missed", entries.clone(), async |c| timers::record_fires(c, missed, 20, decide).await).await;
    let lost = async |c: &mut Conn| dispatch::overdue_shards(c, after, GRACE).await;
    let unpublished = async |c: &mut Conn| dispatch::claim_unpublished(c, after, GRACE, 20).await;
    reads(conn, "unpublished", entries.clone(), unpublished).await;
    reads(conn, "lost", entries.clone(), lost).await;
    let due = async |c: &mut Conn| leases::due(c, after, TimeDelta::zero(), 20).await;
    reads(conn, "due", entries.clone(), due).await;
    reads(conn, "backlog", entries, async |c| backlog::measure(c, after).await).await;
}

#[tokio::test]
async fn a_search_with_a_lower_bound_does_not_read_what_has_ended() {
    let db = TestDb::new().await;
    // An automatic analysis would change the plans, and the planner reads entries, too.
    for table in ["job_timers", "runs"] {
        db.execute(&format!("alter table {table} set (autovacuum_enabled = off)")).await;
    }
    let mut pinned = migrate::connect(&db.settings()).await.unwrap();
    pinned.batch_execute("begin isolation level repeatable read; select 1").await.unwrap();
    db.execute(&work()).await;

    let mut bound = LowerBound::default();
    let start = Instant::now();
    assert_eq!(bound.next(start), BEGINNING);
    bound.searched(None, db.now().await, start + Duration::from_secs(1));
    each_search_reads(&db, BEGINNING, ENDED..=i64::MAX).await;
    // What has ended in the last seconds is still read.
    each_search_reads(&db, bound.next(start), 0..=ENDED / 10).await;
    pinned.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn the_oldest_snapshot_is_that_of_the_oldest_transaction() {
    let db = TestDb::new().await;
    let mut conn = migrate::connect(&db.settings()).await.unwrap();
    assert!(snapshots::oldest(&mut conn).await.unwrap().oldest_transaction_seconds.is_none());
    let mut pinned = migrate::connect(&db.settings()).await.unwrap();
    pinned.batch_execute("begin isolation level repeatable read; select 1").await.unwrap();
    let oldest = snapshots::oldest(&mut conn).await.unwrap();
    assert!(oldest.oldest_transaction_seconds.is_some_and(|age| age >= 0.0), "{oldest:?}");
    pinned.batch_execute("commit").await.unwrap();
    assert!(snapshots::oldest(&mut conn).await.unwrap().oldest_transaction_seconds.is_none());
}
