//! What the passes of statistics count.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use trigrun_core::{
    domain::{
        id::{ExecutionId, JobId},
        statistics::{Sums, bucket},
    },
    store::{
        jobs,
        statistics::{self, Counted, Counting, Kept},
    },
};
use trigrun_scheduler::{
    retention::clean_up,
    statistics::{count_hours, count_minutes},
};
use trigrun_testkit::jobs::{OPERATOR, every_seconds};

use crate::bench::{Bench, URL};

/// For a test that hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// Numbers that look random, and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// An execution that has ended, as a row.
fn execution(
    bench: &Bench,
    job: JobId,
    due_at: DateTime<Utc>,
    status: &str,
    numbers: &mut Numbers,
) -> String {
    let (id, workspace) = (ExecutionId::at(due_at).uuid(), bench.workspace.uuid());
    let (lateness, duration) = (numbers.below(100_000), numbers.below(10_000_000));
    let class = match status {
        "failed" => "'http_503'",
        "cancelled" => "'cancelled'",
        _ => "null",
    };
    let (skip, started) = match status {
        "skipped" => ("'misfire', 3", "null".to_owned()),
        _ => ("null, null", format!("'{due_at}'::timestamptz + interval '{lateness} us'")),
    };
    let lateness = if status == "skipped" { "null".to_owned() } else { lateness.to_string() };
    format!(
        "insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, attempt_count, error_class,
                                 skip_reason, skip_count, lateness_us, started_at, finished_at, status_code)
         values ('{id}', '{workspace}', '{}', 1, '{status}', 'schedule', '{due_at}', {}, {class}, {skip}, {lateness}, {started},
                 '{due_at}'::timestamptz + interval '{duration} us', {});",
        job.uuid(),
        1 + numbers.below(3),
        if status == "failed" { "503" } else { "null" },
    )
}

async fn a_job(bench: &Bench) -> JobId {
    bench.job_due(TimeDelta::hours(-1), &every_seconds(3600, URL)).await
}

/// The sums of all ended executions by minute or hour, counted again.
async fn recount(bench: &Bench, jobs: &[JobId], seconds: i64) -> BTreeMap<DateTime<Utc>, Sums> {
    let (mut sums, mut conn) = (BTreeMap::<_, Sums>::new(), bench.db.conn().await);
    let now = bench.db.now().await;
    let span = (now - TimeDelta::days(2), now + TimeDelta::days(2));
    for job in jobs {
        for recorded in statistics::of_job(&mut conn, bench.workspace, *job, span, 10_000).await.unwrap() {
            sums.entry(bucket(recorded.scheduled_for, seconds)).or_default().add(&recorded);
        }
    }
    sums
}

async fn minutes(bench: &Bench) -> BTreeMap<DateTime<Utc>, Sums> {
    let (now, mut conn) = (bench.db.now().await, bench.db.conn().await);
    let span = (now - TimeDelta::days(2), now + TimeDelta::days(2));
    statistics::minutes(&mut conn, bench.workspace, span).await.unwrap().into_iter().collect()
}

/// The hours of all jobs, and those of all hosts, each added up.
async fn hours(bench: &Bench) -> [BTreeMap<DateTime<Utc>, Sums>; 2] {
    let (now, mut conn) = (bench.db.now().await, bench.db.conn().await);
    let span = (now - TimeDelta::days(2), now + TimeDelta::days(2));
    let [mut jobs, mut hosts] = [BTreeMap::<_, Sums>::new(), BTreeMap::new()];
    let add = |(_, at, sums): statistics::JobSums| jobs.entry(at).or_default().merge(&sums);
    statistics::hours(&mut conn, bench.workspace, span, None, 10_000, add).await.unwrap();
    let add =
        |(_, at, sums): statistics::HostSums| hosts.entry(at).or_insert_with(Sums::default).merge(&sums);
    statistics::hosts(&mut conn, bench.workspace, span, None, 10_000, add).await.unwrap();
    [jobs, hosts]
}

/// Jobs whose last execution failed, in the order of recording, with how many failures there were since the last success.
const FAILING: &str = "
    select e.job_id || ' ' || count(*) from executions e
    where e.status = 'failed' and not exists (
        select from executions s where s.job_id = e.job_id and s.status = 'succeeded' and (s.recorded_in, s.id) > (e.recorded_in, e.id))
    group by e.job_id order by 1";
const HEALTH: &str =
    "select job_id || ' ' || failures_in_a_row from job_health where state = 'failing' order by 1";
const FAILED: &str =
    "select concat_ws(' ', job_id, error_class, status_code, count(*), max(finished_at)) from executions
                      where status = 'failed' group by job_id, error_class, status_code order by 1";
const FAILURES: &str = "select concat_ws(' ', job_id, error_class, status_code, sum(executions), max(last_at)) from stats_failures
                        group by job_id, error_class, status_code order by 1";

/// Transactions that record executions begin, end and are rolled back in any order, and passes run in between.
#[tokio::test]
async fn sums_equal_a_recount_however_transactions_and_passes_interleave() {
    for seed in 0..5 {
        let (bench, mut numbers) = (Bench::new().await, Numbers(seed));
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push((bench.db.session().await, false));
        }
        let jobs = [a_job(&bench).await, a_job(&bench).await, a_job(&bench).await];
        let (now, mut counter) = (bench.db.now().await, bench.db.conn().await);
        for _ in 0..120 {
            let number = usize::try_from(numbers.below(4)).unwrap();
            let (session, is_open) = &mut sessions[number];
            match numbers.below(10) {
                0..=4 => {
                    let mut rows = if *is_open { String::new() } else { "begin;".to_owned() };
                    for _ in 0..=numbers.below(4) {
                        let job = jobs[usize::try_from(numbers.below(3)).unwrap()];
                        let due_at = now - TimeDelta::seconds(i64::try_from(numbers.below(7200)).unwrap());
                        let status = ["succeeded", "succeeded", "failed", "cancelled", "skipped"];
                        let status = status[usize::try_from(numbers.below(5)).unwrap()];
                        rows.push_str(&execution(&bench, job, due_at, status, &mut numbers));
                    }
                    session.batch_execute(&rows).await.unwrap();
                    *is_open = true;
                }
                5 | 6 if *is_open => {
                    session.batch_execute("commit").await.unwrap();
                    *is_open = false;
                }
                7 if *is_open => {
                    session.batch_execute("rollback").await.unwrap();
                    *is_open = false;
                }
                8 => {
                    statistics::count(&mut counter, Counting::Hours, TimeDelta::zero()).await.unwrap();
                }
                _ => {
                    statistics::count(&mut counter, Counting::Minutes, TimeDelta::zero()).await.unwrap();
                }
            }
        }
        for (session, is_open) in &mut sessions {
            session.batch_execute(if *is_open { "commit" } else { "select" }).await.unwrap();
        }
        bench.db.count_executions(Counting::Minutes).await;
        bench.db.count_executions(Counting::Hours).await;
        assert_eq!(minutes(&bench).await, recount(&bench, &jobs, 60).await, "seed {seed}");
        let hour = recount(&bench, &jobs, 3600).await;
        assert_eq!(hours(&bench).await, [hour.clone(), hour], "seed {seed}");
        assert_eq!(bench.db.lines(HEALTH).await, bench.db.lines(FAILING).await, "seed {seed}");
        assert_eq!(bench.db.lines(FAILURES).await, bench.db.lines(FAILED).await, "seed {seed}");
        let again = bench.db.count_executions(Counting::Minutes).await
            + bench.db.count_executions(Counting::Hours).await;
        assert_eq!(again, 0, "nothing is counted twice");
    }
}

#[tokio::test]
async fn an_open_transaction_delays_what_is_recorded_after_it_and_nothing_is_lost() {
    let (bench, mut numbers) = (Bench::new().await, Numbers(1));
    let (job, now) = (a_job(&bench).await, bench.db.now().await);
    let earlier = bench.db.session().await;
    let mut counter = bench.db.conn().await;
    bench.db.count_executions(Counting::Minutes).await;
    let row = execution(&bench, job, now, "succeeded", &mut numbers);
    earlier.batch_execute(&format!("begin; {row}")).await.unwrap();
    bench.db.execute(&execution(&bench, job, now, "failed", &mut numbers)).await;
    let recorded_at = bench.db.now().await;
    let counted = statistics::count(&mut counter, Counting::Minutes, TimeDelta::zero()).await.unwrap();
    assert_eq!(counted, Counted::default(), "the earlier transaction may still record something");
    assert!(statistics::fresh_until(&mut counter, Counting::Minutes).await.unwrap() < recorded_at);
    earlier.batch_execute("commit").await.unwrap();
    assert_eq!(bench.db.count_executions(Counting::Minutes).await, 2);
}

#[tokio::test]
async fn two_schedulers_count_once() {
    let (bench, mut numbers) = (Bench::new().await, Numbers(2));
    let (job, now) = (a_job(&bench).await, bench.db.now().await);
    for n in 0..50 {
        bench
            .db
            .execute(&execution(&bench, job, now - TimeDelta::minutes(n), "succeeded", &mut numbers))
            .await;
    }
    let schedulers = [bench.scheduler().await, bench.scheduler().await];
    let begun = Instant::now();
    while minutes(&bench).await.values().map(Sums::due).sum::<i64>() < 50 {
        let [one, two] = &schedulers;
        let (one, two) = tokio::join!(count_minutes(one), count_minutes(two));
        one.and(two).unwrap();
        assert!(begun.elapsed() < DEADLINE);
    }
    assert_eq!(minutes(&bench).await, recount(&bench, &[job], 60).await);
    // Hours wait until they are five minutes old.
    bench.db.execute("update stats_positions set fresh_until = now() where name = 'hours'").await;
    count_hours(&schedulers[0]).await.unwrap();
    assert_eq!(bench.db.count("select count(*) from stats_hours").await, 0);
    bench
        .db
        .execute("update stats_positions set fresh_until = now() - interval '5 minutes' where name = 'hours'")
        .await;
    count_hours(&schedulers[0]).await.unwrap();
    bench.db.count_executions(Counting::Hours).await;
    let hour = recount(&bench, &[job], 3600).await;
    assert_eq!(hours(&bench).await, [hour.clone(), hour]);
}

#[tokio::test]
async fn many_executions_are_counted_in_batches_of_whole_transactions() {
    let bench = Bench::new().await;
    let job = a_job(&bench).await;
    let many = |from: u32, to: u32| {
        format!(
            "insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, attempt_count, finished_at)
             select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid, '{}', '{}', 1,
                    'succeeded', 'schedule', now(), 1, now() from generate_series({from}, {to}) n",
            bench.workspace.uuid(),
            job.uuid()
        )
    };
    for (from, to) in [(1, 9000), (9001, 18_000), (18_001, 18_003)] {
        bench.db.execute(&many(from, to)).await;
    }
    let (mut conn, begun, mut batches) = (bench.db.conn().await, Instant::now(), Vec::new());
    while batches.iter().sum::<usize>() < 18_003 {
        let counted = statistics::count(&mut conn, Counting::Minutes, TimeDelta::zero()).await.unwrap();
        batches.extend((counted.executions > 0).then_some(counted.executions));
        assert!(begun.elapsed() < DEADLINE);
    }
    assert!(
        batches.iter().all(|executions| [18_000, 3, 9000, 18_003, 9003].contains(executions)),
        "{batches:?}"
    );
    assert_eq!(bench.db.lines("select sum(succeeded) from stats_minutes").await, ["18003"]);
}

#[tokio::test]
async fn sums_are_kept_as_long_as_executions_and_minutes_for_thirty_hours() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let days = bench.settings.scheduler.retention_days;
    let workspace = bench.workspace.uuid();
    for table in ["stats_minutes", "stats_hours", "stats_hosts"] {
        let key = match table {
            "stats_minutes" => String::new(),
            "stats_hours" => format!(", '{workspace}'"),
            _ => ", 'example.com'".to_owned(),
        };
        for age in ["29 hours", "31 hours", &format!("{} days", days + 2)] {
            let insert = format!(
                "insert into {table} values ('{workspace}', now() - interval '{age}'{key}, 1, 0, 0, 0, 0, 1, '', '')"
            );
            bench.db.execute(&insert).await;
        }
    }
    clean_up(&scheduler).await.unwrap();
    for (table, left) in [("stats_minutes", 1), ("stats_hours", 2), ("stats_hosts", 2)] {
        assert_eq!(bench.db.count(&format!("select count(*) from {table}")).await, left, "{table}");
    }
    let mut conn = bench.db.conn().await;
    assert_eq!(
        statistics::purge_old(&mut conn, Kept::AsExecutions, bench.db.now().await, 1).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn the_health_of_a_deleted_job_is_forgotten() {
    let (bench, mut numbers) = (Bench::new().await, Numbers(3));
    let (kept, deleted, now) = (a_job(&bench).await, a_job(&bench).await, bench.db.now().await);
    for job in [kept, deleted] {
        bench.db.execute(&execution(&bench, job, now, "failed", &mut numbers)).await;
    }
    bench.db.count_executions(Counting::Minutes).await;
    assert_eq!(bench.db.count("select count(*) from job_health").await, 2);
    jobs::delete(&mut *bench.db.conn().await, bench.workspace, deleted, None, &OPERATOR).await.unwrap();
    bench.db.execute(&execution(&bench, deleted, now, "failed", &mut numbers)).await;
    bench.db.count_executions(Counting::Minutes).await;
    let left = bench.db.lines("select job_id from job_health").await;
    assert_eq!(left, [kept.uuid().to_string()]);
}
