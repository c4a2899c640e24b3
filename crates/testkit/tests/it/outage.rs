//! Redis or Postgres stops in the middle, and comes back. Servers of the test's own: no other test may notice.

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

use super::journeys::until;

/// A job of every second in a system of its own, and what it has recorded.
struct Story {
    services: Services,
    postgres: PostgresSettings,
    redis: RedisSettings,
    target: Target,
    _scratch: Scratch,
}

impl Story {
    async fn begin() -> Self {
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
            timeout_ms: 1000,
        };
        assert!(command("api", &postgres).arg("migrate").output().unwrap().status.success());
        let story =
            Self { services, postgres, redis, target: Target::start().await.unwrap(), _scratch: scratch };
        story.execute(&insert_job(&story.target.url("/tick"))).await;
        story
    }

    fn start(&self, role: Role) -> Process {
        Process::start(role, &self.postgres, &self.redis)
    }

    async fn client(&self) -> Client {
        let url = self.services.postgres_url("postgres");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tasks::spawn("story", connection);
        client
    }

    async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    async fn count(&self, what: &str) -> i64 {
        let sql = format!("select count(*) from executions where {what}");
        self.client().await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Waits until so many runs have succeeded.
    async fn succeeded(&self, runs: i64) {
        until(&format!("the {runs}th run"), Duration::from_secs(40), async || {
            self.count("status = 'succeeded'").await >= runs
        })
        .await;
    }

    /// Every second from the first fire to the last recorded one has its run, and each was sent once.
    async fn is_whole(&self) {
        let window = "select max(scheduled_for)::text, extract(epoch from max(scheduled_for) - min(scheduled_for))::bigint + 1
                      from executions where status = 'succeeded'";
        let window = self.client().await.query_one(window, &[]).await.unwrap();
        let (last, seconds): (String, i64) = (window.get(0), window.get(1));
        until("all of them end", Duration::from_secs(20), async || {
            self.count(&format!("scheduled_for <= '{last}' and status <> 'succeeded'")).await == 0
        })
        .await;
        assert_eq!(self.count(&format!("scheduled_for <= '{last}'")).await, seconds, "none lost, none twice");
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

/// A job of every second, which the API does not offer; by hand, as its first fire is soon.
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
async fn without_redis_runs_go_on() {
    let mut story = Story::begin().await;
    let (_scheduler, _one, _other) =
        (story.start(Role::Scheduler), story.start(Role::Executor), story.start(Role::Executor));
    story.succeeded(3).await;
    story.services.stop_redis().await;
    let before = story.count("status = 'succeeded'").await;
    story.succeeded(before + 5).await;
    let lateness = "select coalesce(max(lateness_us), 0) from executions where status = 'succeeded'";
    let worst: i64 = story.client().await.query_one(lateness, &[]).await.unwrap().get(0);
    assert!(worst < 2_000_000, "they are taken from Postgres in time: {worst} µs");
    story.services.start_redis().await.unwrap();
    let before = story.count("status = 'succeeded'").await;
    story.succeeded(before + 3).await;
    story.is_whole().await;
}

#[tokio::test]
async fn without_postgres_everything_waits_and_nothing_is_lost() {
    let mut story = Story::begin().await;
    let (_scheduler, _executor) = (story.start(Role::Scheduler), story.start(Role::Executor));
    story.succeeded(3).await;
    story.services.stop_postgres(Shutdown::Fast).await;
    let sent = story.target.hits().len();
    // Fires that were planned and published before may still be sent; a second later, none can be.
    let _some = story.target.wait_for(sent + 1, Duration::from_secs(2)).await;
    assert!(!command("api", &story.postgres).arg("migrate").output().unwrap().status.success());
    let mut migrate = command("api", &story.postgres);
    let mut migrate =
        migrate.args(["migrate", "--wait-seconds", "60"]).stderr(Stdio::piped()).spawn().unwrap();
    // Open until it ends: it may have more to say.
    let (mut said, mut stderr) = (String::new(), BufReader::new(migrate.stderr.take().unwrap()));
    stderr.read_line(&mut said).unwrap();
    assert!(said.starts_with("waiting for Postgres: "), "{said}");
    story.services.start_postgres().await.unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(migrate.wait().unwrap().success(), "it has waited: {said}");
    let before = story.count("status = 'succeeded'").await;
    story.succeeded(before + 5).await;
    story.is_whole().await;
}
