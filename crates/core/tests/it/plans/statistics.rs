//! Statistics read their own rows only.

use chrono::{DateTime, TimeDelta};
use trigrun_core::{
    domain::id::{JobId, WorkspaceId},
    store::{jobs, quotas, statistics},
};
use trigrun_testkit::TestDb;
use uuid::Uuid;

use super::{
    FILL,
    reads::{filled, frugal, with_both_plans},
};

/// Sums of two hundred hours: of fifty workspaces with forty jobs each, which call ten hosts. One in twenty jobs fails.
const FILL_SUMS: &str = "
    set session_replication_role = replica;
    insert into stats_hours
    select ('00000000-0000-0000-0000-0000000000' || lpad(w::text, 2, '0'))::uuid, date_trunc('hour', now()) - n * interval '1 hour',
           ('00000000-0000-0000-0000-000000000' || lpad(j::text, 3, '0'))::uuid, 1, 0, 0, 0, 0, 1, '', ''
    from generate_series(0, 49) w, generate_series(0, 39) j, generate_series(0, 199) n;
    insert into stats_hosts
    select workspace_id, at, 'host ' || right(job_id::text, 1), 1, 0, 0, 0, 0, 1, '', '' from stats_hours where right(job_id::text, 2) < '10';
    insert into stats_minutes
    select ('00000000-0000-0000-0000-0000000000' || lpad(w::text, 2, '0'))::uuid, date_trunc('minute', now()) - n * interval '1 minute',
           1, 0, 0, 0, 0, 1, '', ''
    from generate_series(0, 49) w, generate_series(0, 1000) n;
    insert into stats_failures
    select workspace_id, at, job_id, 'timeout', 0, 1, at, at, gen_random_uuid() from stats_hours where right(job_id::text, 2) < '02';
    insert into job_health
    select id, workspace_id, case when right(id::text, 1) = '0' then 'failing' else 'well' end, now(), 1, now(), 'timeout', null, gen_random_uuid()
    from jobs;
    insert into members (workspace_id, user_id, role, created_at)
    select w.id, gen_random_uuid(), 'member', now() from workspaces w, generate_series(1, 20) n;
    insert into invitations (id, workspace_id, email, role, hash, created_at, expires_at)
    select gen_random_uuid(), w.id, n || '@example.com', 'member', w.id::text::bytea || n::text::bytea, now(), now() + interval '1 day'
    from workspaces w, generate_series(1, 20) n;
    insert into channels (id, workspace_id, name, kind, version, sealed, masked, created_at, updated_at)
    select gen_random_uuid(), w.id, n::text, 'webhook', 1, '', '{}', now(), now() from workspaces w, generate_series(1, 20) n;
    analyze stats_hours, stats_hosts, stats_minutes, stats_failures, job_health, members, invitations, channels";

#[tokio::test]
async fn statistics_read_the_rows_of_their_time_and_workspace() {
    let db = filled().await;
    TestDb::execute(&db, FILL_SUMS).await;
    let (workspace, job) = (WorkspaceId::from_uuid(Uuid::nil()), JobId::from_uuid(Uuid::nil()));
    let last = db.count("select extract(epoch from max(at))::bigint from stats_minutes").await;
    let now = DateTime::from_timestamp(last, 0).unwrap();
    let last = db.count("select extract(epoch from max(at))::bigint from stats_hours").await;
    let hour = DateTime::from_timestamp(last, 0).unwrap();
    let past = now - TimeDelta::hours(10);
    let span = (hour - TimeDelta::hours(9), hour + TimeDelta::hours(1));
    with_both_plans(&db, async |conn| {
        frugal(conn, "minutes", 601, async |c| statistics::minutes(c, workspace, (past, now)).await).await;
        let hours = frugal(conn, "hours", 401, async |c| {
            statistics::hours(c, workspace, span, None, 1000, |_| ()).await
        });
        assert_eq!(hours.await, 400);
        let of_job = frugal(conn, "hours of a job", 11, async |c| {
            statistics::hours(c, workspace, span, Some(job), 1000, |_| ()).await
        });
        assert_eq!(of_job.await, 10);
        let hosts = frugal(conn, "hosts", 101, async |c| {
            statistics::hosts(c, workspace, span, None, 1000, |_| ()).await
        });
        assert_eq!(hosts.await, 100);
        // A row, its job and its health. Ten hours are parts of eleven.
        let failures = frugal(conn, "failures", 67, async |c| {
            statistics::failures(c, workspace, (past, now), 1000).await
        });
        failures.await;
        let classes = async |c: &mut _| statistics::failures_by_class(c, workspace, (past, now), None).await;
        frugal(conn, "failures by class", 23, classes).await;
        let failing =
            frugal(conn, "failing jobs", 100, async |c| statistics::failing_jobs(c, workspace, 1000).await);
        assert!(!failing.await.is_empty());
        frugal(conn, "executions of a job", 600, async |c| {
            statistics::of_job(c, workspace, job, (now, now + TimeDelta::days(8)), 100).await
        })
        .await;
        frugal(conn, "labels", 101, async |c| {
            statistics::labels(c, workspace, (None, Some("none")), 100).await
        })
        .await;
        let called =
            frugal(conn, "called hosts", 201, async |c| jobs::called_hosts(c, workspace, 100, 10).await);
        assert!(!called.await.is_empty());
        frugal(conn, "used", 360, async |c| quotas::used(c, workspace, now, 100).await).await;
        frugal(conn, "after", 101, async |c| jobs::after(c, workspace, None, 100).await).await;
        frugal(conn, "count after", 101, async |c| jobs::count_after(c, workspace, None, 100).await).await;
        let old = async |c: &mut _| statistics::purge_old(c, statistics::Kept::AsExecutions, now, 10).await;
        // Each row is found by the index, and then by its place.
        frugal(conn, "old sums", 3 * 21, old).await;
        let purge = async |c: &mut _| statistics::purge_old(c, statistics::Kept::Hours, now, 10).await;
        frugal(conn, "old minutes", 21, purge).await;
    })
    .await;
}

#[tokio::test]
async fn executions_are_counted_in_the_order_of_the_index() {
    let db = TestDb::new().await;
    db.execute(FILL).await;
    // As the pass reads.
    let explain = format!(
        "set enable_seqscan = off; set enable_sort = off; set plan_cache_mode = force_generic_plan; prepare statement as {};
         explain (costs off) execute statement (0, 1000)",
        statistics::READ
    );
    let plan = db.lines(&explain).await.join("\n");
    let merged = plan.contains("Merge Append") && plan.contains("recorded_in_idx");
    assert!(merged && !plan.contains("Seq Scan") && !plan.contains("->  Sort"), "{plan}");
}
