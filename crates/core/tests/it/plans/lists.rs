//! Lists read an index in order and stop when the page is full: checked by plans that are independent of the parameters, and by the rows read.

use chrono::TimeDelta;
use diesel::{QueryableByName, sql_query, sql_types::BigInt};
use diesel_async::{AsyncConnection, RunQueryDsl};
use trigrun_core::{
    domain::{
        execution::{Source, Status},
        id::{JobId, WorkspaceId},
        job::{JobState, order::SortedBy},
        page::Page,
        schedule::Kind,
        workspace::shard,
    },
    store::{
        Conn,
        executions::{self, Filter},
        jobs, migrate,
    },
};
use trigrun_testkit::{TestDb, jobs::OPERATOR};
use uuid::Uuid;

use super::FILL;

/// The listed workspace, its jobs, and rare rows: of its eight hundred executions, forty failed long ago, forty were requested by a user, and forty
/// are open.
const FILL_RARE: &str = "
    set session_replication_role = replica;
    insert into workspaces (id, name) values ('00000000-0000-0000-0000-000000000000', 'w');
    insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
    select ('00000000-0000-0000-0000-000000000' || lpad(n::text, 3, '0'))::uuid, '00000000-0000-0000-0000-000000000000', 1,
           'job ' || n, 'recurring', 'active', '{}', now(), now()
    from generate_series(0, 499, 50) n;
    update executions set status = 'failed', error_class = 'http_5xx' where id in (
        select id from executions where workspace_id = '00000000-0000-0000-0000-000000000000' order by id limit 40);
    update executions set source = 'manual' where id in (
        select id from executions where workspace_id = '00000000-0000-0000-0000-000000000000' order by id offset 40 limit 40);
    with opened as (
        delete from executions where id in (
            select id from executions where workspace_id = '00000000-0000-0000-0000-000000000000' order by id offset 80 limit 40)
        returning *)
    insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at)
    select id, workspace_id, job_id, version, $shard, 'queued', source, scheduled_for, scheduled_for from opened;
    analyze";

/// More than [`FILL_JOBS`] and [`FILL_RARE`] create.
const JOBS: i64 = 2100;

/// Two thousand other jobs of the workspace, each with a timer and an execution; and the timers of other workspaces.
const FILL_JOBS: &str = "
    set session_replication_role = replica;
    insert into jobs (id, workspace_id, version, name, kind, state, tags, host, created_at, updated_at)
    select (lpad(to_hex(n), 12, '0') || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
           case when n <= 2000 then '00000000-0000-0000-0000-000000000000' else 'ffffffff-0000-0000-0000-000000000000' end::uuid, 1,
           'other ' || n, 'recurring', 'active', '{tag}', '192.0.2.1', now(), now()
    from generate_series(1, 6000) n;
    insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, misfire_policy, catch_up_limit)
    select id, workspace_id, 1, 1, now() + interval '1 minute', now(), 60, 'skip', 10 from jobs;
    insert into job_versions (job_id, version, created_at, name, state, tags, kind, every_seconds, url, method, headers, body_is_json,
                              timeout_seconds, success_statuses, max_attempts, retry_on_statuses, overlap_policy, misfire_policy,
                              catch_up_limit, delivery, secrets)
    select id, 1, now(), name, 'active', '{tag}', 'recurring', 60, 'http://192.0.2.1/', 'GET', '{}', false, 30, '{200}', 1, '{}',
           'queue', 'skip', 10, 'at_least_once', '{key}'
    from jobs;
    insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count)
    select gen_random_uuid(), workspace_id, id, 1, 'succeeded', 'schedule', now(), now(), 1 from jobs;
    analyze";

async fn filled() -> TestDb {
    let db = TestDb::new().await;
    TestDb::execute(&db, FILL).await;
    let shard = shard(WorkspaceId::from_uuid(Uuid::nil())).to_string();
    TestDb::execute(&db, &FILL_RARE.replace("$shard", &shard)).await;
    db
}

/// The plan of a list, independent of its parameters, in a session like those of the product.
async fn plan(db: &TestDb, statement: &str, parameters: &str) -> String {
    let explain = format!(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_incremental_sort = off;
         prepare statement (uuid, uuid, uuid, text[], text, uuid, text, timestamptz, timestamptz, bigint, uuid[], smallint, text,
                            text, text, smallint, smallint, uuid[])
             as {statement};
         explain (costs off) execute statement ({parameters})"
    );
    db.lines(&explain).await.join("\n")
}

#[tokio::test]
async fn lists_of_executions_read_their_indexes_in_order() {
    let db = filled().await;
    let indexes = [
        ("executions_workspace", "runs_workspace"),
        ("executions_job", "runs_job"),
        ("executions_unsuccessful", ""),
        ("", "runs_workspace"),
        ("executions_asked_for", "runs_asked_for"),
        ("executions_job", "runs_job"),
    ];
    // The name that Postgres gives the index of a partition says little.
    let names = db
        .lines("select inhrelid::regclass || ' ' || inhparent::regclass from pg_inherits where inhparent::regclass::text like 'executions_%'")
        .await;
    let (id, last) = ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'");
    let both = [executions::LISTS, executions::LISTS_OLDEST_FIRST];
    for (statement, (ended, open)) in both.iter().flat_map(|order| order.iter().zip(indexes)) {
        let parameters = format!(
            "{id}, {last}, {id}, '{{failed}}', 'manual', {id}, null, null, null, 51, '{{}}', 500, 'x', 'x', 'x', 599, 2, '{{}}'"
        );
        let plan = plan(&db, statement, &parameters).await;
        let mut read = [0, 0];
        for line in plan.lines() {
            let scan: Vec<&str> = line.trim_start().trim_start_matches("->  ").split(' ').collect();
            let (name, table) = match scan[..] {
                ["Index", "Scan", "using", name, "on", table, ..]
                | ["Index", "Scan", "Backward", "using", name, "on", table, ..] => (name, table),
                _ if line.contains(" on executions_") || line.contains(" on runs ") => (line, line),
                _ => continue,
            };
            if table == "runs" {
                assert_eq!(name, open, "{plan}");
                read[1] += 1;
            } else if table.starts_with("executions_") {
                assert!(names.contains(&format!("{name} {ended}")), "{name} is not of {ended}\n{plan}");
                read[0] += 1;
            } else {
                assert!(!line.contains("Scan on executions_"), "{plan}");
            }
        }
        assert_eq!((read[0] > 0, read[1]), (!ended.is_empty(), usize::from(!open.is_empty())), "{plan}");
        assert!(
            !plan.contains("Sort Key: e.id") || both.iter().any(|order| *statement == order[5]),
            "{plan}"
        );
    }
}

/// Far more than a page, and far less than the workspace has.
const MAX_ROWS_READ: i64 = 250;

/// Rows that this transaction has read so far, by any kind of scan.
pub(super) async fn rows_read(conn: &mut Conn) -> i64 {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let read = "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint as rows from pg_stat_xact_user_tables";
    sql_query(read).get_result::<Read>(conn).await.unwrap().rows
}

/// In a transaction that is rolled back: with plans for the parameters, and with generic plans.
async fn with_both_plans(db: &TestDb, work: impl AsyncFn(&mut Conn)) {
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let mut conn = migrate::connect(&db.settings()).await.unwrap();
        conn.begin_test_transaction().await.unwrap();
        sql_query(format!("set local plan_cache_mode = {mode}")).execute(&mut conn).await.unwrap();
        work(&mut conn).await;
    }
}

#[tokio::test]
async fn rare_executions_are_found_without_reading_the_rest() {
    let db = filled().await;
    let (workspace, job) = (WorkspaceId::from_uuid(Uuid::nil()), JobId::from_uuid(Uuid::nil()));
    let now = db.now().await;
    let page = Page { limit: 20, before: None };
    let every = Filter::default;
    with_both_plans(&db, async |conn| {
        for filter in [
            every(),
            Filter { statuses: vec![Status::Succeeded], ..every() },
            Filter { statuses: vec![Status::Failed], ..every() },
            Filter { statuses: vec![Status::Queued], ..every() },
            Filter { source: Some(Source::Manual), ..every() },
            Filter { job: Some(job), ..every() },
            Filter { job_name: Some("JOB 50".into()), ..every() },
        ] {
            let before = rows_read(conn).await;
            let list = executions::list(conn, workspace, &filter, page).await.unwrap();
            let read = rows_read(conn).await - before;
            assert_eq!((list.data.len(), list.next.is_some()), (20, true), "{filter:?}");
            assert!(read <= MAX_ROWS_READ, "{filter:?}: {read} rows were read");
        }
        // Two hours in which the workspace has less than a page.
        let (from, to) = (Some(now - TimeDelta::hours(1)), Some(now + TimeDelta::hours(1)));
        let before = rows_read(conn).await;
        let list = executions::list(conn, workspace, &Filter { from, to, ..every() }, page).await.unwrap();
        let read = rows_read(conn).await - before;
        assert!((1..20).contains(&list.data.len()), "{}", list.data.len());
        assert!(read <= MAX_ROWS_READ, "two hours: {read} rows were read");
    })
    .await;
}

#[tokio::test]
async fn a_page_of_jobs_reads_the_executions_of_no_other_job() {
    let db = filled().await;
    let workspace = WorkspaceId::from_uuid(Uuid::nil());
    TestDb::execute(&db, FILL_JOBS).await;
    let now = db.now().await;
    let every = jobs::Filter::default;
    with_both_plans(&db, async |conn| {
        for filter in [
            every(),
            jobs::Filter { state: Some(JobState::Active), ..every() },
            jobs::Filter { kind: Some(Kind::Recurring), ..every() },
            jobs::Filter { tag: Some("tag".into()), ..every() },
            jobs::Filter { q: Some("OTHER".into()), ..every() },
            jobs::Filter { host: Some("192.0.2.1".into()), ..every() },
            jobs::Filter { secret: Some("key".into()), ..every() },
        ] {
            for (order, _) in jobs::SORTED {
                let page = Page { limit: 20, before: None };
                let before = rows_read(conn).await;
                let list = jobs::sorted(conn, workspace, &filter, (order, page), now).await.unwrap();
                let read = rows_read(conn).await - before;
                assert_eq!((list.data.len(), list.next.is_some()), (20, true), "{order:?} {filter:?}");
                // Without an index, the jobs are counted, and each is read with its timer or a few runs, and perhaps with its version.
                let max = match order.sorted_by() {
                    SortedBy::NextRun | SortedBy::LastRun => 4 * JOBS + MAX_ROWS_READ,
                    SortedBy::Attention => 6 * JOBS + MAX_ROWS_READ,
                    SortedBy::Id | SortedBy::Name => MAX_ROWS_READ,
                };
                assert!(read <= max, "{order:?} {filter:?}: {read} rows were read");
            }
        }
        let read = rows_read(conn).await;
        let counts = jobs::count(conn, workspace, &every(), 1000).await.unwrap();
        assert_eq!((counts.by_state.iter().map(|(_, jobs)| jobs).sum::<i64>(), counts.capped), (1000, true));
        let read = rows_read(conn).await - read;
        assert!(read <= 1001, "counts: {read} rows were read");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_job_is_purged_without_reading_the_rest() {
    let db = filled().await;
    let (workspace, job) = (WorkspaceId::from_uuid(Uuid::nil()), JobId::from_uuid(Uuid::nil()));
    TestDb::execute(
        &db,
        "insert into earlier_attempts (execution_id, number, status, started_at, total_us) select id, 1, 'success', now(), 1 from executions;
         analyze",
    )
    .await;
    with_both_plans(&db, async |conn| {
        jobs::delete(conn, workspace, job, None, &OPERATOR).await.unwrap();
        let before = rows_read(conn).await;
        assert!(!jobs::purge_deleted(conn, 50).await.unwrap());
        let read = rows_read(conn).await - before;
        assert!(read <= MAX_ROWS_READ, "{read} rows were read");
        while !jobs::purge_deleted(conn, 50).await.unwrap() {}
        let left = sql_query("select from executions where job_id = '00000000-0000-0000-0000-000000000000'");
        assert_eq!(left.execute(conn).await.unwrap(), 0);
    })
    .await;
}

/// A lease is made in place as long as it changes no indexed column.
#[tokio::test]
async fn a_lease_changes_no_indexed_column() {
    let db = TestDb::new().await;
    let known = "select count(*) from pg_indexes where tablename = 'runs'
                 and indexdef ~ '\\m(status|owner_id|attempt_count)\\M'";
    assert_eq!(db.count(known).await, 0);
}
