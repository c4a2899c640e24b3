//! Every combination of filters: a page of a list does a bounded amount of work, and its pages together are complete.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use std::collections::BTreeSet;
use trigrun_core::{
    domain::{
        audit::Action,
        execution::{Execution, Source, Status},
        id::{ChannelId, ExecutionId, JobId, WorkspaceId},
        job::JobState,
        notification::NotificationStatus,
        page::{List, MAX_ROWS_SEARCHED, Page},
        schedule::Kind,
        statuses::StatusItem,
        workspace::shard,
    },
    store::{
        Conn, audit,
        executions::{self, Filter},
        jobs, migrate, notifications,
    },
};
use trigrun_testkit::{
    TestDb,
    filters::{Choices, matches},
};
use uuid::Uuid;

use super::lists::rows_read;

/// A workspace with `$jobs` jobs and `$executions` executions over `$hours` hours: of all sources and states, the open ones the newest.
/// Another workspace of the same shard has `$foreign` open executions. Notifications and audit entries as many as executions.
const FILL: &str = "
    set session_replication_role = replica;
    insert into workspaces (id, name) values ('00000000-0000-0000-0000-000000000000', 'w'), ('ffffffff-0000-0000-0000-000000000000', 'v');
    insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
    select ('00000000-0000-0000-0000-00000' || lpad(n::text, 7, '0'))::uuid,
           case when n < $jobs then '00000000-0000-0000-0000-000000000000' else 'ffffffff-0000-0000-0000-000000000000' end::uuid,
           1, 'Job ' || n, 'recurring', 'active', case when n % 5 = 0 then array['five'] else '{}' end, now(), now()
    from generate_series(0, $jobs) n;
    insert into job_versions (job_id, version, created_at, name, state, tags, kind, every_seconds, url, method, headers, body_is_json,
                              timeout_seconds, success_statuses, max_attempts, retry_on_statuses, overlap_policy, misfire_policy,
                              catch_up_limit, delivery)
    select id, 1, now(), name, 'active', tags, 'recurring', 60,
           case when tags = '{}' then 'http://other.example/five.example' else 'http://five.example:8080/?a=/' end, 'GET', '{}', false,
           30, '{200}', 1, '{}', 'queue', 'skip', 10, 'at_least_once'
    from jobs;
    create temp table filled as
    select (lpad(to_hex((extract(epoch from e.at) * 1000)::bigint), 12, '0') || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid as id,
           case when e.job < $jobs then '00000000-0000-0000-0000-000000000000' else 'ffffffff-0000-0000-0000-000000000000' end::uuid
               as workspace_id,
           ('00000000-0000-0000-0000-00000' || lpad(e.job::text, 7, '0'))::uuid as job_id, e.status, e.source, e.at
    from (
        select n, date_trunc('milliseconds', now()) - n * interval '$hours hours' / $executions as at, n % $jobs as job,
               case when n < 60 then (array['queued', 'running', 'retrying'])[1 + n % 3]
                    when n % 50 = 0 then (array['failed', 'cancelled', 'skipped'])[1 + n / 50 % 3] else 'succeeded' end as status,
               case when n % 70 = 0 then (array['manual', 'one_time', 'replay'])[1 + n / 70 % 3] else 'schedule' end as source
        from generate_series(1, $executions) n
        union all
        select n, date_trunc('milliseconds', now()) - n * interval '1 s', $jobs, 'queued', 'schedule' from generate_series(1, $foreign) n) e;
    insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, owner_id)
    select id, workspace_id, job_id, 1, $shard, status, source, at, at, case when status = 'running' then gen_random_uuid() end
    from filled where status in ('queued', 'running', 'retrying');
    insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count, error_class,
                            attempt_status, status_code)
    select id, workspace_id, job_id, 1, status, source, at, at, case status when 'failed' then 3 else 1 end,
           case when status in ('failed', 'cancelled', 'skipped') then 'x' end,
           case when status in ('succeeded', 'failed') then 'success' end,
           case status when 'succeeded' then 200 when 'failed' then 503 end
    from filled where status not in ('queued', 'running', 'retrying');
    insert into notifications (id, workspace_id, channel_id, job_id, execution_id, event, failures, status, due_at, created_at, finished_at)
    select (lpad(to_hex(n), 12, '0') || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
           '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000',
           gen_random_uuid(), 'failed', 1, 'succeeded', now(), now(), now()
    from generate_series(1, $executions) n;
    insert into audit_entries (id, workspace_id, created_at, actor, action, target, details)
    select (lpad(to_hex(n), 12, '0') || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
           '00000000-0000-0000-0000-000000000000', now(), 'operator', 'workspace.created', 'x', '{}'
    from generate_series(1, $executions) n;
    analyze";

struct Size {
    jobs: i64,
    executions: i64,
    hours: i64,
    foreign: i64,
}

async fn filled(size: Size) -> TestDb {
    let db = TestDb::new().await;
    let fill = FILL
        .replace("$jobs", &size.jobs.to_string())
        .replace("$executions", &size.executions.to_string())
        .replace("$hours", &size.hours.to_string())
        .replace("$foreign", &size.foreign.to_string())
        .replace("$shard", &shard(workspace()).to_string());
    TestDb::execute(&db, &fill).await;
    db
}

fn workspace() -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::nil())
}

fn choices(now: DateTime<Utc>, hours: i64) -> Choices {
    let middle = now - TimeDelta::hours(hours) / 2;
    Choices {
        jobs: vec![JobId::from_uuid(Uuid::from_u128(1))],
        // One job, all jobs, none.
        names: vec!["JOB 1", "job", "another"],
        spans: vec![(None, Some(middle)), (Some(middle - TimeDelta::hours(hours) / 5), Some(middle))],
    }
}

/// Each of the other filters, alone and with some of those.
fn other_filters(now: DateTime<Utc>) -> Vec<Filter> {
    let set: [fn(&mut Filter); 13] = [
        |filter| filter.statuses = vec![Status::Failed, Status::Succeeded],
        |filter| filter.statuses = vec![Status::Failed, Status::Skipped],
        |filter| filter.statuses = vec![Status::Queued, Status::Running],
        |filter| filter.statuses = vec![Status::Retrying, Status::Cancelled],
        |filter| {
            filter.jobs = vec![JobId::from_uuid(Uuid::from_u128(1)), JobId::from_uuid(Uuid::from_u128(5))]
        },
        |filter| filter.jobs = (0..20).map(|job| JobId::from_uuid(Uuid::from_u128(job))).collect(),
        |filter| filter.status_code = Some(StatusItem::Status(503)),
        |filter| filter.status_code = Some(StatusItem::Range(2)),
        |filter| filter.min_attempts = Some(3),
        |filter| filter.error_class = Some("x".into()),
        |filter| filter.error_class = Some("none".into()),
        |filter| filter.tag = Some("five".into()),
        |filter| filter.host = Some("five.example".into()),
    ];
    let others: [fn(&mut Filter, DateTime<Utc>); 6] = [
        |_, _| (),
        |filter, _| filter.source = Some(Source::Manual),
        |filter, _| filter.job = Some(JobId::from_uuid(Uuid::from_u128(5))),
        |filter, _| filter.job_name = Some("job 1".into()),
        |filter, now| filter.to = Some(now - TimeDelta::hours(20)),
        |filter, _| (filter.tag, filter.host) = (Some("five".into()), Some("five.example:8080".into())),
    ];
    let mut filters = Vec::new();
    for set in set {
        for other in others {
            let mut filter = Filter::default();
            other(&mut filter, now);
            set(&mut filter);
            filters.push(filter);
        }
    }
    filters
}

/// Whether the job of the execution has the tag and the host.
fn job_matches(filter: &Filter, execution: &Execution) -> bool {
    let number: u32 = execution.job_name.trim_start_matches("Job ").parse().unwrap();
    number.is_multiple_of(5) || (filter.tag.is_none() && filter.host.is_none())
}

/// Two walks, and the rows that are looked up for each row of a walk: the search of open executions, of names, of executions, a name for
/// each, and a host for each; or of twenty jobs a full page of each. Far less than the workspace has.
const MAX_ROWS_READ: i64 = 8 * MAX_ROWS_SEARCHED + 500;

#[tokio::test]
async fn a_page_reads_a_bounded_number_of_rows_whatever_its_filters() {
    let db = filled(Size { jobs: 40, executions: 40_000, hours: 48, foreign: 20_000 }).await;
    let mut filters = choices(db.now().await, 48).filters();
    filters.extend(other_filters(db.now().await));
    let mut conn = migrate::connect(&db.settings()).await.unwrap();
    conn.begin_test_transaction().await.unwrap();
    let deep = ExecutionId::lower_bound(db.now().await - TimeDelta::hours(30));
    for filter in filters {
        for before in [None, Some(deep)] {
            let page = Page { limit: 250, before };
            let read = rows_read(&mut conn).await;
            executions::list(&mut conn, workspace(), &filter, page).await.unwrap();
            let between = rows_read(&mut conn).await;
            let after = before;
            executions::list_oldest_first(&mut conn, workspace(), &filter, 250, after).await.unwrap();
            for read in [between - read, rows_read(&mut conn).await - between] {
                assert!(read <= MAX_ROWS_READ, "{filter:?}, {before:?}: {read} rows were read");
            }
        }
    }
    other_lists(&mut conn, db.now().await).await;
}

/// Filters that match nothing: each list would have to read everything.
async fn other_lists(conn: &mut Conn, now: DateTime<Utc>) {
    let (workspace, page) = (workspace(), Page { limit: 250, before: None });
    let none = || notifications::Filter { status: Some(NotificationStatus::Failed), ..Default::default() };
    for filter in [
        none(),
        notifications::Filter { channel: Some(ChannelId::from_uuid(Uuid::nil())), ..none() },
        notifications::Filter { job: Some(JobId::from_uuid(Uuid::nil())), ..none() },
    ] {
        let read = rows_read(conn).await;
        let list = notifications::list(conn, workspace, &filter, page).await.unwrap();
        let read = rows_read(conn).await - read;
        assert!(read <= MAX_ROWS_READ, "{filter:?}: {read} rows were read");
        assert_eq!((list.data.len(), list.next.is_some()), (0, true), "{filter:?}");
    }
    let read = rows_read(conn).await;
    let filter = audit::Filter { action: Some(Action::TokenCreated) };
    let list = audit::list(conn, workspace, filter, page).await.unwrap();
    let read = rows_read(conn).await - read;
    assert!(read <= MAX_ROWS_READ, "audit: {read} rows were read");
    assert_eq!((list.data.len(), list.next.is_some()), (0, true));
    let filter = jobs::Filter { state: Some(JobState::Paused), kind: Some(Kind::Cron), ..Default::default() };
    assert!(jobs::list(conn, workspace, &filter, page, now).await.unwrap().data.is_empty());
}

/// All pages of a list, one after the other.
async fn all_pages(conn: &mut Conn, filter: &Filter) -> Vec<Execution> {
    let (mut all, mut page) = (Vec::new(), Page { limit: 250, before: None });
    loop {
        let List { data, next } = executions::list(conn, workspace(), filter, page).await.unwrap();
        assert!(data.len() <= 250, "{filter:?}");
        all.extend(data);
        match next {
            Some(next) => page.before = Some(next),
            None => return all,
        }
    }
}

/// The same, from the oldest on.
async fn all_pages_oldest_first(conn: &mut Conn, filter: &Filter) -> Vec<ExecutionId> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let List { data, next } =
            executions::list_oldest_first(conn, workspace(), filter, 250, after).await.unwrap();
        all.extend(data.iter().map(|execution| execution.id));
        match next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

#[tokio::test]
async fn the_pages_of_a_list_are_complete_whatever_its_filters() {
    // Once with a quiet shard, once with one in which a neighbour has too many open executions to sort them.
    for foreign in [100, MAX_ROWS_SEARCHED + 100] {
        let db = filled(Size { jobs: 10, executions: 5000, hours: 48, foreign }).await;
        let mut filters = choices(db.now().await, 48).filters();
        filters.extend(other_filters(db.now().await));
        let mut conn = db.conn().await;
        let everything = all_pages(&mut conn, &Filter::default()).await;
        assert_eq!(everything.len(), 5000);
        assert!(everything.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first, each once");
        let states: BTreeSet<&str> = everything.iter().map(|execution| execution.status.as_str()).collect();
        assert_eq!(states.len(), Status::ALL.len(), "{states:?}");
        for filter in filters {
            let expected = everything.iter().filter(|one| matches(&filter, one) && job_matches(&filter, one));
            let expected: Vec<ExecutionId> = expected.map(|execution| execution.id).collect();
            let listed: Vec<ExecutionId> =
                all_pages(&mut conn, &filter).await.iter().map(|execution| execution.id).collect();
            assert_eq!(listed, expected, "{filter:?}");
            let mut oldest_first = all_pages_oldest_first(&mut conn, &filter).await;
            oldest_first.reverse();
            assert_eq!(oldest_first, expected, "oldest first: {filter:?}");
        }
    }
}

/// A cursor names the row at which a search has stopped, which must not be a row of another workspace.
#[tokio::test]
async fn a_search_among_the_rows_of_another_workspace_has_no_next_page() {
    let foreign = MAX_ROWS_SEARCHED + 100;
    let db = filled(Size { jobs: 10, executions: 100, hours: 1, foreign }).await;
    let mut conn = db.conn().await;
    let page = Page { limit: 250, before: None };
    let job = Some(JobId::from_uuid(Uuid::from_u128(0x10)));
    for statuses in [vec![], vec![Status::Queued], vec![Status::Succeeded]] {
        let filter = Filter { job, statuses, ..Filter::default() };
        let list = executions::list(&mut conn, workspace(), &filter, page).await.unwrap();
        assert_eq!((list.data.len(), list.next), (0, None), "{filter:?}");
    }
    let other = WorkspaceId::from_uuid(Uuid::from_u128(0xffff_ffff << 96));
    let filter = Filter { job, ..Filter::default() };
    assert_eq!(executions::list(&mut conn, other, &filter, page).await.unwrap().data.len(), 250);
    let filter = notifications::Filter {
        channel: Some(ChannelId::from_uuid(Uuid::nil())),
        status: Some(NotificationStatus::Failed),
        ..Default::default()
    };
    let list = notifications::list(&mut conn, other, &filter, page).await.unwrap();
    assert_eq!((list.data.len(), list.next), (0, None));
}
