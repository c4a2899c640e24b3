//! The operator's view of an installation: probes, metrics, doctor and smoke test, with and without failures.

use secrecy::ExposeSecret;
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Command, Output, Stdio},
};
use tokio::net::TcpStream;
use trigrun_core::{
    crypto::seal,
    domain::id::JobId,
    store::{PostgresSettings, workspace_keys},
    stream::RedisSettings,
};
use trigrun_testkit::{
    TestDb, cluster,
    jobs::every_seconds,
    keys,
    mail::MailServer,
    own_redis::OwnRedis,
    process::{Process, Role, command},
    raw_http, redis,
    target::Target,
    tls_proxy::TlsProxy,
};

use crate::{logged::LoggedProcess, until};

/// Runs `trigrun-api` with the settings of an installation.
pub struct Operator {
    postgres: PostgresSettings,
    redis: RedisSettings,
}

impl Operator {
    pub fn of(db: &TestDb) -> Self {
        Self { postgres: db.settings(), redis: redis::settings() }
    }

    fn command(&self) -> Command {
        self.command_of("api")
    }

    fn command_of(&self, name: &str) -> Command {
        let mut command = command(name, &self.postgres);
        command
            .env("TRIGRUN__REDIS__URL", self.redis.url.expose_secret())
            .env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::master()))
            .env("TRIGRUN__EGRESS__ALLOW", "[\"127.0.0.0/8\"]");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> (bool, String) {
        result(self.command().args(arguments).output().expect("the binary can be run"))
    }

    /// With this on its standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> (bool, String) {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        result(child.wait_with_output().unwrap())
    }
}

/// Success, and everything printed.
fn result(output: Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

/// The statement for an execution that has been due for 40 seconds and was published.
pub fn due_run(job: JobId) -> String {
    format!(
        "insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, publish_claimed_at)
         select gen_random_uuid(), workspace_id, id, 1, 0, 'queued', 'manual', now(), now() - interval '40 s', now()
         from jobs where id = '{}'",
        job.uuid()
    )
}

/// An address on which nothing listens.
fn free_address() -> SocketAddr {
    cluster::free_address().unwrap()
}

/// The body of the response; empty if the server does not respond.
async fn get(address: SocketAddr, path: &str) -> String {
    raw_http::request(address, "GET", path, &[], b"")
        .await
        .map_or_else(|_| String::new(), |response| response.text())
}

#[tokio::test]
async fn every_binary_waits_for_its_schema_and_reports_it() {
    let db = TestDb::new().await;
    db.execute("create table kept as select * from __diesel_schema_migrations; delete from __diesel_schema_migrations").await;
    let operator = Operator::of(&db);
    let mut waiting = Vec::new();
    for name in ["api", "scheduler", "executor"] {
        let probes = free_address();
        let mut command = command(name, &db.settings());
        command.env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", probes.to_string());
        if name != "scheduler" {
            command.env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::master()));
        }
        if name == "api" {
            command.env("TRIGRUN__SERVER__ADDRESS", "127.0.0.1:0");
        }
        let mut process = LoggedProcess::start(&mut command);
        let line = process.line_with("too old");
        assert!(line.contains("trigrun-api migrate"), "{name}: {line}");
        let live = raw_http::request(probes, "GET", "/livez", &[], b"").await.unwrap();
        assert_eq!(live.status, 200, "{name} is live");
        let (ready, why) = operator.run(&["healthcheck", "--address", &probes.to_string()]);
        assert!(!ready && why.contains("schema: ") && why.contains("trigrun-api migrate"), "{name}: {why}");
        waiting.push((name, probes, process));
    }
    let mut terminated = LoggedProcess::start(&mut command("scheduler", &db.settings()));
    terminated.line_with("too old");
    Command::new("kill").arg("-TERM").arg(terminated.child().id().to_string()).status().unwrap();
    assert!(terminated.child().wait().unwrap().success(), "SIGTERM during the wait is not a failure");
    db.execute("insert into __diesel_schema_migrations select * from kept").await;
    for (name, probes, _process) in &waiting {
        until(&format!("{name} is ready"), async || {
            operator.run(&["healthcheck", "--address", &probes.to_string()]) == (true, "ok\n".to_owned())
        })
        .await;
    }
}

fn key_id() -> &'static str {
    keys::master().split(':').next().unwrap()
}

/// A wrong key must not be noticed only when everything has failed.
#[tokio::test]
async fn a_process_with_another_key_under_the_same_id_does_not_start() {
    let db = TestDb::new().await;
    let other = seal::new_master_key().unwrap();
    let other = format!("{}:{}", key_id(), other.split(':').nth(1).unwrap());
    let start = |name: &str, key: &str| {
        let mut command = command(name, &db.settings());
        command.env("TRIGRUN__KEYS__MASTER", format!("[\"{key}\"]"));
        command.env("TRIGRUN__SERVER__ADDRESS", "127.0.0.1:0");
        command.env_remove(if name == "executor" { "TRIGRUN__SERVER__ADDRESS" } else { "-" });
        command
    };
    let keys_recorded = async || db.count("select count(*) from master_keys").await == 1;
    let first = LoggedProcess::start(&mut start("executor", keys::master()));
    until("the executor has recorded its key", keys_recorded).await;
    drop(first);
    let guessable = format!("{}:{}=", key_id(), "A".repeat(43));
    for name in ["api", "executor"] {
        for (key, why) in
            [(&other, "is not the one with which this database was sealed"), (&guessable, "is not random")]
        {
            let output = start(name, key).output().unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(!output.status.success() && text.contains(why), "{name}: {text}");
            assert!(!text.contains(key.split(':').nth(1).unwrap()), "{text}");
        }
    }
    let restarted = LoggedProcess::start(&mut start("api", keys::master()));
    drop(restarted);
    let operator = Operator::of(&db);
    let (_, text) = operator.run(&["doctor"]);
    assert!(text.contains("ok     keys"), "{text}");
}

#[tokio::test]
async fn rewrap_goes_on_and_lists_what_it_could_not_open() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let mut workspaces = Vec::new();
    for name in ["a", "b", "c"] {
        let workspace = db.workspace(name).await;
        workspace_keys::data_key(&mut *db.conn().await, workspace, &keys::keys()).await.unwrap();
        workspaces.push(workspace);
    }
    db.execute(&format!(
        "update workspace_keys set wrapped = '' where workspace_id = '{}'",
        workspaces[1].uuid()
    ))
    .await;
    let new = seal::new_master_key().unwrap();
    let rewrap = || {
        let both = format!("[\"{new}\", \"{}\"]", keys::master());
        result(
            operator.command().args(["keys", "rewrap"]).env("TRIGRUN__KEYS__MASTER", both).output().unwrap(),
        )
    };
    let older = format!("select workspace_id::text from workspace_keys where master_key = '{}'", key_id());
    for _ in 0..2 {
        let (success, text) = rewrap();
        assert!(!success && text.contains(&workspaces[1].to_string()), "{text}");
        assert!(text.contains("the keys of 1 workspaces are still wrapped by an older master key"), "{text}");
        assert_eq!(db.lines(&older).await, [workspaces[1].uuid().to_string()]);
    }
    db.execute("delete from workspace_keys where wrapped = ''").await;
    let (success, text) = rewrap();
    assert!(success && text.contains("all keys are wrapped by"), "{text}");
}

#[tokio::test]
async fn doctor_reports_problems_and_what_to_do() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let (success, text) = operator.run(&["doctor"]);
    // The Postgres of the tests is not durable.
    assert!(!success && text.contains("fsync is off"), "{text}");
    for line in [
        "ok     settings",
        "ok     open files",
        "ok     redis",
        "ok     mail         none",
        "ok     schema",
        "ok     keys",
        "ok     partitions",
        "ok     clock",
        "ok     work",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("warn   executors") && text.contains("none is running"), "{text}");

    db.workspace("a").await;
    // What a process records when it starts, here with another key.
    db.execute(&format!("insert into master_keys (id, check_value) values ('{}', '')", key_id())).await;
    let (_, text) = operator.run(&["doctor"]);
    assert!(text.contains("FAIL   keys") && text.contains("is not the one with which"), "{text}");
    db.execute("delete from master_keys").await;
    db.execute("insert into workspace_keys (workspace_id, master_key, wrapped) select id, 'gone', '' from workspaces").await;
    let (_, text) = operator.run(&["doctor"]);
    assert!(
        text.contains("FAIL   keys") && text.contains("the master key gone, which is not in keys.master"),
        "{text}"
    );

    // Three executors that died with their host, a job that is not planned, and an execution that is not taken.
    db.execute(
        "insert into executors (id, name, started_at, heartbeat_at)
         select gen_random_uuid(), 'gone', now() - interval '1 h', now() - interval '1 min' from generate_series(1, 3)",
    )
    .await;
    let job = db.job(db.workspace("b").await, &every_seconds(60, "http://192.0.2.1/")).await;
    db.execute(&format!(
        "update job_timers set next_run_at = now() - interval '40 s' where job_id = '{}'",
        job.uuid()
    ))
    .await;
    db.execute(&due_run(job)).await;
    let (_, text) = operator.run(&["doctor"]);
    for line in [
        "warn   executors    none is running",
        "FAIL   schedulers   a fire has been due for ",
        "warn   work         1 executions wait",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }

    let cluster = OwnRedis::start(&["--cluster-enabled", "yes"]).await.unwrap();
    let full = OwnRedis::start(&["--maxmemory", "1"]).await.unwrap();
    for (server, expected) in
        [(cluster, "in cluster mode, which TrigRun does not support"), (full, "increase maxmemory")]
    {
        let url = server.settings().url;
        let output =
            operator.command().arg("doctor").env("TRIGRUN__REDIS__URL", url.expose_secret()).output();
        let (success, text) = result(output.unwrap());
        let line =
            text.lines().find(|line| line.starts_with("FAIL   redis")).unwrap_or_else(|| panic!("{text}"));
        assert!(!success && line.contains(expected), "{line}");
    }

    db.execute("delete from __diesel_schema_migrations").await;
    let unreachable = free_address();
    let output = operator
        .command()
        .arg("doctor")
        .env("TRIGRUN__REDIS__URL", format!("redis://{unreachable}"))
        .output();
    let (success, text) = result(output.unwrap());
    assert!(!success, "{text}");
    assert!(text.contains("FAIL   redis") && text.contains("TRIGRUN__REDIS__URL"), "{text}");
    assert!(text.contains("FAIL   schema") && text.contains("trigrun-api migrate"), "{text}");

    let output = operator
        .command()
        .arg("doctor")
        .env("TRIGRUN__POSTGRES__URL", format!("postgres://trigrun@{unreachable}/trigrun"))
        .output();
    let (success, text) = result(output.unwrap());
    assert!(
        !success && text.contains("FAIL   postgres") && text.contains("TRIGRUN__POSTGRES__URL"),
        "{text}"
    );

    db.execute("drop index jobs_name; drop collation pg_catalog.\"und-x-icu\"").await;
    let (_, text) = operator.run(&["doctor"]);
    assert!(text.contains("FAIL   schema") && text.contains("built with ICU"), "{text}");
}

/// Multi-threaded, because the command blocks a thread while the mail server serves.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_tries_the_mail_server() {
    let operator = Operator::of(&TestDb::new().await);
    let mail = MailServer::start().await.unwrap();
    let line = |settings: &[(&str, &str)]| {
        let output = operator.command().arg("doctor").envs(settings.iter().copied()).output().unwrap();
        let (_, text) = result(output);
        let line = text.lines().find(|line| line.contains(" mail ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{text}"))
    };
    let open = ("TRIGRUN__SERVER__SIGN_UP", "open");
    assert!(line(&[open]).starts_with("warn   mail         none, and everyone can sign up"));
    let (url, from) = (mail.url(), ("TRIGRUN__SMTP__FROM", "noreply@example.com"));
    let good = ("TRIGRUN__SMTP__URL", url.as_str());
    assert!(line(&[good, from]).contains("FAIL   mail         server.public_url must be set"));
    let public = ("TRIGRUN__SERVER__PUBLIC_URL", "https://trigrun.example.com");
    assert!(line(&[good, from, public]).contains("ok     mail         accepts connections"));
    let dead = format!("smtp://{}", free_address());
    let dead = line(&[("TRIGRUN__SMTP__URL", &dead), from, public]);
    assert!(dead.starts_with("FAIL   mail") && dead.ends_with("check TRIGRUN__SMTP__URL"), "{dead}");
    assert!(mail.messages().is_empty());
}

/// Multi-threaded, because the command blocks a thread while the target serves.
#[tokio::test(flavor = "multi_thread")]
async fn the_smoke_test_fires_a_job_and_leaves_nothing_behind() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let (target, api) = (Target::start().await.unwrap(), free_address());
    let _api = LoggedProcess::start(operator.command().env("TRIGRUN__SERVER__ADDRESS", api.to_string()));
    let _scheduler = Process::start(Role::Scheduler, &operator.postgres, &operator.redis);
    let (url, target_url) = (format!("http://{api}"), target.url("/smoke"));
    until("the API listens", async || TcpStream::connect(api).await.is_ok()).await;

    let run_smoke = |target: &str, timeout: &str| {
        operator.run(&["smoke", "--url", &url, "--target", target, "--within-seconds", timeout])
    };
    let (success, text) = run_smoke(&target_url, "1");
    assert!(!success && text.contains("is queued") && text.contains("executors run"), "{text}");
    let mut terminated = operator.command();
    terminated.args(["smoke", "--url", &url, "--target", &target_url]).stdout(Stdio::piped());
    let mut terminated = terminated.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(terminated.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("created a job"), "{line}");
    Command::new("kill").arg("-TERM").arg(terminated.id().to_string()).status().unwrap();
    assert!(!terminated.wait().unwrap().success());
    assert_eq!(db.count("select count(*) from workspaces where deleted_at is null").await, 0);
    let _executor = Process::start(Role::Executor, &operator.postgres, &operator.redis);
    let (success, text) = run_smoke(&target_url, "180");
    assert!(success && text.contains("returned 200"), "{text}");
    assert_eq!(db.count("select count(*) from workspaces where deleted_at is null").await, 0);
    let proxy = TlsProxy::start(api).await.unwrap();
    let certificate = std::env::temp_dir().join(format!("trigrun-{}.pem", proxy.address().port()));
    std::fs::write(&certificate, proxy.certificate()).unwrap();
    let over_tls = format!("https://{}", proxy.address());
    let arguments = ["smoke", "--url", &over_tls, "--target", &target_url, "--within-seconds", "180"];
    let trusting = operator.command().env("SSL_CERT_FILE", &certificate).args(arguments).output();
    std::fs::remove_file(&certificate).unwrap();
    let (success, text) = result(trusting.unwrap());
    assert!(success && text.contains("returned 200"), "{text}");
    let (success, text) = operator.run(&arguments);
    assert!(!success && text.contains(&over_tls) && text.contains("certificate"), "{text}");
    let (success, text) = run_smoke(&format!("http://{}/", free_address()), "180");
    assert!(!success && text.contains("the execution failed") && text.contains("refused"), "{text}");
    let (success, text) = run_smoke("http://192.168.0.1/", "180");
    assert!(!success && text.contains("cannot create the job") && text.contains("192.168.0.1"), "{text}");
}

#[tokio::test]
async fn a_scheduler_measures_the_backlog_and_an_executor_its_permits() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let job = db.job(db.workspace("a").await, &every_seconds(3600, "http://192.0.2.1/")).await;
    db.execute(&due_run(job)).await;
    let (scheduler, executor) = (free_address(), free_address());
    let _scheduler = LoggedProcess::start(
        command("scheduler", &operator.postgres)
            .env("TRIGRUN__REDIS__URL", operator.redis.url.expose_secret())
            .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", scheduler.to_string()),
    );
    until("the scheduler measures the backlog", async || {
        let text = get(scheduler, "/metrics").await;
        text.contains("\ntrigrun_waiting 1\n")
            && text.contains("\ntrigrun_schedule_errors 0\n")
            && text.contains("\ntrigrun_partitions_ahead_seconds 604800\n")
            && text.contains("trigrun_pool_connections{state=\"idle\"}")
            && text.lines().any(|line| {
                let oldest = line.strip_prefix("trigrun_oldest_waiting_seconds ");
                oldest.is_some_and(|seconds| seconds.parse::<f64>().is_ok_and(|seconds| seconds >= 40.0))
            })
    })
    .await;
    let _executor = LoggedProcess::start(
        operator.command_of("executor").env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", executor.to_string()),
    );
    until("the executor reports its metrics", async || {
        let text = get(executor, "/metrics").await;
        text.contains("\ntrigrun_permits 4096\n")
            && text.contains("\ntrigrun_build_info{process=\"executor\",version=\"")
            && text.contains("\ntrigrun_in_flight 0\n")
            && text.contains("\ntrigrun_clock_offset_seconds ")
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_cannot_be_used_is_a_metric_of_schedulers_and_executors() {
    let db = TestDb::new().await;
    let cluster = OwnRedis::start(&["--cluster-enabled", "yes"]).await.unwrap();
    cluster.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await.unwrap();
    for (redis, expected) in [(redis::settings(), 1), (cluster.settings(), 0)] {
        let operator = Operator { postgres: db.settings(), redis };
        for name in ["scheduler", "executor"] {
            let probes = free_address();
            let mut command = operator.command_of(name);
            if name == "scheduler" {
                command.env_remove("TRIGRUN__KEYS__MASTER").env_remove("TRIGRUN__EGRESS__ALLOW");
            }
            let _process =
                LoggedProcess::start(command.env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", probes.to_string()));
            until(&format!("the {name} reports {expected}"), async || {
                get(probes, "/metrics").await.contains(&format!("\ntrigrun_streams_usable {expected}\n"))
            })
            .await;
        }
    }
}
