//! The fixture of these tests: an executor on its own database, Redis namespace and target.

use crate::documented;
use chrono::TimeDelta;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    config,
    domain::{
        audit::Author,
        dispatch::Dispatch,
        execution::{Execution, Source},
        id::{ExecutionId, JobId, WorkspaceId},
        job::Definition,
        workspace::shard,
    },
    runtime::tasks::spawn,
    store::{
        executions::{self, NewRun},
        secrets::{self, NewValue},
        signing, workspace_keys,
    },
    stream::Producer,
};
use trigrun_executor::{DEFAULTS, ExecutorError, Settings, serve};
use trigrun_testkit::{
    TestDb,
    jobs::every_seconds,
    keys as master, redis,
    target::{Hit, Target},
};

/// Ends a test that hangs.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Bench {
    pub db: TestDb,
    pub workspace: WorkspaceId,
    pub settings: Settings,
    pub target: Target,
}

pub struct Running {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), ExecutorError>>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.ended).await.expect("it drains").unwrap().unwrap();
    }
}

impl Bench {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let workspace = db.workspace("a").await;
        let mut settings: Settings = config::load_from(DEFAULTS, []).unwrap();
        settings.postgres = db.settings();
        settings.keys = master::settings();
        settings.redis = redis::settings();
        settings.egress.allow = vec!["127.0.0.0/8".parse().unwrap()];
        settings.telemetry.probes_address = "127.0.0.1:0".parse().unwrap();
        Self { db, workspace, settings, target: Target::start().await.unwrap() }
    }

    pub fn executor(&self) -> Running {
        let stop = CancellationToken::new();
        Running { ended: spawn("executor", serve(self.settings.clone(), stop.clone())), stop }
    }

    pub fn definition(&self, path: &str) -> Definition {
        every_seconds(3600, &self.target.url(path))
    }

    /// An execution that is due `later` from now.
    pub async fn run_in(&self, job: JobId, later: TimeDelta) -> ExecutionId {
        let run = NewRun {
            source: Source::Manual,
            replay_of: None,
            traceparent: None,
            depth: 0,
            key: None,
            now: self.db.now().await,
        };
        let id = executions::insert_now(&mut *self.db.conn().await, self.workspace, job, run).await.unwrap();
        let micros = later.num_microseconds().unwrap();
        let later = format!(
            "update runs set due_at = due_at + {micros} * interval '1 us', scheduled_for = due_at + {micros} * interval '1 us' where id = '{}'",
            id.uuid()
        );
        self.db.execute(&later).await;
        id
    }

    pub async fn publish(&self, id: ExecutionId) {
        let dispatch = Dispatch {
            execution: id,
            workspace: self.workspace,
            shard: shard(self.workspace),
            due_at: self.db.now().await,
            traceparent: None,
        };
        let now = self.db.now().await;
        Producer::new(&self.db.redis(&self.settings.redis).await)
            .unwrap()
            .publish(&[dispatch], now)
            .await
            .unwrap();
    }

    pub async fn secret(&self, name: &str, value: &str) {
        let (mut conn, now) = (self.db.conn().await, self.db.now().await);
        let key = workspace_keys::data_key(&mut conn, self.workspace, &master::keys()).await.unwrap();
        let new = NewValue { name, value, key: &key, by: &Author::operator(now) };
        secrets::insert(&mut conn, self.workspace, new).await.unwrap();
    }

    pub async fn change_secret(&self, name: &str, value: &str) {
        let (mut conn, now) = (self.db.conn().await, self.db.now().await);
        let key = workspace_keys::data_key(&mut conn, self.workspace, &master::keys()).await.unwrap();
        let new = NewValue { name, value, key: &key, by: &Author::operator(now) };
        secrets::change(&mut conn, self.workspace, new).await.unwrap();
    }

    pub async fn published(&self, definition: &Definition) -> ExecutionId {
        let job = self.db.job(self.workspace, definition).await;
        let id = self.run_in(job, TimeDelta::zero()).await;
        self.publish(id).await;
        id
    }

    pub async fn get(&self, id: ExecutionId) -> Execution {
        executions::get(&mut *self.db.conn().await, self.workspace, id).await.unwrap()
    }

    /// Polls until the execution satisfies the condition.
    pub async fn when(&self, id: ExecutionId, condition: impl Fn(&Execution) -> bool) -> Execution {
        let polled = async {
            loop {
                let execution = self.get(id).await;
                if condition(&execution) {
                    return execution;
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(DEADLINE, polled).await {
            Ok(execution) => execution,
            Err(_) => panic!("the condition does not hold: {:#?}", self.get(id).await),
        }
    }

    pub async fn ended(&self, id: ExecutionId) -> Execution {
        self.when(id, |execution| execution.status.is_terminal()).await
    }

    /// Checks that these requests have the id and a valid signature of the workspace, and are as documented.
    pub async fn verify(&self, hits: &[Hit], id: &str) {
        let (mut conn, now) = (self.db.conn().await, self.db.now().await);
        let key = workspace_keys::data_key(&mut conn, self.workspace, &master::keys()).await.unwrap();
        let signing = signing::get(&mut conn, self.workspace, &key, now).await.unwrap();
        let webhook = standardwebhooks::Webhook::new(signing.secrets().next().unwrap()).unwrap();
        for hit in hits {
            documented::check(hit);
            let mut headers = http::HeaderMap::new();
            for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
                headers.insert(name, hit.header(name).unwrap().parse().unwrap());
            }
            assert_eq!(hit.header("webhook-id"), Some(id));
            webhook.verify(&hit.body, &headers).expect("the specification's own library accepts it");
        }
    }
}
