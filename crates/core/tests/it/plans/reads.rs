//! The rows that statements of the store read, as counted by Postgres: only those that concern them, however large the tables.

use chrono::{DateTime, TimeDelta};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use std::time::Duration;
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome},
        execution::{Source, Status},
        fire::{MISFIRE_THRESHOLD, decide},
        id::{ExecutionId, ExecutorId, JobId, WorkspaceId},
        job::{JobState, order::SortedBy},
        ledger::LedgerWindow,
        page::Page,
        schedule::Kind,
        statistics::HealthFilter,
    },
    store::{
        Conn, StoreError, audit, backlog, dispatch, executions, executors, invitations, jobs,
        leases::{self, AfterRelease, Ended, JobCapacity},
        lower_bound::BEGINNING,
        migrate, notifications, sent, slots, timers, workspaces,
    },
};
use trigrun_testkit::TestDb;
use uuid::Uuid;

use super::FILL;

/// Rows in addition to [`FILL`]: the workspaces and jobs of its executions, 20,000 other jobs, attempts, and work to do.
const FILL_JOBS: &str = "
    set session_replication_role = replica;
    insert into workspaces (id, name)
    select ('00000000-0000-0000-0000-0000000000' || lpad(n::text, 2, '0'))::uuid, 'w' from generate_series(0, 49) n;
    insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
    select case when n < 500 then ('00000000-0000-0000-0000-000000000' || lpad(n::text, 3, '0'))::uuid else gen_random_uuid() end,
           ('00000000-0000-0000-0000-0000000000' || lpad((n % 50)::text, 2, '0'))::uuid, 1, 'job ' || n, 'recurring', 'active', '{}',
           now(), now()
    from generate_series(0, 20499) n;
    insert into job_versions (job_id, version, created_at, name, state, tags, kind, every_seconds, url, method, headers, body_is_json,
                              timeout_seconds, success_statuses, max_attempts, retry_on_statuses, overlap_policy, misfire_policy,
                              catch_up_limit, delivery)
    select id, 1, now(), name, 'active', '{}', 'recurring', 60, 'http://192.0.2.1/', 'GET', '{}', false, 30, '{200}', 1, '{}', 'queue',
           'skip', 10, 'at_least_once'
    from jobs;
    insert into earlier_attempts (execution_id, number, status, started_at, total_us) select id, 1, 'success', now(), 1 from executions;
    insert into run_keys (workspace_id, key, execution_id, job_id) select workspace_id, id::text, id, job_id from executions;
    insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, publish_claimed_at)
    select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || lpad(n::text, 20, '0'))::uuid,
           '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', 1, 3, 'queued', 'schedule',
           now() - interval '5 s', now() - interval '5 s', case when n % 2 = 0 then now() - interval '6 s' end
    from generate_series(1, 40) n;
    analyze";

/// A deleted workspace of which only the keys of runs remain.
const FILL_DELETED: &str = "
    insert into workspaces (id, name, deleted_at) values ('ffffffff-0000-0000-0000-000000000000', 'deleted', now());
    insert into run_keys (workspace_id, key, execution_id, job_id)
    select 'ffffffff-0000-0000-0000-000000000000', n::text, gen_random_uuid(), gen_random_uuid() from generate_series(1, 300) n";
/// Versions that were replaced two days ago, one of them with open executions.
const FILL_VERSIONS: &str = "
    insert into job_versions
    select (jsonb_populate_record(v, jsonb_build_object('version', 2, 'replaced_at', now() - interval '2 days'))).*
    from job_versions v order by job_id limit 300";
const PURGED_IN_BATCHES: &str = "
    do $$ declare remaining bigint := (select count(*) from run_keys where workspace_id = 'ffffffff-0000-0000-0000-000000000000');
    begin if remaining <> 200 then raise '% are left', remaining; end if; end $$";

/// Far more than any of these statements has to read, and far less than a table has.
const MAX_ROWS_READ: i64 = 600;
/// Rows that this transaction has read so far, by any kind of scan; only the transaction itself can see them.
const ROWS_READ: &str = "(select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint from pg_stat_xact_user_tables)";

/// Runs `work` and fails if it reads more rows than `max`: a statement without its index reads a table.
pub async fn frugal<T>(
    conn: &mut Conn,
    name: &str,
    max: i64,
    work: impl AsyncFnOnce(&mut Conn) -> Result<T, StoreError>,
) -> T {
    conn.batch_execute(&format!("select set_config('test.read', {ROWS_READ}::text, true)")).await.unwrap();
    let done = work(conn).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let check = format!(
        "do $$ declare read bigint := {ROWS_READ} - current_setting('test.read')::bigint;
         begin if read > {max} then raise '% rows were read', read; end if; end $$"
    );
    conn.batch_execute(&check).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    done
}

/// In a transaction that is rolled back: with plans for the parameters, and with generic plans.
pub async fn with_both_plans(db: &TestDb, work: impl AsyncFn(&mut Conn)) {
    for mode in ["force_custom_plan", "force_generic_plan"] {
        with_plans(db, mode, &work).await;
    }
}

async fn with_plans(db: &TestDb, mode: &str, work: impl AsyncFn(&mut Conn)) {
    // The end of the session rolls the work back.
    let mut conn = migrate::connect(&db.settings()).await.unwrap();
    conn.begin_test_transaction().await.unwrap();
    conn.batch_execute(&format!("set local plan_cache_mode = {mode}")).await.unwrap();
    work(&mut conn).await;
}

pub async fn filled() -> TestDb {
    let db = TestDb::new().await;
    TestDb::execute(&db, FILL).await;
    TestDb::execute(&db, FILL_JOBS).await;
    db
}

/// An attempt under this lease that succeeded.
fn ended(lease: &leases::Lease) -> Ended {
    Ended {
        lease: lease.clone(),
        attempt: EndedAttempt {
            outcome: Outcome::of(AttemptStatus::Success),
            disposition: Disposition::Succeeded,
            started_at: lease.due_at,
            ended_at: lease.due_at,
        },
        lateness_us: Some(1),
    }
}

/// Forty timers of one instant.
const FILL_AN_INSTANT: &str = "
    set session_replication_role = replica;
    insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, misfire_policy, catch_up_limit)
    select gen_random_uuid(), gen_random_uuid(), n % 16, 1, date_trunc('second', now()), now(), 60, 'skip', 10
    from generate_series(1, 40) n";
/// Three thousand executions of the instant of the timers, in a partition that has no statistics.
const FILL_ITS_EXECUTIONS: &str = "
    insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count)
    select (lpad(to_hex((extract(epoch from (select min(next_run_at) from job_timers)) * 1000)::bigint), 12, '0')
            || '8' || substr(md5(n::text), 1, 19))::uuid, gen_random_uuid(), gen_random_uuid(), 1, 'succeeded', 'schedule', now(), now(), 1
    from generate_series(1, 3000) n";

/// The plan is made for an empty table and kept: the first minute of a day is like this.
#[tokio::test]
async fn planning_reads_no_other_execution_of_the_same_instant() {
    let db = TestDb::new().await;
    db.execute(FILL_AN_INSTANT).await;
    with_plans(&db, "force_generic_plan", async |conn| {
        let due = timers::PlanningWindow::Due { horizon: Duration::from_secs(2), late: MISFIRE_THRESHOLD };
        let first = timers::record_fires(conn, due, 20, decide).await.unwrap();
        assert_eq!(first.to_publish.len(), 20);
        conn.batch_execute(FILL_ITS_EXECUTIONS).await.unwrap();
        let second =
            frugal(conn, "plan", MAX_ROWS_READ, async |c| timers::record_fires(c, due, 20, decide).await)
                .await;
        assert_eq!(second.to_publish.len(), 20);
    })
    .await;
}

/// The plan of the statement that records a large batch, as the session keeps it.
const NESTED_LOOPS: &str = "
    do $$ declare kept record; line text; plans int := 0;
    begin
        for kept in select name, cardinality(parameter_types) as count from pg_prepared_statements
                    where statement like '%insert into executions%' and statement like '%planned without nested loops' loop
            plans := plans + 1;
            for line in execute format('explain execute %I (%s null)', kept.name, repeat('null, ', kept.count - 1)) loop
                if line like '%Nested Loop%' then raise '%', line; end if;
            end loop;
        end loop;
        if plans <> 1 then raise '% plans', plans; end if;
    end $$";

/// Postgres compares each row of a batch with each other in a nested loop, and keeps the plan that it made for a small batch.
#[tokio::test]
async fn a_large_batch_is_recorded_without_a_nested_loop_whatever_came_before() {
    let db = filled().await;
    with_plans(&db, "force_generic_plan", async |conn| {
        let session = ExecutorId::from_uuid(Uuid::now_v7());
        executors::insert(conn, session, "test").await.unwrap();
        let due = leases::due(conn, BEGINNING, TimeDelta::zero(), 40).await.unwrap();
        let ids: Vec<ExecutionId> = due.iter().map(leases::DueExecution::execution).collect();
        let leases = leases::lease(conn, session, &ids).await.unwrap();
        assert_eq!(leases.len(), 40);
        let (small, large) = leases.split_at(5);
        for lease in small {
            leases::record(conn, session, &[ended(lease)]).await.unwrap();
        }
        let large: Vec<Ended> = large.iter().map(ended).collect();
        assert_eq!(leases::record(conn, session, &large).await.unwrap().len(), 35);
        // If the plan is made again, because Postgres has analysed a table meanwhile.
        conn.batch_execute("set local enable_nestloop = off").await.unwrap();
        conn.batch_execute(NESTED_LOOPS).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_run_reads_only_its_own_rows() {
    let db = filled().await;
    with_both_plans(&db, async |conn| {
        let horizon = Duration::from_secs(2);
        let due = timers::PlanningWindow::Due { horizon, late: MISFIRE_THRESHOLD };
        frugal(conn, "plan", MAX_ROWS_READ, async |c| timers::record_fires(c, due, 20, decide).await).await;
        let missed = timers::PlanningWindow::Missed { late: MISFIRE_THRESHOLD, after: BEGINNING };
        frugal(conn, "missed", MAX_ROWS_READ, async |c| timers::record_fires(c, missed, 20, decide).await)
            .await;
        frugal(conn, "retry_failed", MAX_ROWS_READ, async |c| timers::retry_failed(c, 20, |_| None).await)
            .await;
        let dispatches = frugal(conn, "publish", MAX_ROWS_READ, async |c| {
            dispatch::claim_unpublished(c, BEGINNING, horizon, 20).await
        })
        .await;
        let published: Vec<ExecutionId> = dispatches.iter().map(|dispatch| dispatch.execution).collect();
        assert_eq!(published.len(), 20);

        let session = ExecutorId::from_uuid(Uuid::now_v7());
        executors::insert(conn, session, "test").await.unwrap();
        let leases =
            frugal(conn, "lease", MAX_ROWS_READ, async |c| leases::lease(c, session, &published).await).await;
        assert_eq!(leases.len(), 20);
        let held = frugal(conn, "held", MAX_ROWS_READ, async |c| leases::owned(c, session).await).await;
        assert_eq!(held.running.len(), 20);
        let ended: Vec<Ended> = leases[..10].iter().map(ended).collect();
        let recorded =
            frugal(conn, "record", MAX_ROWS_READ, async |c| leases::record(c, session, &ended).await).await;
        assert_eq!(recorded.len(), 10);
        let released: Vec<_> = leases[10..15].iter().map(|lease| (lease.execution, lease.number)).collect();
        frugal(conn, "release", MAX_ROWS_READ, async |c| {
            leases::release(c, session, &released, AfterRelease::Wait).await
        })
        .await;
        // The first job has the smallest id there is, which is where the search begins.
        let workspace = WorkspaceId::from_uuid(Uuid::nil());
        let job = |n| JobCapacity { job: JobId::from_uuid(Uuid::from_u128(n)), limit: 100 };
        let jobs: Vec<JobCapacity> = (0..64).map(job).collect();
        let search = async |c: &mut Conn| leases::waiting_jobs(c, None, 500).await;
        frugal(conn, "waiting jobs", MAX_ROWS_READ, search).await;
        let waiting = frugal(conn, "lease waiting", MAX_ROWS_READ, async |c| {
            leases::lease_waiting(c, workspace, session, &jobs, 100).await
        })
        .await;
        assert_eq!(waiting.len(), 5);
        let limited = frugal(conn, "waiting with slots", MAX_ROWS_READ, async |c| {
            leases::waiting_limited(c, workspace, &jobs).await
        })
        .await;
        assert!(limited.is_empty());
        frugal(conn, "hand over", MAX_ROWS_READ, async |c| dispatch::hand_over(c, &published).await).await;
        executors::end(conn, session).await.unwrap();
        let taken = frugal(conn, "reclaim", MAX_ROWS_READ, async |c| leases::reclaim(c, 100).await).await;
        assert_eq!(taken.all, 10);
    })
    .await;
}

#[tokio::test]
async fn a_pass_with_little_work_reads_little() {
    let db = filled().await;
    let (now, grace) = (db.now().await, Duration::from_millis(400));
    with_both_plans(&db, async |conn| {
        let stand_in = TimeDelta::seconds(-2);
        frugal(conn, "due", MAX_ROWS_READ, async |c| leases::due(c, BEGINNING, stand_in, 20).await).await;
        let settled = executions::settled(conn).await.unwrap();
        let workspaces = [WorkspaceId::from_uuid(Uuid::nil())];
        frugal(conn, "followed", MAX_ROWS_READ, async |c| {
            executions::ended(c, &workspaces, (settled, settled + 5000), 100).await
        })
        .await;
        let shards = frugal(conn, "overdue", MAX_ROWS_READ, async |c| {
            dispatch::overdue_shards(c, BEGINNING, grace).await
        })
        .await;
        assert_eq!(shards.iter().map(|overdue| overdue.shard).collect::<Vec<_>>(), [3]);
        let again = async |c: &mut Conn| {
            dispatch::request_republish(c, &shards[0], None, grace, Duration::ZERO, 20).await
        };
        frugal(conn, "ask again", MAX_ROWS_READ, again).await;
        let backlog =
            frugal(conn, "measure", MAX_ROWS_READ, async |c| backlog::measure(c, BEGINNING).await).await;
        assert_eq!(backlog.waiting, 40);
        frugal(conn, "wake", MAX_ROWS_READ, async |c| slots::wake_all(c).await).await;
        frugal(conn, "reclaim", MAX_ROWS_READ, async |c| leases::reclaim(c, 100).await).await;
        frugal(conn, "live", MAX_ROWS_READ, async |c| executors::live(c).await).await;
        frugal(conn, "prune", MAX_ROWS_READ, async |c| executors::prune(c).await).await;
        let open = async |c: &mut Conn| notifications::open_workspaces(c, None, 1000).await;
        frugal(conn, "open workspaces", MAX_ROWS_READ, open).await;
        let deliver = async |c: &mut Conn| {
            notifications::claim_due(c, &[(WorkspaceId::from_uuid(Uuid::nil()), 8)]).await
        };
        frugal(conn, "deliver", MAX_ROWS_READ, deliver).await;
        frugal(conn, "old notifications", MAX_ROWS_READ, async |c| {
            notifications::purge_old(c, DateTime::UNIX_EPOCH, 100).await
        })
        .await;
        let keys =
            frugal(conn, "old keys", MAX_ROWS_READ, async |c| executions::purge_keys(c, now, 100).await)
                .await;
        assert_eq!(keys, 100);
        frugal(conn, "old entries", MAX_ROWS_READ, async |c| audit::purge_old(c, now, 100).await).await;
        conn.batch_execute(FILL_VERSIONS).await.unwrap();
        let versions = async |c: &mut Conn| jobs::purge_versions(c, now - TimeDelta::days(1), 100).await;
        assert_eq!(frugal(conn, "old versions", MAX_ROWS_READ, versions).await, 100);
        frugal(conn, "invitations", MAX_ROWS_READ, async |c| invitations::purge(c, now).await).await;
        frugal(conn, "workspaces", MAX_ROWS_READ, async |c| workspaces::purge_deleted(c, 100).await).await;
        conn.batch_execute(FILL_DELETED).await.unwrap();
        frugal(conn, "keys of workspaces", MAX_ROWS_READ, async |c| workspaces::purge_deleted(c, 100).await)
            .await;
        conn.batch_execute(PURGED_IN_BATCHES).await.unwrap();
        frugal(conn, "jobs", MAX_ROWS_READ, async |c| jobs::purge_deleted(c, 100).await).await;
    })
    .await;
}

#[tokio::test]
async fn pages_read_no_more_than_their_workspace() {
    let db = filled().await;
    let now = db.now().await;
    let (workspace, job) = (WorkspaceId::from_uuid(Uuid::nil()), JobId::from_uuid(Uuid::nil()));
    let page = Page { limit: 20, before: None };
    let deep = Page { limit: 20, before: Some(ExecutionId::lower_bound(now + TimeDelta::days(3))) };
    let every = executions::Filter::default;
    with_both_plans(&db, async |conn| {
        let day = executions::Filter { from: Some(now), to: Some(now + TimeDelta::days(1)), ..every() };
        let job_name = Some("job 0".to_owned());
        for (filter, page) in [
            (every(), page),
            (every(), deep),
            (day, page),
            (executions::Filter { statuses: vec![Status::Succeeded], ..every() }, deep),
            (executions::Filter { job: Some(job), ..every() }, page),
            (executions::Filter { statuses: vec![Status::Failed], ..every() }, page),
            (executions::Filter { source: Some(Source::Manual), ..every() }, page),
            (executions::Filter { job_name, ..every() }, page),
        ] {
            let list = async |c: &mut Conn| executions::list(c, workspace, &filter, page).await;
            frugal(conn, &format!("executions {filter:?}"), MAX_ROWS_READ, list).await;
        }
        let first = executions::list(conn, workspace, &every(), page).await.unwrap().data.remove(0);
        frugal(conn, "execution", MAX_ROWS_READ, async |c| executions::get(c, workspace, first.id).await)
            .await;
        let window = LedgerWindow { from: now, to: now + TimeDelta::hours(1) };
        frugal(conn, "fires", MAX_ROWS_READ, async |c| executions::fires(c, workspace, job, window).await)
            .await;
        let blocking = async |c: &mut Conn| executions::find_blocking(c, workspace, job, first.id).await;
        frugal(conn, "blocking", MAX_ROWS_READ, blocking).await;
        let sent = async |c: &mut Conn| sent::get(c, workspace, first.id, None).await;
        frugal(conn, "sent", MAX_ROWS_READ, sent).await;
        let phases = async |c: &mut Conn| executions::phases(c, workspace, job, None, 50).await;
        frugal(conn, "phases", MAX_ROWS_READ, phases).await;
        frugal(conn, "many", MAX_ROWS_READ, async |c| executions::find_all(c, workspace, &[first.id]).await)
            .await;
        frugal(conn, "job", MAX_ROWS_READ, async |c| jobs::get(c, workspace, job, now).await).await;
        for filter in job_filters() {
            let list = async |c: &mut Conn| jobs::list(c, workspace, &filter, page, now).await;
            // The version of each job has the secrets that it needs.
            let versions = if filter.health == Some(HealthFilter::WillFail) { 410 } else { 0 };
            frugal(conn, &format!("jobs {filter:?}"), MAX_ROWS_READ + versions, list).await;
        }
    })
    .await;
}

fn job_filters() -> [jobs::Filter; 7] {
    let every = jobs::Filter::default;
    [
        every(),
        jobs::Filter { state: Some(JobState::Paused), ..every() },
        jobs::Filter { kind: Some(Kind::Cron), ..every() },
        jobs::Filter { tag: Some("tag".into()), ..every() },
        jobs::Filter { q: Some("job".into()), ..every() },
        jobs::Filter { health: Some(HealthFilter::Failing), ..every() },
        jobs::Filter { health: Some(HealthFilter::WillFail), ..every() },
    ]
}

/// A timer for each job of all workspaces.
const FILL_TIMERS: &str = "
    insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, misfire_policy, catch_up_limit)
    select id, workspace_id, 1, version, now(), now(), 60, 'skip', 10 from jobs;
    analyze job_timers";

#[tokio::test]
async fn active_jobs_are_read_without_those_of_other_workspaces() {
    let db = filled().await;
    TestDb::execute(&db, FILL_TIMERS).await;
    let workspace = WorkspaceId::from_uuid(Uuid::nil());
    with_both_plans(&db, async |conn| {
        // A row of the job and its timer.
        let all = frugal(conn, "active", 2 * 410 + 1, async |c| {
            timers::active(c, workspace, None, None, timers::ACTIVE_BATCH).await
        })
        .await;
        // The nil id is before all others.
        assert_eq!((all.timers.len(), all.next), (409, None));
        let page = frugal(conn, "active, a page", 2 * 20 + 1, async |c| {
            timers::active(c, workspace, None, Some(all.timers[99].job), 20).await
        })
        .await;
        assert_eq!((page.timers[0].job, page.timers.len()), (all.timers[100].job, 20));
        assert_eq!(page.next, Some(all.timers[119].job));
        let tagged = frugal(conn, "active, by tag", 2 * 20 + 1, async |c| {
            timers::active(c, workspace, Some("none"), None, 20).await
        })
        .await;
        assert_eq!((tagged.timers.len(), tagged.next), (0, Some(all.timers[19].job)));
        let job = all.timers[7].job;
        frugal(conn, "active_job", 2, async |c| timers::active_job(c, workspace, job, None).await)
            .await
            .unwrap();
        let ids: Vec<JobId> = all.timers.iter().map(|timer| timer.job).take(100).collect();
        let briefs = frugal(conn, "brief", 2 * 100, async |c| jobs::brief(c, workspace, &ids).await).await;
        assert_eq!(briefs.len(), 100);
    })
    .await;
}

#[tokio::test]
async fn jobs_are_found_by_their_keys_and_stacks() {
    let db = filled().await;
    let keyed = "set session_replication_role = replica; update jobs set key = 'k' || replace(name, 'job ', ''), stack = 'web'; analyze jobs";
    TestDb::execute(&db, keyed).await;
    let (workspace, now) = (WorkspaceId::from_uuid(Uuid::nil()), db.now().await);
    let id = JobId::from_uuid(Uuid::from_u128(0x50));
    with_both_plans(&db, async |conn| {
        let found = frugal(conn, "find_by_key", 2, async |c| jobs::find_by_key(c, workspace, "k100").await);
        assert!(found.await.is_some());
        let (keys, ids) = (["k100", "k150"], [id]);
        let all =
            frugal(conn, "find_all", 40, async |c| jobs::find_all(c, workspace, (&keys, &ids), now).await);
        assert_eq!(all.await.len(), 3);
        let known = frugal(conn, "ids_by_key", 4, async |c| jobs::ids_by_key(c, workspace, &keys).await);
        assert_eq!(known.await.len(), 2);
        let stacked = frugal(conn, "of_stack", 11, async |c| jobs::of_stack(c, workspace, "web", 10).await);
        assert_eq!(stacked.await.len(), 10);
        let versions =
            frugal(conn, "versions", 4, async |c| jobs::versions(c, workspace, id, i32::MAX, 10).await);
        assert_eq!(versions.await.len(), 1);
    })
    .await;
}

/// The walks of a list of jobs are those of its indexes.
#[tokio::test]
async fn lists_of_jobs_read_the_index_of_their_order() {
    let db = filled().await;
    for (order, statement) in jobs::SORTED {
        let explain = format!(
            "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_incremental_sort = off;
             prepare statement (uuid, uuid, text, text, text, text, text, text, text, uuid, bigint, text, text) as {statement};
             explain (costs off) execute statement ('{nil}', '{nil}', null, null, null, null, null, null, null, '{nil}', 51, '1970-01-01', null)",
            nil = "00000000-0000-0000-0000-000000000000",
        );
        let plan = db.lines(&explain).await.join("\n");
        assert!(!["Seq Scan", "Hash", "hashed"].iter().any(|bad| plan.contains(bad)), "{order:?}\n{plan}");
        let index = match order.sorted_by() {
            SortedBy::Name => "jobs_name",
            SortedBy::Id => "jobs_workspace",
            // It reads all jobs of the workspace.
            SortedBy::NextRun | SortedBy::LastRun | SortedBy::Attention => continue,
        };
        let scan = plan.lines().find(|line| line.contains(&format!("using {index} on jobs")));
        let is_backward = scan.is_some_and(|scan| scan.contains("Backward"));
        assert!(scan.is_some() && is_backward == order.is_descending(), "{order:?}\n{plan}");
    }
    let explain = format!(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_incremental_sort = off;
         prepare statement (uuid, bigint, text, text, text, text, text, text, text, text) as {};
         explain (costs off) execute statement ('{}', 10, null, null, null, null, null, null, null, null)",
        jobs::COUNT,
        Uuid::nil()
    );
    let plan = db.lines(&explain).await.join("\n");
    assert!(plan.contains("Backward using jobs_workspace on jobs") && !plan.contains("Seq Scan"), "{plan}");
}
