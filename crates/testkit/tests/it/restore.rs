//! A backup is taken while work goes on, everything is lost some moments later, and the backup is restored.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use std::{collections::BTreeMap, path::PathBuf, process::Command, time::Duration};
use trigrun_core::{domain::id::JobId, store::PostgresSettings};
use trigrun_embed::Programs;
use trigrun_testkit::{
    TestDb,
    process::{Process, Role},
    redis,
    target::Target,
};

use crate::journeys::{job_of_every_second, until};

/// A program of Postgres's client, on this database.
fn client(name: &str, postgres: &PostgresSettings, arguments: &[&str]) {
    let server = Programs::find().expect("Postgres is here").postgres;
    let program: PathBuf = server.with_file_name(name);
    let done = Command::new(&program)
        .args(arguments)
        .arg("--dbname")
        .arg(postgres.url.expose_secret())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

/// When, and under which id.
async fn fires(db: &TestDb, job: JobId) -> BTreeMap<DateTime<Utc>, String> {
    let fires = format!("select scheduled_for, id::text from executions where job_id = '{}'", job.uuid());
    db.query(&fires).await.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// In threads of its own, because the target is here and Postgres's programs are waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_taken_at_work_goes_on_and_every_fire_is_there_once_under_its_old_id() {
    let (lost, restored) = (TestDb::new().await, TestDb::new().await);
    let (workspace, target) = (lost.workspace("a").await, Target::start().await.unwrap());
    let dump = std::env::temp_dir().join(format!("trigrun-{}.sql", uuid::Uuid::new_v4()));
    let file = dump.to_str().unwrap();

    let redis = redis::settings();
    let start = |role| Process::start(role, &lost.settings(), &redis);
    let before = [start(Role::Scheduler), start(Role::Executor)];
    let (job, first) = job_of_every_second(&lost, workspace, &target.url("/tick")).await;
    target.wait_for(4, Duration::from_secs(30)).await.expect("it runs");
    client("pg_dump", &lost.settings(), &["--no-owner", "--file", file]);
    target.wait_for(8, Duration::from_secs(30)).await.expect("it goes on");
    before.into_iter().for_each(Process::kill);
    let had = fires(&lost, job).await;

    restored.execute("drop schema public cascade; create schema public").await;
    client("psql", &restored.settings(), &["--quiet", "--set", "ON_ERROR_STOP=1", "--file", file]);
    std::fs::remove_file(&dump).unwrap();
    let kept = fires(&restored, job).await;
    assert!(had.keys().any(|at| !kept.contains_key(at)), "some came after the backup: {had:?}");
    // Redis is a new one, too: nothing of it has to be kept.
    let redis = redis::settings();
    let start = |role| Process::start(role, &restored.settings(), &redis);
    let _after = [start(Role::Scheduler), start(Role::Executor)];
    let last = restored.now().await.max(first) + TimeDelta::seconds(3);
    let window = format!(
        "from executions where job_id = '{}' and scheduled_for between '{first}' and '{last}'",
        job.uuid()
    );
    // What was on its way at the backup belongs to an executor that is gone: it is taken over after fifteen seconds.
    let due = (last - first).num_seconds() + 1;
    until("all have run", Duration::from_secs(60), async || {
        restored.count(&format!("select count(*) {window} and status = 'succeeded'")).await == due
    })
    .await;
    assert_eq!(restored.count(&format!("select count(*) {window}")).await, due, "none twice");
    let has = fires(&restored, job).await;
    for (at, id) in had {
        assert_eq!(has.get(&at), Some(&id), "what was lost with the database has come back under its id");
    }
}
