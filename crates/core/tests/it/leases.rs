//! Leases: which executor runs an execution, and what happens when it cannot.

use chrono::TimeDelta;
use std::time::Duration;
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome},
        execution::{Execution, Source, Status},
        id::{ExecutionId, ExecutorId, JobId, WorkspaceId},
        job::{
            Definition, JobState,
            change::{FutureFires, JobChange},
        },
        retry::DeliveryGuarantee,
        schedule::Schedule,
    },
    store::{
        dispatch,
        executions::{self, NewRun},
        executors,
        jobs::{self, Origin},
        leases::{self, AfterRelease, DueExecution, Ended, Lease, Reclaimed},
        lower_bound::BEGINNING,
    },
};
use trigrun_testkit::{
    TestDb,
    jobs::{OPERATOR, definition, every_seconds},
};

const URL: &str = "http://192.0.2.1/";

pub struct Bench {
    pub db: TestDb,
    pub workspace: WorkspaceId,
    pub job: JobId,
}

impl Bench {
    pub async fn new(definition: &Definition) -> Self {
        let db = TestDb::new().await;
        let workspace = db.workspace("a").await;
        let job = db.job(workspace, definition).await;
        Self { db, workspace, job }
    }

    pub async fn session(&self) -> ExecutorId {
        let id = ExecutorId::at(self.db.now().await);
        executors::insert(&mut *self.db.conn().await, id, "test").await.unwrap();
        id
    }

    pub async fn run_now(&self) -> ExecutionId {
        let run = NewRun {
            source: Source::Manual,
            replay_of: None,
            traceparent: None,
            depth: 0,
            key: None,
            now: self.db.now().await,
        };
        executions::insert_now(&mut *self.db.conn().await, self.workspace, self.job, run).await.unwrap()
    }

    pub async fn lease(&self, session: ExecutorId, ids: &[ExecutionId]) -> Vec<Lease> {
        let mut conn = self.db.conn().await;
        let mut leased = leases::lease(&mut conn, session, ids).await.unwrap();
        for limited in leases::limited(&mut conn, session, ids).await.unwrap() {
            leased.extend(leases::lease_limited(&mut conn, session, &limited).await.unwrap());
        }
        leased
    }

    pub async fn release(&self, session: ExecutorId, lease: &Lease, then: AfterRelease) -> usize {
        let keys = [(lease.execution, lease.number)];
        leases::release(&mut *self.db.conn().await, session, &keys, then).await.unwrap()
    }

    pub async fn get(&self, id: ExecutionId) -> Execution {
        executions::get(&mut *self.db.conn().await, self.workspace, id).await.unwrap()
    }

    pub async fn end(
        &self,
        session: ExecutorId,
        lease: Lease,
        status: AttemptStatus,
        disposition: Disposition,
    ) -> usize {
        let now = self.db.now().await;
        let outcome = Outcome { error_class: Some("class"), ..Outcome::of(status) };
        let ended = Ended {
            lease,
            attempt: EndedAttempt { outcome, disposition, started_at: now, ended_at: now },
            lateness_us: Some(1500),
        };
        leases::record(&mut *self.db.conn().await, session, &[ended]).await.unwrap().len()
    }

    /// A new version of the job, with some of it changed.
    pub async fn change(&self, change: impl FnOnce(&mut Definition)) {
        let (mut conn, now) = (self.db.conn().await, self.db.now().await);
        let job = jobs::get(&mut conn, self.workspace, self.job, now).await.unwrap();
        let mut definition = job.definition.clone();
        change(&mut definition);
        let changed = JobChange {
            from_version: job.version,
            from_state: job.state,
            definition,
            state: job.state,
            future_fires: FutureFires::Keep,
            anchor: job.created_at,
            applied: false,
            pause: None,
            since: None,
        };
        let origin = Origin { by: &OPERATOR, traceparent: None, depth: 0 };
        jobs::change(&mut conn, self.workspace, self.job, &changed, origin).await.unwrap();
    }

    pub async fn expire(&self, session: ExecutorId) {
        let mut conn = self.db.conn().await;
        let mut live = executors::live(&mut conn).await.unwrap();
        live.retain(|executor| executor.id == session);
        let received =
            executors::LiveExecutor { heartbeat_at: live[0].heartbeat_at - TimeDelta::seconds(1), ..live[0] };
        assert_eq!(
            executors::expire(&mut conn, &[received]).await.unwrap(),
            0,
            "another heartbeat has arrived"
        );
        assert_eq!(executors::expire(&mut conn, &live).await.unwrap(), 1);
    }

    pub async fn reclaim(&self) -> usize {
        self.reclaimed().await.all
    }

    pub async fn reclaimed(&self) -> Reclaimed {
        leases::reclaim(&mut *self.db.conn().await, 100).await.unwrap()
    }
}

#[tokio::test]
async fn one_of_many_concurrent_leases_wins() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let ids = [bench.run_now().await, bench.run_now().await, bench.run_now().await];
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(bench.session().await);
    }
    let leased =
        futures_util::future::join_all(sessions.iter().map(|session| bench.lease(*session, &ids))).await;
    assert_eq!(leased.iter().map(Vec::len).sum::<usize>(), 3);
}

#[tokio::test]
async fn the_database_of_a_test_rejects_what_the_state_machine_forbids() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    let rejects = async |change: &str| {
        let client = bench.db.session().await;
        client
            .batch_execute(change)
            .await
            .is_err_and(|error| error.code().is_some_and(|code| code.code() == "P0001"))
    };
    assert!(rejects("update runs set status = 'retrying'").await, "it was never leased");
    let end = "insert into executions (id, workspace_id, job_id, version, attempt_count, scheduled_for, finished_at, status, source)
               select id, workspace_id, job_id, version, 1, scheduled_for, now(), 'succeeded', source from runs";
    assert!(rejects(end).await, "it is open");
    assert!(rejects(&format!("with ended as (delete from runs) {end}")).await, "it was never leased");
    assert!(rejects("update jobs set state = 'paused'; update jobs set state = 'completed'").await);
    let lease = bench.lease(session, &[id]).await.remove(0);
    bench.end(session, lease, AttemptStatus::Success, Disposition::Succeeded).await;
    assert!(rejects("update executions set error = ''").await, "no column of an ended execution changes");
}

#[tokio::test]
async fn a_success_is_recorded_with_all_details() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    let lease = bench.lease(session, &[id]).await.remove(0);
    let mut hostile = Outcome::of(AttemptStatus::Success);
    hostile.status_code = Some(999);
    hostile.response_headers =
        vec![("set-cookie".into(), "a\0\r\nb: c".into()), ("set-cookie".into(), "ü".into())];
    hostile.body_preview = vec![0, 0xff, 0xed, 0xa0, 0x80];
    hostile.error = Some("nul \0".into());
    hostile.timing.total = Duration::from_micros(1234);
    let now = bench.db.now().await;
    let ended = Ended {
        lease,
        attempt: EndedAttempt {
            outcome: hostile,
            disposition: Disposition::Succeeded,
            started_at: now,
            ended_at: now,
        },
        lateness_us: Some(7),
    };
    leases::record(&mut *bench.db.conn().await, session, &[ended]).await.unwrap();
    let execution = bench.get(id).await;
    assert_eq!(
        (execution.status, execution.attempt_count, execution.lateness_us),
        (Status::Succeeded, 1, Some(7))
    );
    let attempt = &execution.attempts[0];
    assert_eq!((attempt.status_code, attempt.timing.total), (Some(999), Duration::from_micros(1234)));
    assert_eq!(attempt.body_preview, [0, 0xff, 0xed, 0xa0, 0x80]);
    let cookies =
        [("set-cookie".to_owned(), "a   b: c".to_owned()), ("set-cookie".to_owned(), "ü".to_owned())];
    assert_eq!(attempt.response_headers, cookies);
}

#[tokio::test]
async fn a_retry_stays_with_its_executor_until_it_is_due() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, other, id) = (bench.session().await, bench.session().await, bench.run_now().await);
    let lease = bench.lease(session, &[id]).await.remove(0);
    let due_at = bench.db.now().await;
    assert_eq!(bench.end(session, lease, AttemptStatus::Timeout, Disposition::Retry { due_at }).await, 1);
    assert_eq!(bench.get(id).await.status, Status::Retrying);
    assert!(bench.lease(other, &[id]).await.is_empty());
    let second = bench.lease(session, &[id]).await.remove(0);
    assert_eq!(second.number, 2);
    bench.end(session, second, AttemptStatus::Success, Disposition::Succeeded).await;
    let statuses: Vec<_> = bench.get(id).await.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [AttemptStatus::Timeout, AttemptStatus::Success]);
}

#[tokio::test]
async fn an_expired_executors_work_runs_again_and_its_late_result_is_discarded() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (expired, successor, id) = (bench.session().await, bench.session().await, bench.run_now().await);
    let stale = bench.lease(expired, &[id]).await.remove(0);
    assert_eq!(bench.reclaim().await, 0, "it is live");
    bench.expire(expired).await;
    assert_eq!(bench.reclaim().await, 1);
    let waiting = bench.get(id).await;
    assert_eq!((waiting.status, waiting.attempts[0].status), (Status::Queued, AttemptStatus::Interrupted));
    assert!(bench.lease(expired, &[id]).await.is_empty(), "an expired session leases nothing");
    assert_eq!(
        bench.end(expired, stale, AttemptStatus::Success, Disposition::Succeeded).await,
        0,
        "the expired record nothing"
    );
    let lease = bench.lease(successor, &[id]).await.remove(0);
    assert_eq!(lease.number, 2);
    assert_eq!(bench.end(successor, lease, AttemptStatus::Success, Disposition::Succeeded).await, 1);
    assert_eq!(executors::heartbeat(&mut *bench.db.conn().await, expired).await.unwrap(), None);
}

#[tokio::test]
async fn an_interrupted_at_most_once_run_is_not_repeated() {
    let mut once = every_seconds(3600, URL);
    once.delivery = DeliveryGuarantee::AtMostOnce;
    let bench = Bench::new(&once).await;
    let (expired, id) = (bench.session().await, bench.run_now().await);
    bench.lease(expired, &[id]).await;
    bench.expire(expired).await;
    assert_eq!(bench.reclaimed().await, Reclaimed { all: 1, lost: 1 });
    let execution = bench.get(id).await;
    assert_eq!((execution.status, execution.error_class.as_deref()), (Status::Failed, Some("interrupted")));
}

#[tokio::test]
async fn an_execution_that_is_lost_three_times_fails() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let id = bench.run_now().await;
    for number in 1..=3 {
        let session = bench.session().await;
        assert_eq!(bench.lease(session, &[id]).await[0].number, number);
        bench.expire(session).await;
        assert_eq!(bench.reclaimed().await, Reclaimed { all: 1, lost: usize::from(number == 3) });
    }
    let execution = bench.get(id).await;
    assert_eq!((execution.status, execution.error_class.as_deref()), (Status::Failed, Some("lost")));
    assert_eq!(execution.attempts.len(), 3);
}

#[tokio::test]
async fn a_release_leaves_no_trace() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, other, id) = (bench.session().await, bench.session().await, bench.run_now().await);
    let lease = bench.lease(session, &[id]).await.remove(0);
    let given = bench.release(session, &lease, AfterRelease::Publish).await;
    assert_eq!(given, 1);
    let execution = bench.get(id).await;
    assert_eq!((execution.status, execution.attempt_count, execution.attempts.len()), (Status::Queued, 0, 0));
    let unpublished = dispatch::claim_unpublished(&mut *bench.db.conn().await, BEGINNING, Duration::ZERO, 10)
        .await
        .unwrap();
    assert_eq!(unpublished.len(), 1, "its publication is requested");
    assert_eq!(bench.lease(other, &[id]).await[0].number, 1);
}

#[tokio::test]
async fn the_end_of_its_only_run_completes_a_job() {
    let bench = Bench::new(&definition(Schedule::OneTime, URL)).await;
    let session = bench.session().await;
    let due =
        leases::due(&mut *bench.db.conn().await, BEGINNING, chrono::TimeDelta::zero(), 10).await.unwrap();
    let due: Vec<ExecutionId> = due.iter().map(DueExecution::execution).collect();
    let lease = bench.lease(session, &due).await.remove(0);
    bench
        .end(session, lease, AttemptStatus::HttpError, Disposition::Failed { error_class: "http_4xx".into() })
        .await;
    let now = bench.db.now().await;
    let job = jobs::get(&mut *bench.db.conn().await, bench.workspace, bench.job, now).await.unwrap();
    assert_eq!(job.state, JobState::Completed);
}

#[tokio::test]
async fn the_result_of_a_deleted_job_is_discarded() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    let lease = bench.lease(session, &[id]).await.remove(0);
    jobs::delete(&mut *bench.db.conn().await, bench.workspace, bench.job, None, &OPERATOR).await.unwrap();
    while !jobs::purge_deleted(&mut *bench.db.conn().await, 100).await.unwrap() {}
    assert_eq!(bench.end(session, lease, AttemptStatus::Success, Disposition::Succeeded).await, 0);
    assert_eq!(bench.db.count("select count(*) from attempts").await, 0);
}

#[tokio::test]
async fn only_lost_dispatch_messages_are_republished() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let id = bench.run_now().await;
    let mut conn = bench.db.conn().await;
    let published = dispatch::claim_unpublished(&mut conn, BEGINNING, Duration::ZERO, 10).await.unwrap();
    assert_eq!((published.len(), published[0].execution), (1, id));
    bench
        .db
        .execute("update runs set publish_claimed_at = publish_claimed_at - interval '1 s', due_at = due_at - interval '1 s'")
        .await;
    let (shard, due_at) = (published[0].shard, bench.get(id).await.scheduled_for);
    let (grace, lead) = (Duration::from_millis(400), Duration::from_millis(50));
    let overdue = dispatch::overdue_shards(&mut conn, BEGINNING, grace).await.unwrap().remove(0);
    assert_eq!(overdue.shard, shard);
    let behind = due_at - chrono::TimeDelta::seconds(10);
    assert_eq!(
        dispatch::request_republish(&mut conn, &overdue, Some(behind), grace, lead, 10).await.unwrap(),
        0,
        "a backlog does not feed itself"
    );
    assert_eq!(
        dispatch::request_republish(&mut conn, &overdue, None, grace, lead, 10).await.unwrap(),
        1,
        "nothing waits: it was lost"
    );
    assert_eq!(dispatch::claim_unpublished(&mut conn, BEGINNING, Duration::ZERO, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_run_cancelled_just_before_its_instant_may_have_been_sent() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    bench.db.execute("update runs set due_at = clock_timestamp() + interval '3 s'").await;
    assert_eq!(bench.lease(session, &[id]).await.len(), 1, "kept until its instant");
    leases::cancel(&mut *bench.db.conn().await, bench.workspace, id).await.unwrap();
    let attempts = "select count(*) from all_executions e join attempts a on a.execution_id = e.id
                    where e.status = 'cancelled' and e.attempt_count = 1 and a.status = 'interrupted' and a.started_at <= e.finished_at";
    assert_eq!(bench.db.count(attempts).await, 1, "the executor learns of it only after the instant");
}

#[tokio::test]
async fn a_repeated_end_is_refused_and_harms_no_other_result() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, first, second) = (bench.session().await, bench.run_now().await, bench.run_now().await);
    let leases = bench.lease(session, &[first, second]).await;
    let copy = format!(
        "insert into executions (id, workspace_id, job_id, version, attempt_count, scheduled_for, finished_at, status, source)
         select id, workspace_id, job_id, version, 1, scheduled_for, now(), 'succeeded', source from runs where id = '{}'",
        first.uuid()
    );
    // Without the triggers of the tests, as by hand.
    bench.db.execute(&format!("set session_replication_role = replica; {copy}")).await;
    let now = bench.db.now().await;
    let ended: Vec<Ended> = leases
        .into_iter()
        .map(|lease| Ended {
            lease,
            attempt: EndedAttempt {
                outcome: Outcome { error_class: Some("class"), ..Outcome::of(AttemptStatus::HttpError) },
                disposition: Disposition::Failed { error_class: "class".into() },
                started_at: now,
                ended_at: now,
            },
            lateness_us: None,
        })
        .collect();
    let mut conn = bench.db.conn().await;
    let refused = leases::record(&mut conn, session, &ended).await.unwrap_err();
    assert!(leases::is_repeated(&refused), "{refused}");
    assert_eq!(leases::remove_repeated(&mut conn, &ended).await.unwrap(), [first]);
    assert_eq!(leases::record(&mut conn, session, &ended).await.unwrap(), [second]);
    assert_eq!(bench.get(first).await.status, Status::Succeeded, "the first record stays");
    assert_eq!(bench.get(second).await.status, Status::Failed);
}
