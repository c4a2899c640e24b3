//! Every fire has exactly one record, and ends once, whatever several processes do at the same time: random steps on concurrent connections.

use chrono::TimeDelta;
use futures_util::future::join_all;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::runtime::Runtime;
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome},
        fire::{MISFIRE_THRESHOLD, decide},
        id::{ExecutionId, ExecutorId, WorkspaceId},
    },
    store::{
        Conn, executors,
        leases::{self, AfterRelease, Ended, Lease},
        lower_bound::BEGINNING,
        timers::{self, PlanningWindow, Round},
    },
};
use trigrun_testkit::{TestDb, jobs::every_seconds};

const PROCESSES: usize = 4;
const JOBS: usize = 3;

/// A step of one process. Numbers select one of the leases that it holds.
#[derive(Clone, Debug)]
enum Step {
    Plan,
    /// As after a restore of that table.
    SetTimersBack,
    Lease,
    End(usize),
    Retry(usize),
    Release(usize),
    Cancel(usize),
    /// The session ends, others take its executions over, and it begins a new one. Its leases are still in its memory.
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0usize..1000;
    prop_oneof![
        6 => Just(Step::Plan),
        2 => Just(Step::SetTimersBack),
        6 => Just(Step::Lease),
        6 => any.clone().prop_map(Step::End),
        2 => any.clone().prop_map(Step::Retry),
        1 => any.clone().prop_map(Step::Release),
        2 => any.prop_map(Step::Cancel),
        1 => Just(Step::Expire),
    ]
}

struct Process<'a> {
    db: &'a TestDb,
    workspace: WorkspaceId,
    session: ExecutorId,
    leases: Vec<Lease>,
    ends: &'a Mutex<HashMap<ExecutionId, usize>>,
}

impl Process<'_> {
    async fn play(mut self, steps: &[Step]) {
        for step in steps {
            let mut conn = self.db.conn().await;
            self.step(&mut conn, step).await;
        }
    }

    async fn step(&mut self, conn: &mut Conn, step: &Step) {
        match step {
            Step::Plan => drop(plan(conn).await),
            Step::SetTimersBack => {
                self.db
                    .execute("update job_timers set next_run_at = next_run_at - interval '4 s' where next_run_at > anchor_at + interval '5 s'")
                    .await;
            }
            Step::Lease => {
                let due = leases::due(conn, BEGINNING, TimeDelta::seconds(2), 3).await.unwrap();
                let ids: Vec<ExecutionId> = due.iter().map(leases::DueExecution::execution).collect();
                self.leases.extend(leases::lease(conn, self.session, &ids).await.unwrap());
            }
            Step::End(which) => self.record(conn, *which, Disposition::Succeeded).await,
            Step::Retry(which) => {
                let retry = Disposition::Retry { due_at: self.db.now().await };
                self.record(conn, *which, retry).await;
            }
            Step::Release(which) => {
                if let Some(lease) = self.take(*which) {
                    let key = [(lease.execution, lease.number)];
                    leases::release(conn, self.session, &key, AfterRelease::Publish).await.unwrap();
                }
            }
            Step::Cancel(which) => {
                if let Some(lease) = self.take(*which)
                    && leases::cancel(conn, self.workspace, lease.execution).await.unwrap().is_none()
                {
                    self.ended(lease.execution);
                }
            }
            Step::Expire => {
                executors::end(conn, self.session).await.unwrap();
                leases::reclaim(conn, 100).await.unwrap();
                self.session = session(conn, self.db).await;
            }
        }
    }

    fn take(&mut self, which: usize) -> Option<Lease> {
        (!self.leases.is_empty()).then(|| self.leases.swap_remove(which % self.leases.len()))
    }

    async fn record(&mut self, conn: &mut Conn, which: usize, disposition: Disposition) {
        let Some(lease) = self.take(which) else { return };
        let now = self.db.now().await;
        let status = match disposition {
            Disposition::Succeeded => AttemptStatus::Success,
            _ => AttemptStatus::HttpError,
        };
        let ends = matches!(disposition, Disposition::Succeeded);
        let attempt =
            EndedAttempt { outcome: Outcome::of(status), disposition, started_at: now, ended_at: now };
        let ended = Ended { lease, attempt, lateness_us: None };
        for recorded in leases::record(conn, self.session, &[ended]).await.unwrap() {
            if ends {
                self.ended(recorded);
            }
        }
    }

    fn ended(&self, id: ExecutionId) {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
    }
}

async fn plan(conn: &mut Conn) -> Round {
    let window = PlanningWindow::Due { horizon: Duration::from_secs(2), late: MISFIRE_THRESHOLD };
    timers::record_fires(conn, window, 10, decide).await.unwrap()
}

async fn session(conn: &mut Conn, db: &TestDb) -> ExecutorId {
    let id = ExecutorId::at(db.now().await);
    executors::insert(conn, id, "test").await.unwrap();
    id
}

async fn play(steps: &[Vec<Step>; PROCESSES]) -> Result<(), TestCaseError> {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let created_at = db.now().await - TimeDelta::seconds(20);
    for _ in 0..JOBS {
        db.job_created_at(workspace, &every_seconds(1, "http://192.0.2.1/"), created_at).await;
    }
    let ends = Mutex::new(HashMap::new());
    let mut processes = Vec::new();
    for steps in steps {
        let session = session(&mut *db.conn().await, &db).await;
        let process = Process { db: &db, workspace, session, leases: Vec::new(), ends: &ends };
        processes.push(process.play(steps));
    }
    join_all(processes).await;
    // Timers that were set back pass all fires that were recorded before.
    while plan(&mut *db.conn().await).await.timers > 0 {}

    let twice = "select count(*) from (select job_id, scheduled_for from all_executions group by 1, 2 having count(*) > 1) f";
    prop_assert_eq!(db.count(twice).await, 0, "a fire has two records");
    let missing = "select coalesce(sum(expected - recorded), 0)::bigint from (
                       select count(*) as recorded, extract(epoch from max(scheduled_for) - min(scheduled_for))::bigint + 1 as expected
                       from all_executions group by job_id) f";
    prop_assert_eq!(db.count(missing).await, 0, "a fire has no record");
    // Executions that their executors lost three times end without one of these steps.
    let ended = "select id::text from executions where error_class is distinct from 'lost' order by id";
    let mut expected: Vec<String> = Vec::new();
    for (id, times) in ends.into_inner().unwrap_or_else(PoisonError::into_inner) {
        prop_assert_eq!(times, 1, "{:?} ended twice", id);
        expected.push(id.uuid().to_string());
    }
    expected.sort();
    prop_assert_eq!(db.lines(ended).await, expected);
    Ok(())
}

#[test]
fn every_fire_has_one_record_and_ends_once() {
    let runtime = Runtime::new().unwrap();
    let steps = prop::array::uniform4(prop::collection::vec(step(), 10..60));
    let mut runner = TestRunner::new(Config {
        cases: 24,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    runner.run(&steps, |steps| runtime.block_on(play(&steps))).unwrap();
}
