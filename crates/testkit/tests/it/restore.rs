//! A backup is taken while jobs run, all data is lost some moments later, and the backup is restored.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use std::{collections::BTreeMap, path::PathBuf, process::Command};
use trigrun_core::{domain::id::JobId, store::PostgresSettings};
use trigrun_embed::Programs;
use trigrun_testkit::{
    TestDb,
    process::{self, Process, Role},
    redis,
    target::Target,
};

use crate::{TIMEOUT, journeys::job_every_second, until};

/// Runs a client program of Postgres on this database.
fn run_client(name: &str, postgres: &PostgresSettings, arguments: &[&str]) {
    let server = Programs::find().expect("Postgres is installed").postgres;
    let program: PathBuf = server.with_file_name(name);
    let done = Command::new(&program)
        .args(arguments)
        .arg("--dbname")
        .arg(postgres.url.expose_secret())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Scheduled instants and execution ids.
async fn fires(db: &TestDb, job: JobId) -> BTreeMap<DateTime<Utc>, String> {
    let fires = format!("select scheduled_for, id::text from all_executions where job_id = '{}'", job.uuid());
    db.query(&fires).await.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// As docs/operations.md says: held before any process starts, and released with a decision.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_calls_no_target_before_the_release() {
    for (missed, runs_missed) in [("run", true), ("skip", false)] {
        let (db, target, redis) = (TestDb::new().await, Target::start().await.unwrap(), redis::settings());
        let workspace = db.workspace("a").await;
        // The state of a backup: fires and executions are due, and nothing runs.
        let (job, _) = job_every_second(&db, workspace, &target.url("/tick")).await;
        db.execute("update job_timers set next_run_at = next_run_at - interval '30 s', anchor_at = anchor_at - interval '30 s', misfire_policy = 'catch_up', catch_up_limit = 100").await;
        let command = |arguments: &[&str]| {
            let done = process::command("api", &db.settings())
                .args(arguments)
                .env("TRIGRUN__REDIS__URL", redis.url.expose_secret())
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        command(&["hold", "--reason", "restored backup"]);
        let held_at = db.now().await;
        let start = |role| Process::start(role, &db.settings(), &redis);
        let _processes =
            [start(Role::Scheduler), start(Role::Executor), start(Role::Scheduler), start(Role::Executor)];
        until("both executors run", async || db.count("select count(*) from executors").await == 2).await;
        let seen_at = db.now().await;
        until("five more fires are due", async || db.now().await > seen_at + TimeDelta::seconds(5)).await;
        assert!(target.hits().is_empty(), "no request before the release");
        assert_eq!(db.count("select count(*) from all_executions").await, 0);
        command(&["release", "--missed", missed, "--reason", "checked"]);
        let released_at = db.now().await;
        target.wait_for(3, TIMEOUT).await.expect("it runs");
        let missed_runs = format!(
            "select count(*) from all_executions where job_id = '{}' and scheduled_for < '{held_at}' and status <> 'skipped'",
            job.uuid()
        );
        let skipped = format!(
            "select coalesce(sum(skip_count), 0)::bigint from executions where job_id = '{}' and scheduled_for < '{released_at}'",
            job.uuid()
        );
        if runs_missed {
            until("every missed fire has run", async || db.count(&missed_runs).await >= 26).await;
            assert_eq!(db.count(&skipped).await, 0, "all of them run, however late");
        } else {
            assert_eq!(db.count(&missed_runs).await, 0);
            assert!(db.count(&skipped).await >= 31, "they are recorded as skipped");
        }
    }
}

/// Multi-threaded, because Postgres's programs block a thread while the target serves.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_every_fire_exists_once_with_its_old_id() {
    let (lost, restored) = (TestDb::new().await, TestDb::new().await);
    let (workspace, target) = (lost.workspace("a").await, Target::start().await.unwrap());
    let dump = std::env::temp_dir().join(format!("trigrun-{}.sql", uuid::Uuid::new_v4()));
    let file = dump.to_str().unwrap();

    let redis = redis::settings();
    let start = |role| Process::start(role, &lost.settings(), &redis);
    let lost_processes = [start(Role::Scheduler), start(Role::Executor)];
    let (job, first) = job_every_second(&lost, workspace, &target.url("/tick")).await;
    target.wait_for(4, TIMEOUT).await.expect("it runs");
    run_client("pg_dump", &lost.settings(), &["--no-owner", "--file", file]);
    // At least one of these fires was not yet planned when the backup began: the horizon is two seconds.
    let sent = target.hits().len();
    target.wait_for(sent + 5, TIMEOUT).await.expect("it still runs");
    lost_processes.into_iter().for_each(Process::kill);
    let had = fires(&lost, job).await;

    restored.execute("drop schema public cascade; create schema public").await;
    run_client("psql", &restored.settings(), &["--quiet", "--set", "ON_ERROR_STOP=1", "--file", file]);
    std::fs::remove_file(&dump).unwrap();
    let kept = fires(&restored, job).await;
    assert!(had.keys().any(|at| !kept.contains_key(at)), "some fires are later than the backup: {had:?}");
    // Redis is new, too: nothing in it has to be restored.
    let redis = redis::settings();
    let start = |role| Process::start(role, &restored.settings(), &redis);
    let _restored_processes = [start(Role::Scheduler), start(Role::Executor)];
    let last = restored.now().await.max(first) + TimeDelta::seconds(3);
    let window = format!(
        "from all_executions where job_id = '{}' and scheduled_for between '{first}' and '{last}'",
        job.uuid()
    );
    // Executions in flight at the backup belong to an executor that no longer exists; its session expires after fifteen seconds.
    let due = (last - first).num_seconds() + 1;
    until("every fire has run", async || {
        restored.count(&format!("select count(*) {window} and status = 'succeeded'")).await == due
    })
    .await;
    assert_eq!(restored.count(&format!("select count(*) {window}")).await, due, "none is recorded twice");
    let has = fires(&restored, job).await;
    for (at, id) in had {
        assert_eq!(has.get(&at), Some(&id), "a lost fire has its old id");
    }
}
