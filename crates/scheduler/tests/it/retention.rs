//! What `retention` creates, drops and purges.

use chrono::TimeDelta;
use trigrun_core::{
    domain::{
        execution::Source,
        id::{AuditId, ExecutionId},
        job::{Definition, change},
    },
    store::{
        executions::{self, NewRun},
        jobs::{self, Origin},
        workspaces,
    },
};
use trigrun_scheduler::{plan::plan, retention::clean_up};
use trigrun_testkit::jobs::{OPERATOR, every_seconds};

use crate::bench::{Bench, URL};

const END: &str = "
    update runs set status = 'running', owner_id = id where id = (select min(id::text)::uuid from runs);
    with ended as (delete from runs where status = 'running' returning *)
    insert into executions (id, workspace_id, job_id, version, attempt_count, scheduled_for, finished_at, status, source)
    select id, workspace_id, job_id, version, 1, scheduled_for, now(), 'succeeded', source from ended";
const REMAINING: &str = "select (select count(*) from all_executions) + (select count(*) from deleted_jobs)";

#[tokio::test]
async fn days_are_created_ahead_and_dropped_behind() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    clean_up(&scheduler).await.unwrap();
    let partitions = "select count(*) from pg_inherits where inhparent in ('executions'::regclass, 'earlier_attempts'::regclass)";
    assert_eq!(bench.db.count(partitions).await, 2 + 2 * 8, "the default ones, and eight days of both");
    let job = bench.job_due(TimeDelta::seconds(1), &every_seconds(3600, URL)).await;
    bench.run_now(job).await;
    plan(&scheduler).await.unwrap();
    assert_eq!(
        bench.db.count("select count(*) from executions_default").await,
        0,
        "today has its own partition"
    );
    let old = "create table executions_20200101 partition of executions
               for values from ('016f5e66-e800-0000-0000-000000000000') to ('016f638d-4400-0000-0000-000000000000')";
    bench.db.execute(old).await;
    clean_up(&scheduler).await.unwrap();
    assert_eq!(bench.db.count(partitions).await, 2 + 2 * 8);
}

#[tokio::test]
async fn the_audit_log_is_kept_for_a_year() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let now = bench.db.now().await;
    let entry = |days: i64| {
        let at = now - TimeDelta::days(days);
        format!(
            "insert into audit_entries (id, workspace_id, created_at, actor, action, target, details)
             values ('{}', '{}', '{at}', 'operator', 'secret.deleted', '{days}', '{{}}')",
            AuditId::at(at).uuid(),
            bench.workspace.uuid(),
        )
    };
    for days in [364, 367] {
        bench.db.execute(&entry(days)).await;
    }
    clean_up(&scheduler).await.unwrap();
    let kept = bench.db.lines("select target from audit_entries where action = 'secret.deleted'").await;
    assert_eq!(kept, ["364"]);
}

#[tokio::test]
async fn the_executions_of_a_deleted_job_are_purged() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let job = bench.job_due(TimeDelta::seconds(5), &every_seconds(1, URL)).await;
    plan(&scheduler).await.unwrap();
    // An ended execution stays until it is purged; the deletion removes the others.
    bench.db.execute(END).await;
    jobs::delete(&mut *bench.db.conn().await, bench.workspace, job, None, &OPERATOR).await.unwrap();
    assert_ne!(bench.db.count(REMAINING).await, 0);
    clean_up(&scheduler).await.unwrap();
    assert_eq!(bench.db.count(REMAINING).await, 0);
}

#[tokio::test]
async fn versions_that_no_execution_can_have_are_purged() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let job = bench.job_due(TimeDelta::seconds(5), &every_seconds(3600, URL)).await;
    for number in 1..6 {
        let (workspace, now) = (bench.workspace, bench.db.now().await);
        let mut conn = bench.db.conn().await;
        let stored = jobs::get(&mut conn, workspace, job, now).await.unwrap();
        let definition = Definition { name: format!("{number}"), ..stored.definition.clone() };
        let change = change::redefine(&stored, definition, false, now).unwrap();
        let origin = Origin { by: &OPERATOR, traceparent: None, depth: 0 };
        jobs::change(&mut conn, workspace, job, &change, origin).await.unwrap();
    }
    let consistent = "select count(*) from job_versions v join job_versions n
                      on n.job_id = v.job_id and n.version = v.version + 1 and n.created_at = v.replaced_at";
    assert_eq!(bench.db.count(consistent).await, 5);
    // Version 3 has an open execution, so 4 stays, too; 5 was replaced today, on which executions are kept.
    bench.run_now(job).await;
    bench.db.execute("update runs set version = 3").await;
    bench
        .db
        .execute("update job_versions set replaced_at = replaced_at - interval '3 days' where version < 5")
        .await;
    clean_up(&scheduler).await.unwrap();
    assert_eq!(
        bench.db.lines("select version::text from job_versions order by version").await,
        ["3", "4", "5", "6"]
    );
    bench.db.execute("delete from runs").await;
    clean_up(&scheduler).await.unwrap();
    assert_eq!(bench.db.lines("select version::text from job_versions order by version").await, ["5", "6"]);
}

#[tokio::test]
async fn each_part_is_done_even_if_another_fails() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let job = bench.job_due(TimeDelta::seconds(5), &every_seconds(1, URL)).await;
    plan(&scheduler).await.unwrap();
    bench.db.execute(END).await;
    jobs::delete(&mut *bench.db.conn().await, bench.workspace, job, None, &OPERATOR).await.unwrap();
    bench.db.execute("alter table audit_entries rename to elsewhere").await;
    let failed = clean_up(&scheduler).await.unwrap_err().to_string();
    assert!(failed.contains("audit_entries"), "{failed}");
    assert_eq!(bench.db.count(REMAINING).await, 0, "the failure does not prevent the purge of jobs");
    bench.db.execute("alter table elsewhere rename to audit_entries").await;
    clean_up(&scheduler).await.unwrap();
}

#[tokio::test]
async fn keys_are_kept_as_long_as_executions_and_workspaces() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let now = bench.db.now().await;
    let gone = bench.db.workspace("gone").await;
    let days = TimeDelta::days(i64::from(bench.settings.scheduler.retention_days));
    for (workspace, key, age) in [
        (bench.workspace, "young", TimeDelta::days(1)),
        (bench.workspace, "old", days + TimeDelta::days(1)),
        (gone, "gone", TimeDelta::zero()),
    ] {
        let (workspace, execution) = (workspace.uuid(), ExecutionId::at(now - age).uuid());
        let insert = format!(
            "insert into run_keys values ('{workspace}', '{key}', '{execution}', '{execution}', null)"
        );
        bench.db.execute(&insert).await;
    }
    workspaces::delete(&mut *bench.db.conn().await, gone, now).await.unwrap();
    clean_up(&scheduler).await.unwrap();
    assert_eq!(bench.db.lines("select key from run_keys").await, ["young"]);
}

#[tokio::test]
async fn a_key_is_free_again_when_its_job_is_gone() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let job = bench.job_due(TimeDelta::seconds(-60), &every_seconds(3600, URL)).await;
    for key in ["ended", "queued"] {
        let run = NewRun {
            source: Source::Manual,
            replay_of: None,
            traceparent: None,
            depth: 0,
            key: Some(key),
            now: bench.db.now().await,
        };
        executions::insert_now(&mut *bench.db.conn().await, bench.workspace, job, run).await.unwrap();
    }
    bench.db.execute(END).await;
    jobs::delete(&mut *bench.db.conn().await, bench.workspace, job, None, &OPERATOR).await.unwrap();
    assert_eq!(bench.db.lines("select key from run_keys").await, ["ended"]);
    clean_up(&scheduler).await.unwrap();
    assert_eq!(bench.db.count("select count(*) from run_keys").await, 0);
}
