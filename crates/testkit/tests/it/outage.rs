//! Redis or Postgres stops and comes back. With private servers, because other tests share theirs.

use secrecy::SecretString;
use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
    time::Duration,
};
use tokio_postgres::{Client, NoTls};
use trigrun_core::{runtime::tasks, store::PostgresSettings, stream::RedisSettings};
use trigrun_embed::{Durability, Options, Programs, Scratch, Services, Shutdown};
use trigrun_testkit::{
    db,
    process::{Process, Role, command},
    target::Target,
};

use crate::until;

/// A job that fires every second, on private servers.
struct System {
    services: Services,
    postgres: PostgresSettings,
    redis: RedisSettings,
    target: Target,
    _scratch: Scratch,
}

impl System {
    async fn start() -> Self {
        let scratch = Scratch::create().await.unwrap();
        let options = Options::new(scratch.path(), Durability::Tests);
        let services = Services::start(&Programs::find().unwrap(), &options).await.unwrap();
        let postgres = PostgresSettings {
            url: SecretString::from(services.postgres_url("postgres")),
            ..db::settings("-")
        };
        let redis = RedisSettings {
            url: SecretString::from(services.redis_url()),
            namespace: "test".into(),
            ..trigrun_testkit::redis::settings()
        };
        assert!(command("api", &postgres).arg("migrate").output().unwrap().status.success());
        let system =
            Self { services, postgres, redis, target: Target::start().await.unwrap(), _scratch: scratch };
        system.execute(&insert_job(&system.target.url("/tick"))).await;
        system
    }

    fn process(&self, role: Role) -> Process {
        Process::start(role, &self.postgres, &self.redis)
    }

    async fn client(&self) -> Client {
        let url = self.services.postgres_url("postgres");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tasks::spawn("test connection", connection);
        client
    }

    async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    async fn count(&self, condition: &str) -> i64 {
        let sql = format!("select count(*) from all_executions where {condition}");
        self.client().await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Waits until this many runs have succeeded.
    async fn wait_for(&self, runs: i64) {
        until(&format!("{runs} runs succeed"), async || self.count("status = 'succeeded'").await >= runs)
            .await;
    }

    /// Every second from the first fire to the last recorded one has its run, and each was sent once.
    async fn check_completeness(&self) {
        let window = "select max(scheduled_for)::text, extract(epoch from max(scheduled_for) - min(scheduled_for))::bigint + 1
                      from executions where status = 'succeeded'";
        let window = self.client().await.query_one(window, &[]).await.unwrap();
        let (last, seconds): (String, i64) = (window.get(0), window.get(1));
        until("all runs end", async || {
            self.count(&format!("scheduled_for <= '{last}' and status <> 'succeeded'")).await == 0
        })
        .await;
        assert_eq!(
            self.count(&format!("scheduled_for <= '{last}'")).await,
            seconds,
            "none is lost, none is recorded twice"
        );
        assert_eq!(self.count("attempt_count > 1").await, 0);
        let mut sent: Vec<String> = self
            .target
            .hits()
            .iter()
            .map(|hit| hit.header("trigrun-execution-id").unwrap().to_owned())
            .collect();
        let all = sent.len();
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), all, "no request was sent twice");
    }
}

/// The statements for a job that fires every second, which the API does not offer, starting in two seconds.
fn insert_job(url: &str) -> String {
    let id = "00000000-0000-7000-8000-000000000001";
    format!(
        "insert into workspaces (id, name) values ('{id}', 'a');
         insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
         values ('{id}', '{id}', 1, 'tick', 'recurring', 'active', '{{}}', now(), now());
         insert into job_versions (job_id, version, created_at, name, state, tags, kind, every_seconds, url, method, headers, body_is_json,
                                   timeout_seconds, success_statuses, max_attempts, retry_on_statuses, overlap_policy, misfire_policy,
                                   catch_up_limit, delivery)
         values ('{id}', 1, now(), 'tick', 'active', '{{}}', 'recurring', 1, '{url}', 'GET', '{{}}', false, 30, '{{200}}', 3, '{{}}',
                 'queue', 'catch_up', 1000, 'at_least_once');
         insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, misfire_policy, catch_up_limit)
         values ('{id}', '{id}', 3, 1, date_trunc('second', now()) + interval '2 s', date_trunc('second', now()), 1, 'catch_up', 1000);"
    )
}

#[tokio::test]
async fn jobs_run_without_redis() {
    let mut system = System::start().await;
    let (_scheduler, _one, _other) =
        (system.process(Role::Scheduler), system.process(Role::Executor), system.process(Role::Executor));
    system.wait_for(3).await;
    system.services.stop_redis().await;
    let before = system.count("status = 'succeeded'").await;
    system.wait_for(before + 5).await;
    system.services.start_redis().await.unwrap();
    let before = system.count("status = 'succeeded'").await;
    system.wait_for(before + 3).await;
    system.check_completeness().await;
}

#[tokio::test]
async fn nothing_is_lost_while_postgres_is_down() {
    let mut system = System::start().await;
    let (_scheduler, _executor) = (system.process(Role::Scheduler), system.process(Role::Executor));
    system.wait_for(3).await;
    system.services.stop_postgres(Shutdown::Fast).await;
    let sent = system.target.hits().len();
    // Fires that were published before may still be sent.
    let _rest = system.target.wait_for(sent + 1, Duration::from_secs(2)).await;
    assert!(!command("api", &system.postgres).arg("migrate").output().unwrap().status.success());
    let mut migrate = command("api", &system.postgres);
    let mut migrate =
        migrate.args(["migrate", "--wait-seconds", "60"]).stderr(Stdio::piped()).spawn().unwrap();
    // Read until it ends, because it may print more.
    let (mut printed, mut stderr) = (String::new(), BufReader::new(migrate.stderr.take().unwrap()));
    stderr.read_line(&mut printed).unwrap();
    assert!(printed.starts_with("waiting for Postgres: "), "{printed}");
    system.services.start_postgres().await.unwrap();
    stderr.read_to_string(&mut printed).unwrap();
    assert!(migrate.wait().unwrap().success(), "it waited for Postgres: {printed}");
    let before = system.count("status = 'succeeded'").await;
    system.wait_for(before + 5).await;
    system.check_completeness().await;
}
