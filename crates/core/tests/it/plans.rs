//! The hot statements use their indexes, on tables that are large enough for Postgres to have a choice.

use trigrun_core::store::{executions, jobs, notifications, request_tests};
use trigrun_testkit::TestDb;

mod filters;
mod lists;
mod reads;
mod sessions;
mod statistics;

/// Jobs and history of a small installation, over all days with a partition and one without. Rows refer to nothing, which does not matter to the plans.
const FILL: &str = "
    set session_replication_role = replica;
    insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, misfire_policy, catch_up_limit)
    select gen_random_uuid(), gen_random_uuid(), n % 16, 1, now() + n * interval '1 s', now(), 60, 'skip', 10
    from generate_series(-100, 30000) n;
    insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count)
    select (lpad(to_hex((extract(epoch from now() + n * interval '20 s') * 1000)::bigint), 12, '0')
            || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
           ('00000000-0000-0000-0000-0000000000' || lpad((abs(n) % 50)::text, 2, '0'))::uuid,
           ('00000000-0000-0000-0000-000000000' || lpad((abs(n) % 500)::text, 3, '0'))::uuid, 1,
           'succeeded', 'schedule', now(), now(), 1
    from generate_series(-6000, 34000) n;
    insert into notifications (id, workspace_id, channel_id, job_id, execution_id, event, failures, status, due_at, created_at,
                               finished_at)
    select (lpad(to_hex(n), 12, '0') || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
           ('00000000-0000-0000-0000-00000000' || lpad((n % 300)::text, 4, '0'))::uuid, gen_random_uuid(),
           ('00000000-0000-0000-0000-0000000' || lpad((n % 15000)::text, 5, '0'))::uuid, gen_random_uuid(), 'failed', 1,
           case when n % 100 = 0 then 'queued' else 'succeeded' end, now(), now(), case when n % 100 > 0 then now() end
    from generate_series(1, 30000) n;
    insert into notification_rules (id, workspace_id, job_id, channel_id, event, failures, created_at)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'on_failure', 0, now()
    from generate_series(1, 5000);
    analyze";

/// Work that runs later.
const FILL_RUNS: &str = "
    set session_replication_role = replica;
    insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, owner_id, publish_claimed_at)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, n % 16, 'running', 'schedule', now(), now() + n * interval '1 s',
           gen_random_uuid(), now()
    from generate_series(60, 20000) n;
    analyze runs";

async fn plan(db: &TestDb, statement: &str) -> String {
    db.lines(&format!("explain (costs off) {statement}")).await.join("\n")
}

#[tokio::test]
async fn claiming_due_timers_reads_the_index_in_order() {
    let db = TestDb::new().await;
    db.execute(FILL).await;
    let plan = plan(
        &db,
        "select job_id from job_timers where next_run_at <= now() and next_run_at > now() - interval '1 minute'
         order by next_run_at, job_id limit 1000 for update skip locked",
    )
    .await;
    assert!(plan.contains("Index Scan using job_timers_due") && !plan.contains("Sort"), "{plan}");
}

#[tokio::test]
async fn lists_and_dispatches_use_their_indexes() {
    let db = TestDb::new().await;
    db.execute(FILL).await;
    db.execute(FILL_RUNS).await;
    let id = "00000000-0000-0000-0000-000000000000";
    for (statement, index) in [
        (
            format!("select id from executions where workspace_id = '{id}' order by id desc limit 50"),
            "workspace_id_id_idx",
        ),
        (
            format!("select id from executions where job_id = '{id}' order by id desc limit 50"),
            "job_id_id_idx",
        ),
        (
            "select id from runs where publish_claimed_at is null and owner_id is null and not waits_for_slot
               and due_at <= statement_timestamp() order by due_at limit 100"
                .into(),
            "runs_unpublished",
        ),
        ("select id from runs where shard = 1 and owner_id is null and due_at < now()".into(), "runs_due"),
    ] {
        let plan = plan(&db, &statement).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{statement}\n{plan}");
    }
}

/// The plan of a statement of the store, independent of its parameters.
async fn generic_plan(db: &TestDb, statement: &str, parameters: &str) -> String {
    let explain = format!(
        "set plan_cache_mode = force_generic_plan; prepare statement as {statement};
         explain (costs off) execute statement ({parameters})"
    );
    db.lines(&explain).await.join("\n")
}

#[tokio::test]
async fn notifications_use_their_indexes() {
    let db = TestDb::new().await;
    db.execute(FILL).await;
    let claim = generic_plan(
        &db,
        notifications::CLAIM_DUE,
        "'{00000000-0000-0000-0000-000000000000}', 8, 30000, '{8}'",
    )
    .await;
    let searched = claim
        .lines()
        .any(|line| line.contains("Index Cond") && line.contains("due_at <= statement_timestamp()"));
    assert!(claim.contains("notifications_open") && searched, "{claim}");
    let id = "'00000000-0000-0000-0000-000000000000'";
    let indexes =
        ["notifications_workspace", "notifications_channel", "notifications_job", "notifications_once"];
    for (statement, index) in notifications::LISTS.iter().zip(indexes) {
        let parameters = format!("{id}, null, {id}, {id}, {id}, {id}, 51");
        let plan = generic_plan(&db, statement, &parameters).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{index}\n{plan}");
    }
    for (statement, index) in [
        (
            format!("select exists (select from notification_rules r where r.job_id = {id})"),
            "notification_rules_once",
        ),
        (format!("select id from notifications where id < {id} order by id limit 100"), "notifications_pkey"),
        (
            format!(
                "select id from notifications where channel_id = {id} and finished_at is null limit 1000"
            ),
            "notifications_channel_open",
        ),
    ] {
        let plan = plan(&db, &statement).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{statement}\n{plan}");
    }
}

#[tokio::test]
async fn awaited_executions_are_found_by_their_ids() {
    let db = TestDb::new().await;
    db.execute(FILL_RUNS).await;
    fill_tests(&db).await;
    let plan = generic_plan(&db, executions::FIND_OPEN, "'{00000000-0000-0000-0000-000000000000}'").await;
    assert!(plan.contains("runs_pkey") && plan.contains("request_tests_pkey"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
}

/// An hour of tests, of which few are new.
async fn fill_tests(db: &TestDb) {
    let workspace = db.workspace("tests").await;
    let fill = format!(
        "insert into request_tests (id, workspace_id, job_id, created_at, depth, url, method, headers, body_is_json, timeout_seconds,
                                    success_statuses)
         select gen_random_uuid(), '{}', gen_random_uuid(), now() - n * interval '0.1 s', 0, 'https://example.com/', 'GET', '{{}}', false, 30, '{{}}'
         from generate_series(1, 36000) n",
        workspace.uuid()
    );
    db.execute(&fill).await;
    db.execute("analyze request_tests").await;
}

#[tokio::test]
async fn queued_tests_are_found_among_the_newest() {
    let db = TestDb::new().await;
    fill_tests(&db).await;
    let plan = generic_plan(&db, request_tests::QUEUED, "256").await;
    // Few workspaces are read as a whole.
    let is_frugal = plan.contains("request_tests_created") && !plan.contains("Seq Scan on request_tests");
    assert!(is_frugal, "{plan}");
}

#[tokio::test]
async fn the_activity_of_jobs_reads_their_executions_in_order() {
    let db = TestDb::new().await;
    db.execute(FILL).await;
    db.execute(FILL_RUNS).await;
    let (id, last) = ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'");
    let explain = format!(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_incremental_sort = off;
         prepare statement (uuid, uuid[], uuid, uuid, bigint) as {};
         explain (costs off) execute statement ({id}, '{{}}', {last}, {id}, 20)",
        executions::ACTIVITY
    );
    let plan = db.lines(&explain).await.join("\n");
    assert!(plan.contains("job_id_id_idx") && plan.contains("runs_job"), "{plan}");
    assert!(!plan.contains("Seq Scan") && !plan.contains("executions_pkey"), "{plan}");
}

#[tokio::test]
async fn pauses_that_end_are_found_in_order() {
    let db = TestDb::new().await;
    db.execute(
        "set session_replication_role = replica;
         insert into pauses (job_id, workspace_id, paused_at, actor, paused_until)
         select gen_random_uuid(), gen_random_uuid(), now(), 'operator', case when n % 10 = 0 then now() + n * interval '1 s' end
         from generate_series(-100, 20000) n;
         analyze pauses",
    )
    .await;
    let plan = generic_plan(&db, jobs::DUE_PAUSES, "100").await;
    assert!(plan.contains("Index Scan using pauses_due") && !plan.contains("Sort"), "{plan}");
}

#[tokio::test]
async fn a_baseline_reads_the_executions_of_its_job_in_order() {
    let db = TestDb::new().await;
    db.execute(FILL).await;
    let (id, last) = ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'");
    // As in the test of the plans of lists.
    let explain = format!(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_incremental_sort = off; prepare statement as {};
         explain (costs off) execute statement ({id}, {id}, {last}, 50, {id})",
        executions::PHASES
    );
    let plan = db.lines(&explain).await.join("\n");
    assert!(
        plan.contains("job_id_id_idx") && !plan.contains("Seq Scan") && !plan.contains("_pkey"),
        "{plan}"
    );
}
