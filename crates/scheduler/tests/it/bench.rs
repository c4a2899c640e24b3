//! The fixture of the tests of the passes.

use chrono::TimeDelta;
use std::time::Duration;
use trigrun_core::{
    config,
    domain::{
        execution::Source,
        id::{ExecutionId, ExecutorId, JobId, WorkspaceId},
        job::Definition,
        schedule::Schedule,
    },
    store::{
        executions::{self, NewRun},
        executors,
    },
    stream::{Consumer, key::Lane},
};
use trigrun_scheduler::{DEFAULTS, Scheduler, Settings};
use trigrun_testkit::{TestDb, redis};

pub const URL: &str = "http://192.0.2.1/";
/// How long a read waits for the first entry.
pub const READ_TIMEOUT: Duration = Duration::from_millis(50);

/// A database, a Redis namespace and the settings of a scheduler that uses them.
pub struct Bench {
    pub db: TestDb,
    pub workspace: WorkspaceId,
    pub settings: Settings,
    pub reader: Consumer,
}

impl Bench {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let workspace = db.workspace("a").await;
        let mut settings: Settings = config::load_from(DEFAULTS, []).unwrap();
        settings.postgres = db.settings();
        settings.redis = redis::settings();
        let reader = new_reader(&db, &settings).await;
        Self { db, workspace, settings, reader }
    }

    /// A reader of the streams that these settings name.
    pub async fn reader(&self) -> Consumer {
        new_reader(&self.db, &self.settings).await
    }

    pub async fn scheduler(&self) -> Scheduler {
        Scheduler::new(&self.settings).await.unwrap()
    }

    /// A job whose first fire was `ago` before now.
    pub async fn job_due(&self, ago: TimeDelta, definition: &Definition) -> JobId {
        let Schedule::Recurring { every_seconds } = definition.schedule else {
            panic!("only a recurring job can be due")
        };
        let created_at = self.db.now().await - ago - TimeDelta::seconds(every_seconds.into());
        self.db.job_created_at(self.workspace, definition, created_at).await
    }

    pub async fn run_now(&self, job: JobId) -> ExecutionId {
        let run = NewRun {
            source: Source::Manual,
            replay_of: None,
            traceparent: None,
            depth: 0,
            key: None,
            now: self.db.now().await,
        };
        executions::insert_now(&mut *self.db.conn().await, self.workspace, job, run).await.unwrap()
    }

    pub async fn session(&self) -> ExecutorId {
        let session = ExecutorId::at(self.db.now().await);
        executors::insert(&mut *self.db.conn().await, session, "test").await.unwrap();
        session
    }

    pub async fn received(&mut self) -> Vec<ExecutionId> {
        let mut received = Vec::new();
        loop {
            let more = self.reader.receive(&Lane::ALL, 1000, READ_TIMEOUT).await.unwrap();
            if more.is_empty() {
                return received;
            }
            received.extend(more.into_iter().filter_map(|received| received.executions).flatten());
        }
    }
}

async fn new_reader(db: &TestDb, settings: &Settings) -> Consumer {
    let redis = db.redis(&settings.redis).await;
    let mut reader = Consumer::new(&redis, ExecutorId::at(db.now().await)).unwrap();
    // Creates the consumer groups.
    reader.receive(&Lane::ALL, 1, READ_TIMEOUT).await.unwrap();
    reader
}
