//! Days are made and dropped around those who read: nobody stands behind a change of a table that waits for somebody else.

use chrono::Days;
use std::time::{Duration, Instant};
use trigrun_core::store::partitions;
use trigrun_testkit::TestDb;

/// Holds all executions in a transaction, as whoever looks through them for a while.
const LONG_READER: &str = "begin; select count(*) from executions; select pg_sleep(4); commit";
const IS_READING: &str =
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

/// The longest of the reads that are made for a second.
async fn longest_read(db: &TestDb) -> Duration {
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(1) {
        let asked = Instant::now();
        db.count("select count(*) from executions").await;
        longest = longest.max(asked.elapsed());
    }
    longest
}

/// Does the work while somebody reads for long, and others a little; says how long each of these took at the most.
async fn beside_a_long_reader(db: &TestDb, work: impl AsyncFnOnce()) -> Duration {
    let beside = async {
        while db.count(IS_READING).await == 0 {}
        let (longest, ()) = tokio::join!(longest_read(db), work());
        assert_eq!(db.count(IS_READING).await, 1, "it was done before the long reader was");
        longest
    };
    tokio::join!(beside, db.execute(LONG_READER)).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_dropped_when_nobody_reads_and_holds_up_nobody_before() {
    let db = TestDb::new().await;
    let mut conn = db.conn().await;
    // Today and tomorrow count as past.
    let oldest = db.now().await.date_naive() + Days::new(2);
    let longest = beside_a_long_reader(&db, async || {
        let dropped = partitions::drop_behind(&mut conn, oldest).await.unwrap();
        assert!(dropped.iter().all(|partition| partition.starts_with("attempts_")), "{dropped:?}");
        assert_eq!(dropped.len(), 2, "{dropped:?}");
    })
    .await;
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    let dropped = partitions::drop_behind(&mut conn, oldest).await.unwrap();
    assert!(dropped.iter().all(|partition| partition.starts_with("executions_")), "{dropped:?}");
    assert_eq!(dropped.len(), 2, "{dropped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_ahead_is_made_when_nobody_reads() {
    let db = TestDb::new().await;
    let mut conn = db.conn().await;
    let now = db.now().await + Days::new(1);
    let longest = beside_a_long_reader(&db, async || {
        let made = partitions::make_ahead(&mut conn, now).await.unwrap();
        assert_eq!(made, 1, "that of the attempts");
    })
    .await;
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert_eq!(partitions::make_ahead(&mut conn, now).await.unwrap(), 1, "that of the executions");
}
