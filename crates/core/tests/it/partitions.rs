//! Days are made and dropped around those who read: nobody stands behind a change of a table that waits for somebody else.

use chrono::Days;
use trigrun_core::store::partitions;
use trigrun_testkit::TestDb;

const READ: &str = "select count(*) from executions";

/// Does the work while a transaction that has read all executions stays open, and others read: they fail if they stand behind it for
/// longer than any of this may take.
async fn beside_a_long_reader(db: &TestDb, work: impl AsyncFnOnce()) {
    let (long, short) = (db.session().await, db.session().await);
    long.batch_execute(&format!("begin; {READ}")).await.unwrap();
    short.batch_execute("set lock_timeout = '2s'").await.unwrap();
    let reading = async {
        loop {
            short.batch_execute(READ).await.expect("nobody who reads is held up");
        }
    };
    tokio::select! {
        () = work() => {}
        () = reading => unreachable!("it never ends by itself"),
    }
    long.batch_execute("commit").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_dropped_when_nobody_reads_and_holds_up_nobody_before() {
    let db = TestDb::new().await;
    let mut conn = db.conn().await;
    // Today and tomorrow count as past.
    let oldest = db.now().await.date_naive() + Days::new(2);
    beside_a_long_reader(&db, async || {
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
async fn a_day_ahead_is_made_when_nobody_reads() {
    let db = TestDb::new().await;
    let mut conn = db.conn().await;
    let now = db.now().await + Days::new(1);
    beside_a_long_reader(&db, async || {
        let made = partitions::make_ahead(&mut conn, now).await.unwrap();
        assert_eq!(made, 1, "that of the attempts");
    })
    .await;
    assert_eq!(partitions::make_ahead(&mut conn, now).await.unwrap(), 1, "that of the executions");
}
