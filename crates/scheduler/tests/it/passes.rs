//! Each test calls passes and checks the rows and the streams.

use chrono::TimeDelta;
use std::time::{Duration, Instant};
use trigrun_core::{
    domain::{
        hold::Missed,
        id::JobId,
        job::{JobState, MisfirePolicy},
        page::Page,
        schedule::{Cron, Schedule},
    },
    store::{holds, jobs, leases},
};
use trigrun_scheduler::{
    liveness::expire_at,
    plan::plan,
    publish,
    recover::{StreamCheck, recover, republish},
};
use trigrun_testkit::jobs::{by_operator, definition, every_seconds};

use crate::bench::{Bench, URL};

#[tokio::test]
async fn two_concurrent_planners_record_each_fire_once() {
    let mut bench = Bench::new().await;
    for _ in 0..50 {
        bench.job_due(TimeDelta::seconds(5), &every_seconds(1, URL)).await;
    }
    let (one, other) = (bench.scheduler().await, bench.scheduler().await);
    let (first, second) = tokio::join!(plan(&one), plan(&other));
    first.unwrap();
    second.unwrap();
    let fires = bench.db.count("select count(*) from all_executions").await;
    assert!(fires >= 50 * 6, "those of the last five seconds, at least: {fires}");
    let beyond = "select count(*) from all_executions where scheduled_for > now() + interval '2 s'";
    assert_eq!(bench.db.count(beyond).await, 0, "the horizon is two seconds");
    let gaps = "select count(*) from (
        select scheduled_for - lag(scheduled_for) over (partition by job_id order by scheduled_for) as step from all_executions) s
        where step <> interval '1 s'";
    assert_eq!(bench.db.count(gaps).await, 0);
    publish::publish_all(&one).await.unwrap();
    publish::publish_all(&other).await.unwrap();
    let mut received = bench.received().await;
    received.sort();
    received.dedup();
    assert_eq!(received.len() as i64, fires, "each was published");
}

#[tokio::test]
async fn while_there_is_a_hold_fires_stay_in_their_timers() {
    let mut bench = Bench::new().await;
    let job = bench.job_due(TimeDelta::seconds(5), &every_seconds(1, URL)).await;
    assert!(holds::begin(&mut *bench.db.conn().await, &by_operator("a restored backup")).await.unwrap());
    let scheduler = bench.scheduler().await;
    let run = bench.run_now(job).await;
    plan(&scheduler).await.unwrap();
    publish::publish_requested(&scheduler).await.unwrap();
    let (fires, due) =
        ("select count(*) from all_executions", "select count(*) from job_timers where next_run_at < now()");
    assert_eq!(
        (bench.db.count(fires).await, bench.db.count(due).await),
        (1, 1),
        "the requested run, and the timer"
    );
    assert_eq!(bench.received().await, [run]);
    // Its message is lost: nothing is published again.
    bench.db.execute("update runs set due_at = due_at - interval '1 minute', publish_claimed_at = now() - interval '1 minute'").await;
    assert_eq!(republish(&scheduler).await.unwrap(), StreamCheck::NothingOverdue);
    let by = by_operator("checked");
    holds::release(&mut *bench.db.conn().await, Missed::Run, &by).await.unwrap();
    let scheduler = bench.scheduler().await;
    plan(&scheduler).await.unwrap();
    assert!(bench.db.count(fires).await >= 6, "every fire has its execution");
    assert_eq!(republish(&scheduler).await.unwrap(), StreamCheck::Lost);
}

/// With minutes in place of milliseconds, so that the speed of the machine does not matter.
#[tokio::test]
async fn dispatches_are_published_shortly_before_their_instant_and_not_earlier() {
    let mut bench = Bench::new().await;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    bench.settings.scheduler.horizon_ms = 60 * 60 * 1000;
    bench.settings.scheduler.lead_ms = 10 * 60 * 1000;
    for due_in in [5, 40] {
        bench.job_due(TimeDelta::minutes(-due_in), &every_seconds(86_400, URL)).await;
    }
    let scheduler = bench.scheduler().await;
    plan(&scheduler).await.unwrap();
    publish::publish(&scheduler).await.unwrap();
    assert_eq!(bench.received().await.len(), 1, "one is due within the lead of ten minutes");
    let wait = publish::next_in(&scheduler).unwrap();
    assert!(wait > minutes(25) && wait <= minutes(30), "ten minutes before the instant: {wait:?}");
    publish::publish_all(&scheduler).await.unwrap();
    assert_eq!(bench.received().await.len(), 1);
}

#[tokio::test]
async fn a_scheduler_killed_between_commit_and_publication_loses_nothing() {
    let mut bench = Bench::new().await;
    bench.job_due(TimeDelta::seconds(1), &every_seconds(3600, URL)).await;
    plan(&bench.scheduler().await).await.unwrap();
    // It is gone, and its pending messages with it. Another scheduler finds the execution once it is overdue for long enough.
    bench.db.execute("update runs set publish_claimed_at = publish_claimed_at - interval '1 s'").await;
    let other = bench.scheduler().await;
    assert_eq!(republish(&other).await.unwrap(), StreamCheck::Lost);
    publish::publish_requested(&other).await.unwrap();
    assert_eq!(bench.received().await.len(), 1);
    // Published just now, however long the test has taken since.
    bench.db.execute("update runs set publish_claimed_at = now() + interval '1 hour'").await;
    assert_eq!(republish(&other).await.unwrap(), StreamCheck::NothingOverdue);
    publish::publish_requested(&other).await.unwrap();
    assert!(bench.received().await.is_empty(), "once");
}

#[tokio::test]
async fn a_backlog_is_not_published_again() {
    let mut bench = Bench::new().await;
    let job = bench.job_due(TimeDelta::seconds(-3000), &every_seconds(3600, URL)).await;
    let scheduler = bench.scheduler().await;
    for _ in 0..20 {
        bench.run_now(job).await;
    }
    publish::publish_requested(&scheduler).await.unwrap();
    bench
        .db
        .execute("update runs set publish_claimed_at = publish_claimed_at - interval '5 s', due_at = due_at - interval '5 s'")
        .await;
    // No executor has received any of them or a later one. Tother stream entries say when they were due.
    for _ in 0..3 {
        recover(&scheduler).await.unwrap();
        publish::publish_requested(&scheduler).await.unwrap();
    }
    let published = bench.received().await.len();
    assert!(
        published <= 40,
        "at most once more, because the rows were made older than the other messages: {published}"
    );
}

#[tokio::test]
async fn one_of_two_schedulers_publishes_a_requested_run() {
    let mut bench = Bench::new().await;
    let job = bench.job_due(TimeDelta::seconds(-3000), &every_seconds(3600, URL)).await;
    let requested = bench.run_now(job).await;
    let (one, other) = (bench.scheduler().await, bench.scheduler().await);
    let (first, second) = tokio::join!(publish::publish_requested(&one), publish::publish_requested(&other));
    first.unwrap();
    second.unwrap();
    assert_eq!(bench.received().await, [requested]);
}

#[tokio::test]
async fn a_scheduler_that_stops_releases_what_is_not_due_soon() {
    let mut bench = Bench::new().await;
    bench.settings.scheduler.horizon_ms = 60 * 60 * 1000;
    bench.job_due(TimeDelta::minutes(-30), &every_seconds(86_400, URL)).await;
    let (leaving, other) = (bench.scheduler().await, bench.scheduler().await);
    plan(&leaving).await.unwrap();
    publish::hand_over_pending(&leaving).await.unwrap();
    assert!(bench.received().await.is_empty(), "a pause of the job can still withdraw it");
    publish::publish_requested(&other).await.unwrap();
    assert!(publish::next_in(&other).is_none(), "others take it on shortly before it is due");
    // A scheduler that polls once an hour takes on everything that is due within the hour.
    bench.settings.scheduler.poll_ms = 60 * 60 * 1000;
    let other = bench.scheduler().await;
    publish::publish_requested(&other).await.unwrap();
    assert!(publish::next_in(&other).is_some());
    publish::publish_all(&other).await.unwrap();
    assert_eq!(bench.received().await.len(), 1);
}

#[tokio::test]
async fn an_outage_of_redis_loses_no_execution() {
    let mut bench = Bench::new().await;
    bench.job_due(TimeDelta::seconds(1), &every_seconds(3600, URL)).await;
    let good = bench.settings.redis.clone();
    bench.settings.redis.url = "redis://127.0.0.1:1".to_owned().into();
    let scheduler = bench.scheduler().await;
    plan(&scheduler).await.unwrap();
    assert!(publish::publish_all(&scheduler).await.is_err());
    bench.settings.redis = good;
    let other = bench.scheduler().await;
    bench.db.execute("update runs set publish_claimed_at = publish_claimed_at - interval '1 s'").await;
    recover(&other).await.unwrap();
    publish::publish_requested(&other).await.unwrap();
    assert_eq!(bench.received().await.len(), 1);
}

#[tokio::test]
async fn missed_fires_follow_the_jobs_policy() {
    let bench = Bench::new().await;
    for (policy, run, skipped) in
        [(MisfirePolicy::FireOnce, 1, 4), (MisfirePolicy::Skip, 0, 5), (MisfirePolicy::CatchUp, 3, 2)]
    {
        // Its first search begins at the beginning.
        let scheduler = bench.scheduler().await;
        let mut job = every_seconds(60, URL);
        job.misfire_policy = policy;
        job.catch_up_limit = 3;
        let job = bench.job_due(TimeDelta::seconds(330), &job).await;
        plan(&scheduler).await.unwrap();
        // The policy decides about the fires that are more than a minute late; the one within the last minute runs in any case.
        let of_job = format!("from all_executions where job_id = '{}'", job.uuid());
        let queued = bench.db.count(&format!("select count(*) {of_job} and status = 'queued'")).await;
        let skips = bench
            .db
            .count(&format!("select coalesce(sum(skip_count), 0)::bigint {of_job} and status = 'skipped'"))
            .await;
        assert_eq!((queued, skips), (run + 1, skipped), "{policy:?}");
    }
}

#[tokio::test]
async fn a_skipped_one_time_run_completes_its_job() {
    let bench = Bench::new().await;
    let run_at = bench.db.now().await - TimeDelta::hours(1);
    let mut once = definition(Schedule::Scheduled { run_at }, URL);
    once.misfire_policy = MisfirePolicy::Skip;
    let job = bench.db.job_created_at(bench.workspace, &once, run_at - TimeDelta::hours(1)).await;
    plan(&bench.scheduler().await).await.unwrap();
    let now = bench.db.now().await;
    let job = jobs::get(&mut *bench.db.conn().await, bench.workspace, job, now).await.unwrap();
    assert_eq!((job.state, job.next_run_at), (JobState::Completed, None));
}

#[tokio::test]
async fn the_work_of_an_expired_executor_is_published_again() {
    let mut bench = Bench::new().await;
    let job = bench.job_due(TimeDelta::seconds(-3000), &every_seconds(3600, URL)).await;
    let (execution, session, scheduler) =
        (bench.run_now(job).await, bench.session().await, bench.scheduler().await);
    leases::lease(&mut *bench.db.conn().await, session, &[execution]).await.unwrap();
    recover(&scheduler).await.unwrap();
    assert_eq!(
        bench.db.count("select count(*) from all_executions where status = 'running'").await,
        1,
        "its session is live"
    );
    let running = "select count(*) from all_executions where status = 'running'";
    let start = Instant::now();
    for second in 1..=14 {
        expire_at(&scheduler, start + Duration::from_secs(second)).await.unwrap();
    }
    recover(&scheduler).await.unwrap();
    assert_eq!(bench.db.count(running).await, 1, "it has not expired yet");
    expire_at(&scheduler, start + Duration::from_secs(16)).await.unwrap();
    recover(&scheduler).await.unwrap();
    assert_eq!(bench.db.count(running).await, 0, "it is reclaimed");
    publish::publish_requested(&scheduler).await.unwrap();
    assert_eq!(bench.received().await, [execution]);
}

#[tokio::test]
async fn a_schedule_that_can_no_longer_be_read_delays_no_other() {
    let bench = Bench::new().await;
    let cron = Schedule::Cron(Cron::parse("* * * * *", "Europe/Berlin").unwrap());
    let unreadable = bench.db.job(bench.workspace, &definition(cron, URL)).await;
    let good = bench.job_due(TimeDelta::seconds(1), &every_seconds(3600, URL)).await;
    for table in ["job_timers", "job_versions"] {
        let gone =
            format!("update {table} set timezone = 'Mars/Phobos' where job_id = '{}'", unreadable.uuid());
        bench.db.execute(&gone).await;
    }
    let due = format!("update job_timers set next_run_at = now() where job_id = '{}'", unreadable.uuid());
    bench.db.execute(&due).await;
    let scheduler = bench.scheduler().await;
    for _ in 0..2 {
        plan(&scheduler).await.unwrap();
        recover(&scheduler).await.unwrap();
    }
    for job in [unreadable, good] {
        let fires = format!("select count(*) from all_executions where job_id = '{}'", job.uuid());
        assert_eq!(bench.db.count(&fires).await, 1, "the fire that was computed before is planned");
    }
    let now = bench.db.now().await;
    let shown = jobs::get(&mut *bench.db.conn().await, bench.workspace, unreadable, now).await.unwrap();
    assert_eq!((shown.state, shown.next_run_at), (JobState::Active, None));
    assert!(shown.schedule_error.unwrap().contains("Mars/Phobos"));
    let page = Page { limit: 10, before: None };
    let mut conn = bench.db.conn().await;
    let list = jobs::list(&mut conn, bench.workspace, &jobs::Filter::default(), page, now).await.unwrap();
    assert_eq!(list.data.len(), 2);
}

/// A newer version of TrigRun has written a policy that this one does not know.
#[tokio::test]
async fn a_timer_that_cannot_be_read_delays_no_other_and_is_kept() {
    let bench = Bench::new().await;
    let due = TimeDelta::seconds(1);
    let unreadable = bench.job_due(due, &every_seconds(3600, URL)).await;
    let good = bench.job_due(due, &every_seconds(3600, URL)).await;
    let run_at = bench.db.now().await + TimeDelta::seconds(1);
    let once = bench.db.job(bench.workspace, &definition(Schedule::Scheduled { run_at }, URL)).await;
    let policy = |policy: &str| {
        format!("update job_timers set misfire_policy = '{policy}' where job_id <> '{}'", good.uuid())
    };
    bench.db.execute(&policy("of_tomorrow")).await;
    let scheduler = bench.scheduler().await;
    let planned = |job: JobId| format!("select count(*) from all_executions where job_id = '{}'", job.uuid());
    for _ in 0..2 {
        plan(&scheduler).await.unwrap();
        recover(&scheduler).await.unwrap();
    }
    assert_eq!(bench.db.count(&planned(good)).await, 1);
    assert_eq!(bench.db.count(&planned(unreadable)).await + bench.db.count(&planned(once)).await, 0);
    bench.db.execute(&policy("skip")).await;
    recover(&scheduler).await.unwrap();
    plan(&scheduler).await.unwrap();
    for job in [unreadable, once] {
        assert_eq!(bench.db.count(&planned(job)).await, 1, "the fire that could not be planned");
    }
    let at = format!(
        "select count(*) from all_executions where job_id = '{}' and scheduled_for = '{run_at}'",
        once.uuid()
    );
    assert_eq!(bench.db.count(&at).await, 1);
}

#[tokio::test]
async fn a_schedule_that_could_not_be_computed_is_retried() {
    let bench = Bench::new().await;
    let job = bench.job_due(TimeDelta::seconds(-30), &every_seconds(60, URL)).await;
    bench
        .db
        .execute("update job_timers set next_run_at = null, computed_after = anchor_at, error = 'the zone was unknown'")
        .await;
    let now = bench.db.now().await;
    let failed = jobs::get(&mut *bench.db.conn().await, bench.workspace, job, now).await.unwrap();
    assert_eq!(
        (failed.state, failed.schedule_error.as_deref()),
        (JobState::Active, Some("the zone was unknown"))
    );
    recover(&bench.scheduler().await).await.unwrap();
    let repaired = jobs::get(&mut *bench.db.conn().await, bench.workspace, job, now).await.unwrap();
    assert_eq!(repaired.schedule_error, None);
    assert_eq!(repaired.next_run_at, Some(repaired.created_at + TimeDelta::seconds(60)));
}
