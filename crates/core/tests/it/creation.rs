//! Jobs of several workspaces are written in one statement, while their workspaces and tokens exist.

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use trigrun_core::{
    crypto,
    domain::{
        access::Scope,
        execution::Source,
        id::{ExecutionId, JobId, WorkspaceId},
        job::{Definition, JobState},
        schedule::Schedule,
    },
    store::{
        StoreError,
        executions::{self, NewRun},
        jobs::{self, NewJob},
        workspaces,
    },
};
use trigrun_testkit::{
    TestDb,
    jobs::{OPERATOR, every_seconds},
};

fn new<'a>(definition: &'a Definition, now: DateTime<Utc>, token_hash: Option<&'a [u8]>) -> NewJob<'a> {
    let first_fire = Some(now + chrono::TimeDelta::seconds(60));
    NewJob { first_fire, token_hash, ..NewJob::new(JobId::at(now), definition, &OPERATOR, now) }
}

/// Two workspaces, each with a token.
struct Two {
    db: TestDb,
    workspaces: [WorkspaceId; 2],
    hashes: [Vec<u8>; 2],
    now: DateTime<Utc>,
}

impl Two {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let workspaces = [db.workspace("a").await, db.workspace("b").await];
        let [a, b] = workspaces;
        let hashes = [
            crypto::token_hash(&db.token(a, Scope::ALL).await),
            crypto::token_hash(&db.token(b, Scope::ALL).await),
        ];
        let now = db.now().await;
        Self { db, workspaces, hashes, now }
    }

    fn hash(&self, of: usize) -> Option<&[u8]> {
        Some(&self.hashes[of])
    }
}

#[tokio::test]
async fn only_jobs_of_valid_tokens_and_active_workspaces_are_written() {
    let two = Two::new().await;
    let [a, b] = two.workspaces;
    let definition = every_seconds(60, "http://192.0.2.1/");
    let all = [
        (a, new(&definition, two.now, two.hash(0))),
        (a, new(&definition, two.now, None)),
        // The token of another workspace, and an unknown one.
        (a, new(&definition, two.now, two.hash(1))),
        (b, new(&definition, two.now, Some(b"unknown"))),
        (b, new(&definition, two.now, two.hash(1))),
    ];
    let ids = all.each_ref().map(|(_, job)| job.id);
    let mut conn = two.db.conn().await;
    let written = jobs::insert_unlocked(&mut conn, &all).await.unwrap();
    assert_eq!(written, HashMap::from([(ids[0], None), (ids[1], None), (ids[4], None)]));
    for (place, (workspace, job)) in all.iter().enumerate() {
        let read = jobs::get(&mut conn, *workspace, job.id, two.now).await;
        assert_eq!(read.is_ok(), [0, 1, 4].contains(&place), "{place}");
    }
    let read = jobs::get(&mut conn, b, ids[4], two.now).await.unwrap();
    assert_eq!((read.definition, read.next_run_at), (definition.clone(), all[4].1.first_fire));
    for table in ["jobs", "job_versions", "job_timers"] {
        assert_eq!(two.db.count(&format!("select count(*) from {table}")).await, 3, "{table}");
    }

    two.db.execute("update tokens set expires_at = now() - interval '1 s'").await;
    let late = new(&definition, two.now, two.hash(0));
    assert!(matches!(jobs::insert(&mut conn, a, &late, None).await, Err(StoreError::NotFound)));
    workspaces::delete(&mut conn, b, two.now).await.unwrap();
    let all = [(a, late), (b, new(&definition, two.now, None))];
    assert!(jobs::insert_unlocked(&mut conn, &all).await.unwrap().is_empty());
    assert_eq!(two.db.count("select count(*) from jobs").await, 3);
}

#[tokio::test]
async fn what_another_transaction_deletes_is_left_out_without_waiting() {
    let two = Two::new().await;
    let [a, b] = two.workspaces;
    let definition = every_seconds(60, "http://192.0.2.1/");
    let mut conn = two.db.conn().await;
    let mut deleting = two.db.session().await;
    for lock in [
        "delete from tokens where workspace_id = $1",
        "update tokens set hash = sha256('other') where workspace_id = $1",
        "update workspaces set deleted_at = now() where id = $1",
    ] {
        let deletion = deleting.transaction().await.unwrap();
        deletion.execute(lock, &[&a.uuid()]).await.unwrap();
        let all = [(a, new(&definition, two.now, two.hash(0))), (b, new(&definition, two.now, two.hash(1)))];
        // The test database has a lock timeout: a wait would fail.
        let written = jobs::insert_unlocked(&mut conn, &all).await.unwrap();
        assert_eq!(written, HashMap::from([(all[1].1.id, None)]), "{lock}");
        deletion.rollback().await.unwrap();
        assert_eq!(jobs::insert_unlocked(&mut conn, &all[..1]).await.unwrap().len(), 1, "{lock}");
    }
}

#[tokio::test]
async fn a_refused_row_leaves_nothing_of_the_others() {
    let two = Two::new().await;
    let [a, b] = two.workspaces;
    let definition = every_seconds(60, "http://192.0.2.1/");
    let mut conn = two.db.conn().await;
    let keyed = NewJob { idempotency_key: Some("key"), ..new(&definition, two.now, two.hash(0)) };
    jobs::insert(&mut conn, a, &keyed, None).await.unwrap();
    let again = NewJob { id: JobId::at(two.now), ..keyed };
    let all = [(b, new(&definition, two.now, two.hash(1))), (a, again)];
    let refused = jobs::insert_unlocked(&mut conn, &all).await;
    assert!(refused.is_err_and(|error| error.is_conflict("jobs_idempotency_key")));
    assert_eq!(two.db.count("select count(*) from jobs").await, 1);
    assert_eq!(jobs::insert_unlocked(&mut conn, &all[..1]).await.unwrap().len(), 1);
    assert!(jobs::insert_unlocked(&mut conn, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_one_time_job_is_written_with_its_execution() {
    let two = Two::new().await;
    let [a, b] = two.workspaces;
    let mut conn = two.db.conn().await;
    let once = Definition { schedule: Schedule::OneTime, ..every_seconds(60, "http://192.0.2.1/") };
    let draft = Definition { state: JobState::Draft, ..once.clone() };
    let run = |definition, hash| NewJob {
        first_fire: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        depth: 2,
        ..new(definition, two.now, hash)
    };
    let all =
        [(a, run(&once, two.hash(0))), (b, run(&draft, two.hash(1))), (b, run(&once, Some(b"unknown")))];
    let written = jobs::insert_unlocked(&mut conn, &all).await.unwrap();
    let execution = written[&all[0].1.id].expect("it runs at once");
    assert_eq!((written[&all[1].1.id], written.len()), (None, 2));
    // As `insert_now` records a run.
    let requested = NewRun {
        source: Source::OneTime,
        replay_of: None,
        traceparent: all[0].1.traceparent,
        depth: 2,
        key: None,
        now: two.now,
    };
    let requested = executions::insert_now(&mut conn, a, all[0].1.id, requested).await.unwrap();
    let read = async |id: ExecutionId| {
        let columns = "to_jsonb(e) - '{id,scheduled_for,due_at}'::text[] || jsonb_build_object('due', e.due_at = e.scheduled_for)";
        two.db.lines(&format!("select {columns} from runs e where id = '{}'", id.uuid())).await
    };
    assert_eq!(read(execution).await, read(requested).await);
    assert_eq!(
        two.db
            .count("select count(*) from runs where due_at between now() - interval '1 hour' and now()")
            .await,
        2
    );
}
