//! Partitions are created and dropped while others read: no reader waits behind a schema change that itself waits for a lock.

use chrono::{DateTime, Days, Utc};
use trigrun_core::{
    domain::{id::ExecutionId, page::Page},
    store::{
        executions::{self, Filter},
        migrate, partitions,
    },
};
use trigrun_testkit::TestDb;

const READ: &str = "select count(*) from executions";

/// Runs `work` while a transaction that has read all executions stays open and another session reads repeatedly. A read fails if it waits longer
/// than any of this may take.
async fn with_a_long_reader(db: &TestDb, work: impl AsyncFnOnce()) {
    let (long, short) = (db.session().await, db.session().await);
    long.batch_execute(&format!("begin; {READ}")).await.unwrap();
    short.batch_execute("set lock_timeout = '2s'").await.unwrap();
    let reading = async {
        loop {
            short.batch_execute(READ).await.expect("no reader is delayed");
        }
    };
    tokio::select! {
        () = work() => {}
        () = reading => unreachable!("it reads until the work is done"),
    }
    long.batch_execute("commit").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_is_dropped_once_it_is_not_read_and_delays_no_reader() {
    let db = TestDb::new().await;
    let mut conn = db.conn().await;
    // Today and tomorrow count as past.
    let oldest = db.now().await.date_naive() + Days::new(2);
    with_a_long_reader(&db, async || {
        let dropped = partitions::drop_behind(&mut conn, oldest).await.unwrap();
        assert!(dropped.iter().all(|partition| partition.starts_with("earlier_attempts_")), "{dropped:?}");
        assert_eq!(dropped.len(), 2, "{dropped:?}");
    })
    .await;
    let dropped = partitions::drop_behind(&mut conn, oldest).await.unwrap();
    assert!(dropped.iter().all(|partition| partition.starts_with("executions_")), "{dropped:?}");
    assert_eq!(dropped.len(), 2, "{dropped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_ahead_is_created_once_the_table_is_not_read() {
    let db = TestDb::new().await;
    let mut conn = db.conn().await;
    let now = db.now().await + Days::new(1);
    with_a_long_reader(&db, async || {
        let created = partitions::make_ahead(&mut conn, now, 1).await.unwrap();
        assert_eq!(created, 1, "the partition of attempts");
    })
    .await;
    assert_eq!(partitions::make_ahead(&mut conn, now, 1).await.unwrap(), 1, "the partition of executions");
}

const PARTITIONS: &str = "select count(*) from pg_inherits where inhparent = 'executions'::regclass";
/// An execution of every day before today, in noon's partition. None may be left to the default partition.
const FILL: &str = "
    set session_replication_role = replica;
    insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count)
    select (lpad(to_hex((extract(epoch from d) * 1000)::bigint), 12, '0') || '80008000000000000000')::uuid, gen_random_uuid(),
           gen_random_uuid(), 1, 'succeeded', 'schedule', d, d, 1
    from generate_series(now() - $days * interval '1 day', now(), interval '1 day') d";

/// What a year of operation leaves: schedulers that keep executions for `days`.
async fn operated(db: &TestDb, days: u16) -> DateTime<Utc> {
    let (mut conn, now) = (db.conn().await, db.now().await);
    let width = partitions::width(days);
    for ago in (1..=days).rev() {
        partitions::make_ahead(&mut conn, now - Days::new(ago.into()), width).await.unwrap();
    }
    partitions::make_ahead(&mut conn, now, width).await.unwrap();
    db.execute(&FILL.replace("$days", &(days - 1).to_string())).await;
    now
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_days_have_few_partitions_and_need_few_locks() {
    let db = TestDb::new().await;
    let now = operated(&db, 400).await;
    assert_eq!(db.count("select count(*) from executions_default").await, 0, "every day has a partition");
    // Those of the past, of the week ahead, and the default partition.
    let count = db.count(PARTITIONS).await;
    assert!((20..64).contains(&count), "{count} partitions");

    let mut conn = migrate::connect(&db.settings()).await.unwrap();
    let needed = partitions::locks(&mut conn).await.unwrap().of_session;
    // Of this database only: other tests share the server.
    let locks = "select count(*) from pg_locks where locktype = 'relation' and pid <> pg_backend_pid()
                 and database = (select oid from pg_database where datname = current_database())";
    // The transaction of the first use of a statement, which plans it, keeps its locks until it ends.
    diesel_async::AsyncConnection::begin_test_transaction(&mut conn).await.unwrap();
    let workspace = db.workspace("w").await;
    let page = Page { limit: 50, before: None };
    executions::list(&mut conn, workspace, &Filter::default(), page).await.unwrap();
    let held = db.count(locks).await;
    assert!(held > count && held <= needed + 50, "{held} locks are held, {needed} were expected");
    drop(conn);

    // All executions of the days that are kept are still there; older ones for less than a partition longer.
    let oldest = now.date_naive() - Days::new(100);
    partitions::drop_behind(&mut *db.conn().await, oldest).await.unwrap();
    let bound = ExecutionId::lower_bound(oldest.and_time(chrono::NaiveTime::MIN).and_utc());
    assert_eq!(db.count(&format!("select count(*) from executions where id >= '{bound}'")).await, 101);
    let older = db.count(&format!("select count(*) from executions where id < '{bound}'")).await;
    assert!(older < i64::from(partitions::width(400)), "{older}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_width_of_partitions_may_change() {
    let db = TestDb::new().await;
    let (mut conn, now) = (db.conn().await, db.now().await);
    for (day, width) in [(1, 7), (20, 28), (21, 1), (60, 7), (90, 364)] {
        let now = now + Days::new(day);
        partitions::make_ahead(&mut conn, now, width).await.unwrap();
        let newest = partitions::newest(&mut conn).await.unwrap().unwrap();
        assert!(newest >= now.date_naive() + Days::new(7), "{newest}");
        assert_eq!(partitions::make_ahead(&mut conn, now, width).await.unwrap(), 0);
    }
}
