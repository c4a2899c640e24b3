//! Partitions are created and dropped while others read: no reader waits behind a schema change that itself waits for a lock.

use chrono::Days;
use trigrun_core::store::partitions;
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
        let created = partitions::make_ahead(&mut conn, now).await.unwrap();
        assert_eq!(created, 1, "the partition of attempts");
    })
    .await;
    assert_eq!(partitions::make_ahead(&mut conn, now).await.unwrap(), 1, "the partition of executions");
}
