//! Jobs: what a change does to future fires.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::SimpleAsyncConnection;
use trigrun_core::{
    domain::{
        execution::{Source, Status},
        fire,
        id::{JobId, WorkspaceId},
        job::{
            Definition, Job, JobState, MisfirePolicy,
            change::{FutureFires, JobChange},
        },
        page::Page,
        schedule::Schedule,
    },
    store::{
        StoreError,
        executions::{self, NewRun},
        jobs::{self, NewJob, Origin},
        timers::{self, PlanningWindow},
    },
};
use trigrun_testkit::{
    TestDb,
    jobs::{OPERATOR, definition, every_seconds},
};

const URL: &str = "http://192.0.2.1/";

/// Plans every fire of the next minute, as the scheduler does.
async fn plan_a_minute(db: &TestDb) -> usize {
    let window = PlanningWindow::Due {
        horizon: TimeDelta::seconds(60).to_std().unwrap(),
        late: TimeDelta::seconds(60).to_std().unwrap(),
    };
    let round = timers::record_fires(&mut *db.conn().await, window, 100, fire::decide).await.unwrap();
    round.to_publish.len()
}

async fn get(db: &TestDb, workspace: WorkspaceId, job: JobId) -> Job {
    let now = db.now().await;
    jobs::get(&mut *db.conn().await, workspace, job, now).await.unwrap()
}

async fn change(
    db: &TestDb,
    workspace: WorkspaceId,
    job: &Job,
    state: JobState,
    future_fires: FutureFires,
) -> Result<(), StoreError> {
    let definition = Definition { state, name: "changed".into(), ..job.definition.clone() };
    let change = JobChange {
        from_version: job.version,
        from_state: job.state,
        definition,
        state,
        future_fires,
        anchor: job.created_at,
        applied: false,
        pause: None,
        since: None,
    };
    let origin = Origin { by: &OPERATOR, traceparent: None, depth: 0 };
    jobs::change(&mut *db.conn().await, workspace, job.id, &change, origin).await.map(drop)
}

#[tokio::test]
async fn a_stored_job_reads_back_the_same() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let mut wanted = every_seconds(300, URL);
    wanted.tags = vec!["a".into(), "b".into()];
    wanted.concurrency_limit = Some(3);
    let job = db.job(workspace, &wanted).await;
    let stored = get(&db, workspace, job).await;
    assert_eq!(stored.definition, wanted);
    assert_eq!((stored.version, stored.state, stored.last_execution.is_none()), (1, JobState::Active, true));
    assert_eq!(stored.next_run_at, Some(stored.created_at + TimeDelta::seconds(300)));
}

#[tokio::test]
async fn a_fire_is_recorded_once_and_still_shown_as_next() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(40, URL)).await;
    let before = get(&db, workspace, job).await.next_run_at;
    assert_eq!(plan_a_minute(&db).await, 1);
    assert_eq!(get(&db, workspace, job).await.next_run_at, before, "a planned fire is still the next one");
    // The database lost the timer's advance, but not the execution: the id keeps the fire unique.
    db.execute("update job_timers set next_run_at = anchor_at + interval '40 s'").await;
    assert_eq!(plan_a_minute(&db).await, 0, "already recorded, so not published again");
    assert_eq!(db.count("select count(*) from all_executions").await, 1);
}

#[tokio::test]
async fn pausing_withdraws_fires_that_are_not_due() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(40, URL)).await;
    plan_a_minute(&db).await;
    let stored = get(&db, workspace, job).await;
    change(&db, workspace, &stored, JobState::Paused, FutureFires::Reset).await.unwrap();
    let paused = get(&db, workspace, job).await;
    assert_eq!((paused.state, paused.next_run_at, paused.version), (JobState::Paused, None, 2));
    assert_eq!(db.count("select count(*) from all_executions").await, 0);
}

/// Fires become due while no scheduler runs; then the job is changed.
#[tokio::test]
async fn fires_due_before_a_change_are_recorded_with_it() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let created_at = db.now().await - TimeDelta::seconds(30);
    let due = every_seconds(20, URL);
    let long_due = Definition { misfire_policy: MisfirePolicy::CatchUp, ..every_seconds(20, URL) };
    for (definition, since, fires) in [(&due, 30, 1), (&long_due, 210, 10), (&due, 10, 0)] {
        let created_at = created_at + TimeDelta::seconds(30 - since);
        let job = db.job_created_at(workspace, definition, created_at).await;
        let stored = get(&db, workspace, job).await;
        change(&db, workspace, &stored, JobState::Paused, FutureFires::Reset).await.unwrap();
        let recorded =
            format!("select count(*) from runs where job_id = '{}' and status = 'queued'", job.uuid());
        assert_eq!(
            db.count(&format!("{recorded} and version = 1 and publish_claimed_at is null")).await,
            fires,
            "{since}"
        );
        let window = created_at + TimeDelta::seconds(since);
        let ledger = db.ledger(workspace, job, created_at, window).await;
        assert_eq!((ledger.gaps(), ledger.duplicates(), ledger.executed as i64), (0, 0, fires), "{since}");
    }
}

#[tokio::test]
async fn a_missed_last_fire_does_not_complete_a_changed_job() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let (created_at, now) = (db.now().await - TimeDelta::seconds(300), db.now().await);
    let once = Schedule::Scheduled { run_at: now - TimeDelta::seconds(120) };
    let once = Definition { misfire_policy: MisfirePolicy::Skip, ..definition(once, URL) };
    let job = db.job_created_at(workspace, &once, created_at).await;
    let stored = get(&db, workspace, job).await;
    let again = change(&db, workspace, &stored, JobState::Active, FutureFires::Reset).await;
    assert!(again.is_err_and(|error| error.is_conflict("run_at_past")), "it would never fire");
    let later = Schedule::Scheduled { run_at: now + TimeDelta::seconds(60) };
    let later = Job { definition: definition(later, URL), ..stored };
    change(&db, workspace, &later, JobState::Active, FutureFires::Reset).await.unwrap();
    assert_eq!(get(&db, workspace, job).await.state, JobState::Active, "it has a future fire");
    assert_eq!(db.count("select count(*) from all_executions where status = 'skipped'").await, 1);
}

/// Another session holds the timer's lock; fires that become due in the meantime belong to the job as it was.
#[tokio::test]
async fn a_change_takes_effect_when_it_has_its_locks() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let created_at = db.now().await - TimeDelta::seconds(10);
    let job = db.job_created_at(workspace, &every_seconds(3600, URL), created_at).await;
    let stored = get(&db, workspace, job).await;
    let mut planner = db.conn().await;
    planner.batch_execute("begin; select from job_timers for update").await.unwrap();
    let release = async {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while db.count(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        let due = db.now().await;
        planner.batch_execute(&format!("update job_timers set next_run_at = '{due}'; commit")).await.unwrap();
        due
    };
    let paused = change(&db, workspace, &stored, JobState::Paused, FutureFires::Reset);
    let (paused, due) = tokio::join!(paused, release);
    paused.unwrap();
    let dated = format!("select count(*) from job_versions where version = 2 and created_at >= '{due}'");
    assert_eq!(db.count(&dated).await, 1);
    assert_eq!(
        db.count("select count(*) from all_executions where version = 1").await,
        1,
        "it was due before the change"
    );
}

#[tokio::test]
async fn a_change_that_keeps_the_schedule_moves_planned_runs_to_the_new_version() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(40, URL)).await;
    plan_a_minute(&db).await;
    let stored = get(&db, workspace, job).await;
    change(&db, workspace, &stored, JobState::Active, FutureFires::Keep).await.unwrap();
    assert_eq!(db.count("select count(*) from all_executions where version = 2").await, 1);
    assert_eq!(get(&db, workspace, job).await.definition.name, "changed");
}

#[tokio::test]
async fn the_second_of_two_changes_of_one_version_fails() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(40, URL)).await;
    let stored = get(&db, workspace, job).await;
    change(&db, workspace, &stored, JobState::Active, FutureFires::Keep).await.unwrap();
    let second = change(&db, workspace, &stored, JobState::Paused, FutureFires::Reset).await;
    assert!(second.is_err_and(|error| error.is_conflict("version")));
    assert_eq!(get(&db, workspace, job).await.state, JobState::Active);
}

#[tokio::test]
async fn a_change_decided_before_the_job_was_completed_is_decided_again() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &definition(Schedule::OneTime, URL)).await;
    let stored = get(&db, workspace, job).await;
    db.execute("update jobs set state = 'completed'").await;
    let late = change(&db, workspace, &stored, JobState::Active, FutureFires::Keep).await;
    assert!(late.is_err_and(|error| error.is_conflict("version")));
    assert_eq!(get(&db, workspace, job).await.state, JobState::Completed);
}

#[tokio::test]
async fn one_idempotency_key_creates_one_job() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let definition = every_seconds(60, URL);
    let now = db.now().await;
    let mut conn = db.conn().await;
    let create = |id| NewJob {
        idempotency_key: Some("key"),
        first_fire: Some(now + TimeDelta::seconds(60)),
        ..NewJob::new(id, &definition, &OPERATOR, now)
    };
    let first = JobId::at(now);
    jobs::insert(&mut conn, workspace, &create(first), None).await.unwrap();
    let second = jobs::insert(&mut conn, workspace, &create(JobId::at(now)), None).await;
    assert!(second.is_err_and(|error| error.is_conflict("jobs_idempotency_key")));
    let found = jobs::find_by_idempotency_key(&mut conn, workspace, "key").await.unwrap();
    assert_eq!(found.map(|found| found.id), Some(first));
    assert_eq!(jobs::find_by_idempotency_key(&mut conn, workspace, "other").await.unwrap(), None);
    assert_eq!(db.count("select count(*) from job_timers").await, 1, "the rejected insertion left nothing");
}

/// One job per key, in more than one statement.
fn keyed<'a>(keys: &'a [String], definition: &'a Definition, now: DateTime<Utc>) -> Vec<NewJob<'a>> {
    let new = |key: &'a String| NewJob {
        idempotency_key: Some(key),
        first_fire: Some(now + TimeDelta::seconds(60)),
        ..NewJob::new(JobId::at(now), definition, &OPERATOR, now)
    };
    keys.iter().map(new).collect()
}

#[tokio::test]
async fn many_jobs_are_created_all_or_none() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let mut wanted = every_seconds(60, URL);
    wanted.tags = vec!["a".into()];
    let (now, mut conn) = (db.now().await, db.conn().await);
    let mut keys: Vec<String> = (0..250).map(|number| number.to_string()).collect();
    keys.push("0".into());
    let twice = jobs::insert_all(&mut conn, workspace, &keyed(&keys, &wanted, now), None).await;
    assert!(twice.is_err_and(|error| error.is_conflict("jobs_idempotency_key")));
    for table in ["jobs", "job_versions", "job_timers"] {
        assert_eq!(db.count(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
    keys.pop();
    let all = keyed(&keys, &wanted, now);
    jobs::insert_all(&mut conn, workspace, &all, None).await.unwrap();
    for table in ["jobs", "job_versions", "job_timers"] {
        assert_eq!(db.count(&format!("select count(*) from {table}")).await, 250, "{table}");
    }
    let last = get(&db, workspace, all[249].id).await;
    assert_eq!((&last.definition, last.version, last.state), (&wanted, 1, JobState::Active));
    assert_eq!(last.next_run_at.map(|at| (at - last.created_at).num_seconds()), Some(60));
    jobs::insert_all(&mut conn, workspace, &[], None).await.unwrap();
}

#[tokio::test]
async fn many_jobs_start_as_a_single_one_does() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let (now, once) = (db.now().await, definition(Schedule::OneTime, URL));
    let draft = Definition { state: JobState::Draft, ..every_seconds(60, URL) };
    let new = [&once, &draft].map(|definition| NewJob::new(JobId::at(now), definition, &OPERATOR, now));
    jobs::insert_all(&mut *db.conn().await, workspace, &new, None).await.unwrap();
    assert_eq!(db.count("select count(*) from all_executions where source = 'one_time'").await, 1);
    assert_eq!(db.count("select count(*) from job_timers").await, 0);
}

#[tokio::test]
async fn a_one_time_job_has_its_execution_at_once() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &definition(Schedule::OneTime, URL)).await;
    let (filter, page) = (executions::Filter::default(), Page { limit: 10, before: None });
    let list = executions::list(&mut *db.conn().await, workspace, &filter, page).await.unwrap().data;
    assert_eq!(
        (list.len(), list[0].job, list[0].source, list[0].status),
        (1, job, Source::OneTime, Status::Queued)
    );
    assert_eq!(get(&db, workspace, job).await.last_execution.map(|last| last.id), Some(list[0].id));
}

#[tokio::test]
async fn drafts_do_not_run() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let mut draft = every_seconds(60, URL);
    draft.state = JobState::Draft;
    let job = db.job(workspace, &draft).await;
    assert_eq!(db.count("select count(*) from job_timers").await, 0);
    let run = NewRun {
        source: Source::Manual,
        replay_of: None,
        traceparent: None,
        depth: 0,
        key: None,
        now: db.now().await,
    };
    let refused = executions::insert_now(&mut *db.conn().await, workspace, job, run).await;
    assert!(refused.is_err_and(|error| error.is_conflict("draft")));
}

#[tokio::test]
async fn a_deletion_removes_everything_of_the_job() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(40, URL)).await;
    plan_a_minute(&db).await;
    let mut conn = db.conn().await;
    jobs::delete(&mut conn, workspace, job, None, &OPERATOR).await.unwrap();
    assert!(matches!(
        jobs::delete(&mut conn, workspace, job, None, &OPERATOR).await,
        Err(StoreError::NotFound)
    ));
    let page = Page { limit: 10, before: None };
    let list = executions::list(&mut conn, workspace, &executions::Filter::default(), page).await.unwrap();
    assert!(list.data.is_empty(), "its executions are not listed any more");
    while !jobs::purge_deleted(&mut conn, 1).await.unwrap() {}
    for table in ["jobs", "job_versions", "job_timers", "executions", "deleted_jobs"] {
        assert_eq!(db.count(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    for number in 0..5 {
        let mut one = every_seconds(60, URL);
        one.name = format!("Job {number}");
        one.tags = if number % 2 == 0 { vec!["even".into()] } else { vec![] };
        db.job(workspace, &one).await;
    }
    let mut conn = db.conn().await;
    let now = db.now().await;
    let everything = jobs::Filter::default();
    let first =
        jobs::list(&mut conn, workspace, &everything, Page { limit: 3, before: None }, now).await.unwrap();
    let rest = jobs::list(&mut conn, workspace, &everything, Page { limit: 3, before: first.next }, now)
        .await
        .unwrap();
    let names: Vec<String> = first.data.into_iter().chain(rest.data).map(|job| job.definition.name).collect();
    assert_eq!(names, ["Job 4", "Job 3", "Job 2", "Job 1", "Job 0"]);
    assert_eq!(rest.next, None);
    let narrowed =
        jobs::Filter { tag: Some("even".into()), q: Some("job 2".into()), ..jobs::Filter::default() };
    let narrowed =
        jobs::list(&mut conn, workspace, &narrowed, Page { limit: 3, before: None }, now).await.unwrap();
    assert_eq!(narrowed.data.len(), 1);
}

#[tokio::test]
async fn a_timer_that_was_set_back_fires_nothing_twice_and_delays_no_other() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(50, URL)).await;
    assert_eq!(plan_a_minute(&db).await, 1);
    let next = get(&db, workspace, job).await.next_run_at;
    db.execute("update job_timers set next_run_at = next_run_at - interval '50 s'").await;
    db.job(workspace, &every_seconds(50, URL)).await;
    assert_eq!(plan_a_minute(&db).await, 1, "that of the other job, in the same round");
    assert_eq!(db.count("select count(*) from all_executions").await, 2);
    assert_eq!(get(&db, workspace, job).await.next_run_at, next, "advanced again");
}
