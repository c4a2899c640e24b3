//! What the operator asks a running installation, and what it says while it is not whole.

use secrecy::ExposeSecret;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use trigrun_core::{domain::id::JobId, store::PostgresSettings};
use trigrun_testkit::{
    TestDb,
    jobs::every_seconds,
    keys,
    process::{Process, Role, command},
    redis,
    target::Target,
    tls_proxy::TlsProxy,
};

use crate::journeys::until;

/// `trigrun-api` with the settings of an installation of its own.
struct Operator {
    postgres: PostgresSettings,
    redis: trigrun_core::stream::RedisSettings,
}

impl Operator {
    fn of(db: &TestDb) -> Self {
        Self { postgres: db.settings(), redis: redis::settings() }
    }

    fn command(&self) -> Command {
        self.command_of("api")
    }

    fn command_of(&self, name: &str) -> Command {
        let mut command = command(name, &self.postgres);
        command
            .env("TRIGRUN__REDIS__URL", self.redis.url.expose_secret())
            .env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::MASTER))
            .env("TRIGRUN__EGRESS__ALLOW", "[\"127.0.0.0/8\"]");
        command
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        said(self.command().args(arguments).output().expect("the binary can be run"))
    }
}

fn said(output: Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

/// Makes an execution that has been due for 40 seconds and was published.
fn due_run(job: JobId) -> String {
    format!(
        "insert into executions (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, published_at)
         select gen_random_uuid(), workspace_id, id, 1, 0, 'queued', 'manual', now(), now() - interval '40 s', now()
         from jobs where id = '{}'",
        job.uuid()
    )
}

/// An address of this machine that nobody listens to.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The whole answer; empty when it cannot be reached.
fn ask(address: &str, path: &str) -> String {
    let mut text = String::new();
    if let Ok(mut socket) = TcpStream::connect(address) {
        socket.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        socket.read_to_string(&mut text).unwrap();
    }
    text
}

/// A process, killed when it is dropped, and the first line of its log that holds `word`.
struct Talking(Child);

impl Talking {
    fn start(command: &mut Command) -> Self {
        Self(command.stderr(Stdio::piped()).spawn().expect("the binary can be started"))
    }

    fn line_with(&mut self, word: &str) -> String {
        let log = BufReader::new(self.0.stderr.take().expect("it is piped"));
        let found = log.lines().map_while(Result::ok).find(|line| line.contains(word));
        found.unwrap_or_else(|| panic!("it ended without a word of {word}"))
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn every_binary_waits_for_its_schema_and_says_so() {
    let db = TestDb::new().await;
    db.execute("create table kept as select * from __diesel_schema_migrations; delete from __diesel_schema_migrations").await;
    let operator = Operator::of(&db);
    let mut waiting = Vec::new();
    for name in ["api", "scheduler", "executor"] {
        let probes = free_address();
        let mut command = command(name, &db.settings());
        command.env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", &probes);
        if name != "scheduler" {
            command.env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::MASTER));
        }
        if name == "api" {
            command.env("TRIGRUN__SERVER__ADDRESS", "127.0.0.1:0");
        }
        let mut process = Talking::start(&mut command);
        let line = process.line_with("too old");
        assert!(line.contains("trigrun-api migrate"), "{name}: {line}");
        assert!(ask(&probes, "/livez").contains(" 200 "), "{name} lives");
        let (ready, why) = operator.run(&["healthcheck", "--address", &probes]);
        assert!(!ready && why.contains("schema: ") && why.contains("trigrun-api migrate"), "{name}: {why}");
        waiting.push((name, probes, process));
    }
    let mut told = Talking::start(&mut command("scheduler", &db.settings()));
    told.line_with("too old");
    Command::new("kill").arg("-TERM").arg(told.0.id().to_string()).status().unwrap();
    assert!(told.0.wait().unwrap().success(), "to be told to stop while it waits is no failure");
    db.execute("insert into __diesel_schema_migrations select * from kept").await;
    for (name, probes, _process) in &waiting {
        until(&format!("{name} is ready"), Duration::from_secs(20), async || {
            operator.run(&["healthcheck", "--address", probes]) == (true, "ok\n".to_owned())
        })
        .await;
    }
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let (fine, text) = operator.run(&["doctor"]);
    // This Postgres is one for tests.
    assert!(!fine && text.contains("fsync is off"), "{text}");
    for line in [
        "ok     settings",
        "ok     redis",
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
    db.execute("insert into workspace_keys (workspace_id, master_key, wrapped) select id, 'gone', '' from workspaces").await;
    let (_, text) = operator.run(&["doctor"]);
    assert!(text.contains("FAIL   keys") && text.contains("no master key gone"), "{text}");

    // Three that died with their host, a job that nobody plans, and a run that nobody takes.
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
        "FAIL   schedulers   a fire has been due for 4",
        "warn   work         1 executions wait",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }

    db.execute("delete from __diesel_schema_migrations").await;
    let nowhere = free_address();
    let output =
        operator.command().arg("doctor").env("TRIGRUN__REDIS__URL", format!("redis://{nowhere}")).output();
    let (fine, text) = said(output.unwrap());
    assert!(!fine, "{text}");
    assert!(text.contains("FAIL   redis") && text.contains("TRIGRUN__REDIS__URL"), "{text}");
    assert!(text.contains("FAIL   schema") && text.contains("trigrun-api migrate"), "{text}");

    let output = operator
        .command()
        .arg("doctor")
        .env("TRIGRUN__POSTGRES__URL", format!("postgres://trigrun@{nowhere}/trigrun"))
        .output();
    let (fine, text) = said(output.unwrap());
    assert!(!fine && text.contains("FAIL   postgres") && text.contains("TRIGRUN__POSTGRES__URL"), "{text}");
}

/// In threads of its own, because the target is here and the command is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_smoke_test_makes_a_job_fire_and_leaves_nothing() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let (target, api) = (Target::start().await.unwrap(), free_address());
    let _api = Talking::start(operator.command().env("TRIGRUN__SERVER__ADDRESS", &api));
    let _scheduler = Process::start(Role::Scheduler, &operator.postgres, &operator.redis);
    let (url, calls) = (format!("http://{api}"), target.url("/smoke"));
    until("the API answers", Duration::from_secs(20), async || TcpStream::connect(&api).is_ok()).await;

    let smoke = |within: &str| {
        operator.run(&["smoke", "--url", &url, "--target", &calls, "--within-seconds", within])
    };
    let (fine, text) = smoke("1");
    assert!(!fine && text.contains("is queued") && text.contains("executors run"), "{text}");
    let mut told = operator.command();
    told.args(["smoke", "--url", &url, "--target", &calls]).stdout(Stdio::piped());
    let mut told = told.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(told.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("created a job"), "{line}");
    Command::new("kill").arg("-TERM").arg(told.id().to_string()).status().unwrap();
    assert!(!told.wait().unwrap().success());
    assert_eq!(db.count("select count(*) from workspaces where deleted_at is null").await, 0);
    let _executor = Process::start(Role::Executor, &operator.postgres, &operator.redis);
    let (fine, text) = smoke("30");
    assert!(fine && text.contains("returned 200"), "{text}");
    assert_eq!(db.count("select count(*) from workspaces where deleted_at is null").await, 0);
    let proxy = TlsProxy::start(api.parse().unwrap()).await.unwrap();
    let certificate = std::env::temp_dir().join(format!("trigrun-{}.pem", proxy.address().port()));
    std::fs::write(&certificate, proxy.certificate()).unwrap();
    let over_tls = format!("https://{}", proxy.address());
    let arguments = ["smoke", "--url", &over_tls, "--target", &calls, "--within-seconds", "30"];
    let trusting = operator.command().env("SSL_CERT_FILE", &certificate).args(arguments).output();
    std::fs::remove_file(&certificate).unwrap();
    let (fine, text) = said(trusting.unwrap());
    assert!(fine && text.contains("returned 200"), "{text}");
    let (fine, text) = operator.run(&arguments);
    assert!(!fine && text.contains(&over_tls) && text.contains("certificate"), "{text}");
    let (fine, text) =
        operator.run(&["smoke", "--url", &url, "--target", &format!("http://{}/", free_address())]);
    assert!(!fine && text.contains("the execution failed") && text.contains("refused"), "{text}");
    let (fine, text) = operator.run(&["smoke", "--url", &url, "--target", "http://192.168.0.1/"]);
    assert!(!fine && text.contains("cannot create the job") && text.contains("192.168.0.1"), "{text}");
}

#[tokio::test]
async fn a_scheduler_tells_what_waits_and_an_executor_what_it_can_hold() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let job = db.job(db.workspace("a").await, &every_seconds(60, "http://192.0.2.1/")).await;
    db.execute(&due_run(job)).await;
    let (one, other) = (free_address(), free_address());
    let _scheduler = Talking::start(
        command("scheduler", &operator.postgres)
            .env("TRIGRUN__REDIS__URL", operator.redis.url.expose_secret())
            .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", &one),
    );
    until("the scheduler has measured", Duration::from_secs(20), async || {
        let text = ask(&one, "/metrics");
        text.contains("\ntrigrun_waiting 1\n")
            && text.contains("\ntrigrun_stuck_jobs 0\n")
            && text.contains("\ntrigrun_partition_days_ahead 7\n")
            && text.contains("trigrun_pool_connections{state=\"idle\"}")
            && text.lines().any(|line| {
                let oldest = line.strip_prefix("trigrun_oldest_waiting_seconds ");
                oldest.is_some_and(|seconds| seconds.parse::<f64>().is_ok_and(|seconds| seconds >= 40.0))
            })
    })
    .await;
    let _executor =
        Talking::start(operator.command_of("executor").env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", &other));
    until("the executor has begun", Duration::from_secs(20), async || {
        let text = ask(&other, "/metrics");
        text.contains("\ntrigrun_permits 4096\n")
            && text.contains("\ntrigrun_build_info{process=\"executor\",version=\"")
            && text.contains("\ntrigrun_in_flight 0\n")
            && text.contains("\ntrigrun_clock_offset_seconds ")
    })
    .await;
}
