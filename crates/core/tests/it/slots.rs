//! Concurrency limits.

use std::time::Duration;
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition},
        execution::Status,
        job::OverlapPolicy,
    },
    store::{dispatch, lower_bound::BEGINNING, slots},
};
use trigrun_testkit::jobs::every_seconds;

use crate::leases::Bench;

async fn limited(limit: u32, overlap_policy: OverlapPolicy) -> Bench {
    let mut definition = every_seconds(3600, "http://192.0.2.1/");
    definition.concurrency_limit = Some(limit);
    definition.overlap_policy = overlap_policy;
    Bench::new(&definition).await
}

#[tokio::test]
async fn concurrent_leases_never_exceed_the_limit() {
    let bench = limited(2, OverlapPolicy::Queue).await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(bench.run_now().await);
    }
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(bench.session().await);
    }
    let leased =
        futures_util::future::join_all(sessions.iter().map(|session| bench.lease(*session, &ids))).await;
    assert_eq!(leased.iter().map(Vec::len).sum::<usize>(), 2);
    assert_eq!(bench.db.count("select count(*) from job_slots").await, 2);
    assert_eq!(bench.db.count("select count(*) from runs where waits_for_slot").await, 6);
}

#[tokio::test]
async fn the_end_of_a_run_gives_its_slot_to_the_next_waiter() {
    let bench = limited(1, OverlapPolicy::Queue).await;
    let session = bench.session().await;
    let (first, second, third) = (bench.run_now().await, bench.run_now().await, bench.run_now().await);
    let lease = bench.lease(session, &[first, second, third]).await.remove(0);
    assert_eq!(lease.execution, first);
    let unpublished = async || {
        dispatch::claim_unpublished(&mut *bench.db.conn().await, BEGINNING, Duration::ZERO, 10).await.unwrap()
    };
    unpublished().await;
    bench.end(session, lease, AttemptStatus::Success, Disposition::Succeeded).await;
    let woken: Vec<_> = unpublished().await.into_iter().map(|dispatch| dispatch.execution).collect();
    assert_eq!(woken, [second]);
    assert_eq!(bench.lease(session, &[second, third]).await.len(), 1);
}

#[tokio::test]
async fn a_skipped_fire_is_recorded() {
    let bench = limited(1, OverlapPolicy::Skip).await;
    let session = bench.session().await;
    let (first, second) = (bench.run_now().await, bench.run_now().await);
    assert_eq!(bench.lease(session, &[first, second]).await.len(), 1);
    let skipped = bench.get(second).await;
    assert_eq!((skipped.status, skipped.skipped.unwrap().reason), (Status::Skipped, "overlap".to_owned()));
}

#[tokio::test]
async fn a_retrying_execution_keeps_no_slot() {
    let bench = limited(1, OverlapPolicy::Queue).await;
    let session = bench.session().await;
    let (first, second) = (bench.run_now().await, bench.run_now().await);
    let lease = bench.lease(session, &[first, second]).await.remove(0);
    let due_at = bench.db.now().await;
    bench.end(session, lease, AttemptStatus::Timeout, Disposition::Retry { due_at }).await;
    let lease = bench.lease(session, &[second]).await.remove(0);
    assert!(bench.lease(session, &[first]).await.is_empty(), "the retry waits for the slot");
    bench.end(session, lease, AttemptStatus::Success, Disposition::Succeeded).await;
    assert_eq!(bench.lease(session, &[first]).await[0].number, 2);
}

#[tokio::test]
async fn with_too_many_waiting_the_newest_is_skipped() {
    let bench = limited(1, OverlapPolicy::Queue).await;
    let session = bench.session().await;
    let mut ids = Vec::new();
    for _ in 0..102 {
        ids.push(bench.run_now().await);
    }
    bench.lease(session, &ids).await;
    let skipped = bench.get(*ids.last().unwrap()).await;
    assert_eq!(skipped.skipped.unwrap().reason, "too_many_waiting");
    assert_eq!(bench.db.count("select count(*) from runs where waits_for_slot").await, 100);
}

#[tokio::test]
async fn a_raised_limit_admits_more_and_a_removed_one_all() {
    let bench = limited(1, OverlapPolicy::Queue).await;
    let session = bench.session().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(bench.run_now().await);
    }
    assert_eq!(bench.lease(session, &ids).await.len(), 1);
    let wake = async || slots::wake_all(&mut *bench.db.conn().await).await.unwrap();
    assert_eq!(wake().await, 0);
    // The waiting executions run an older version than the one with the current limit.
    bench.change(|definition| definition.concurrency_limit = Some(2)).await;
    assert_eq!(
        (wake().await, wake().await),
        (1, 0),
        "it gets its slot once, whether or not it is leased at once"
    );
    assert_eq!(bench.lease(session, &ids).await.len(), 1);
    bench.change(|definition| definition.concurrency_limit = None).await;
    assert_eq!(wake().await, 3);
    assert_eq!(bench.lease(session, &ids).await.len(), 3);
    assert_eq!(bench.db.count("select count(*) from job_slots").await, 5);
}

#[tokio::test]
async fn a_free_slot_goes_to_the_next_waiter_and_not_to_a_newcomer() {
    let bench = limited(1, OverlapPolicy::Queue).await;
    let session = bench.session().await;
    let (first, second) = (bench.run_now().await, bench.run_now().await);
    let lease = bench.lease(session, &[first, second]).await.remove(0);
    let freed_at = bench.db.now().await;
    bench.end(session, lease, AttemptStatus::Success, Disposition::Succeeded).await;
    let newcomer = bench.run_now().await;
    assert!(bench.lease(session, &[newcomer]).await.is_empty());
    let lease = bench.lease(session, &[second, newcomer]).await.remove(0);
    assert_eq!(lease.execution, second);
    assert!(
        lease.scheduled_for < freed_at && lease.due_at >= freed_at,
        "it did not wait for a slot before: {lease:?}"
    );
}

#[tokio::test]
async fn a_late_result_does_not_release_the_slot_of_the_next_waiter() {
    let bench = limited(1, OverlapPolicy::Queue).await;
    let (expired, successor) = (bench.session().await, bench.session().await);
    let run = bench.run_now().await;
    let late = bench.lease(expired, &[run]).await.remove(0);
    bench.expire(expired).await;
    assert_eq!(bench.reclaim().await, 1);
    assert_eq!(bench.lease(successor, &[run]).await.len(), 1);
    assert_eq!(
        bench.end(expired, late, AttemptStatus::Success, Disposition::Succeeded).await,
        0,
        "it does not count any more"
    );
    assert_eq!(bench.db.count("select count(*) from job_slots").await, 1, "the next waiter keeps its slot");
    let next = bench.run_now().await;
    assert!(bench.lease(successor, &[next]).await.is_empty());
}

#[tokio::test]
async fn an_execution_that_lost_its_executor_is_never_skipped() {
    let bench = limited(1, OverlapPolicy::Skip).await;
    let (expired, successor) = (bench.session().await, bench.session().await);
    let (lost, other) = (bench.run_now().await, bench.run_now().await);
    bench.lease(expired, &[lost]).await;
    bench.expire(expired).await;
    bench.reclaim().await;
    assert_eq!(bench.lease(successor, &[other]).await.len(), 1);
    assert!(bench.lease(successor, &[lost]).await.is_empty());
    assert_eq!(bench.get(lost).await.status, Status::Queued, "it waits");
}
