//! Real servers: they start, keep their data, recover, and leave no process running. Needs `make setup`.

use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::time::timeout;
use trigrun_embed::{Durability, EmbedError, Options, Programs, Scratch, Services, Shutdown};

const TRIGRUN_EMBED: &str = env!("CARGO_BIN_EXE_trigrun-embed");
/// Only ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(300);

fn programs() -> Programs {
    Programs::find().unwrap_or_else(|error| panic!("{error}"))
}

fn options(dir: &Path) -> Options {
    Options { max_connections: 20, ready_timeout: TIMEOUT, ..Options::new(dir, Durability::Tests) }
}

async fn start(dir: &Path) -> Services {
    let started = Services::start(&programs(), &options(dir)).await;
    let services = started.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(services.notes(), &[] as &[String]);
    services
}

async fn postgres(services: &Services) -> tokio_postgres::Client {
    let url = services.postgres_url("postgres");
    let (client, connection) =
        tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("connect to Postgres");
    #[allow(clippy::disallowed_methods, reason = "this crate does not depend on core, which names tasks")]
    tokio::spawn(connection);
    client
}

async fn count(services: &Services) -> i64 {
    postgres(services).await.query_one("SELECT count(*) FROM kept", &[]).await.expect("count").get(0)
}

async fn create_kept(services: &Services) {
    let client = postgres(services).await;
    client
        .batch_execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1), (2)")
        .await
        .expect("create");
}

async fn redis(services: &Services) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(services.redis_url()).expect("redis's URL");
    client.get_multiplexed_async_connection().await.expect("connect to Redis")
}

/// The processes with `text` in their command line, which contains the directory of a server. Just forked children
/// have it too, so the number of processes varies.
fn processes(text: &str) -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    });
    lines.filter(|(_, line)| line.contains(text)).collect()
}

fn is_running(text: &str, program: &str) -> bool {
    processes(text).iter().any(|(_, line)| line.split(' ').next().is_some_and(|path| path.ends_with(program)))
}

/// `trigrun-embed exec`, killed on drop.
struct Exec(Child);

impl Exec {
    /// Returns the process and the first line that its command prints.
    fn start(command: &mut Command) -> (Exec, String) {
        let mut exec = Exec(command.stdout(Stdio::piped()).spawn().expect("spawn"));
        let mut line = String::new();
        BufReader::new(exec.0.stdout.take().expect("stdout")).read_line(&mut line).expect("read");
        (exec, line)
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.0.kill().expect("kill -9");
        self.0.wait().expect("wait");
    }
}

async fn wait_until_gone(text: &str) {
    let deadline = Instant::now() + TIMEOUT;
    while !processes(text).is_empty() {
        assert!(Instant::now() < deadline, "still running: {:?}", processes(text));
        tokio::task::yield_now().await;
    }
}

/// Ends a test that hangs.
async fn bounded(test: impl Future<Output = ()>) {
    timeout(TIMEOUT, test).await.expect("the test hangs");
}

#[tokio::test]
async fn both_respond_and_stop_leaves_nothing_behind() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        let services = start(scratch.path()).await;
        let client = postgres(&services).await;
        let row = client.query_one("SHOW listen_addresses", &[]).await.expect("listen_addresses");
        assert_eq!(row.get::<_, &str>(0), "");
        let pong: String = redis::cmd("PING").query_async(&mut redis(&services).await).await.expect("PING");
        assert_eq!(pong, "PONG");

        let dir = scratch.path().to_str().expect("a UTF-8 path");
        assert!(is_running(dir, "/postgres") && is_running(dir, "-server"), "{:?}", processes(dir));
        let sockets = [services.postgres().socket().to_owned(), services.redis().socket().to_owned()];
        services.stop().await;
        assert_eq!(processes(dir), []);
        assert!(sockets.iter().all(|socket| !socket.exists()));
    })
    .await;
}

#[tokio::test]
async fn a_second_start_keeps_the_data() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        let options = Options::new(scratch.path(), Durability::Production);
        let first = Services::start(&programs(), &options).await.unwrap_or_else(|error| panic!("{error}"));
        create_kept(&first).await;
        let set = redis::cmd("SET").arg("kept").arg(2).exec_async(&mut redis(&first).await).await;
        set.expect("SET");
        let second = Services::start(&programs(), &options).await;
        assert!(matches!(second, Err(EmbedError::InUse { .. })), "two at once: {second:?}");
        first.stop().await;

        let second = Services::start(&programs(), &options).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(count(&second).await, 2);
        let row = postgres(&second).await.query_one("SHOW synchronous_commit", &[]).await.expect("SHOW");
        assert_eq!(row.get::<_, &str>(0), "on");
        let kept = redis::cmd("GET").arg("kept").query_async(&mut redis(&second).await).await;
        assert_eq!(kept, Ok(2));
        second.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_next_start_ends_orphaned_servers() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        let dir = scratch.path().to_str().expect("a UTF-8 path");
        // Without PATH there is no setpriv, and so no death signal.
        let (mut exec, line) = Exec::start(
            Command::new(TRIGRUN_EMBED)
                .args(["exec", "--dir", dir, "--", "/bin/sh", "-c", "echo ready; read line"])
                .env("PATH", "")
                .env("TRIGRUN_PROGRAMS", programs().redis_server.parent().expect("a directory"))
                .stdin(Stdio::piped()),
        );
        assert_eq!(line, "ready\n");
        let _keeps_sh_reading = exec.0.stdin.take();
        drop(exec);
        assert!(is_running(dir, "/postgres") && is_running(dir, "-server"), "{:?}", processes(dir));
        let orphans = processes(dir);

        let services = start(scratch.path()).await;
        let current = processes(dir);
        assert!(!current.iter().any(|process| orphans.contains(process)), "{orphans:?} then {current:?}");
        services.stop().await;
        assert_eq!(processes(dir), []);
    })
    .await;
}

#[tokio::test]
async fn each_server_stops_and_starts_independently() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        let mut services = start(scratch.path()).await;
        create_kept(&services).await;
        for shutdown in [Shutdown::Fast, Shutdown::Immediate, Shutdown::Kill] {
            services.stop_postgres(shutdown).await;
            assert_eq!(services.postgres().pid(), None);
            services.start_postgres().await.unwrap_or_else(|error| panic!("after {shutdown:?}: {error}"));
            assert_eq!(count(&services).await, 2, "after {shutdown:?}");
        }
        let before = services.postgres().pid();
        services.start_postgres().await.expect("start a running server");
        assert_eq!(services.postgres().pid(), before);
        services.restart_postgres().await.expect("restart");
        assert_ne!(services.postgres().pid(), before);

        services.stop_redis().await;
        assert!(!services.redis().socket().exists());
        services.start_redis().await.expect("start redis");
        redis(&services).await;
        services.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_reused_process_id_does_not_prevent_a_start() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        start(scratch.path()).await.stop().await;
        // As after a reboot: the process id in the file is that of another process, here of this test.
        let stale = format!("{}\n{}/postgres\n", std::process::id(), scratch.path().display());
        fs::write(scratch.path().join("postgres/postmaster.pid"), stale).expect("write");
        start(scratch.path()).await.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_unfinished_initdb_is_repeated() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        fs::create_dir(scratch.path().join("postgres.new")).expect("create");
        fs::write(scratch.path().join("postgres.new/PG_VERSION"), "15\n").expect("write");
        start(scratch.path()).await.stop().await;
        assert!(!scratch.path().join("postgres.new").exists());
    })
    .await;
}

#[tokio::test]
async fn a_failed_start_shows_the_tail_of_the_log() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        let options = Options { max_connections: 0, ..options(scratch.path()) };
        let error = Services::start(&programs(), &options).await.expect_err("max_connections is 0");
        assert!(matches!(error, EmbedError::Ended { server: "postgres", .. }), "{error}");
        assert!(error.to_string().contains("max_connections"), "{error}");
        assert_eq!(processes(scratch.path().to_str().expect("a UTF-8 path")), []);
    })
    .await;
}

#[tokio::test]
async fn a_long_path_moves_the_sockets() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        let dir = scratch.path().join("a directory, with a long name ".repeat(3));
        let services =
            Services::start(&programs(), &options(&dir)).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(services.notes().len(), 1, "{:?}", services.notes());
        assert!(services.notes()[0].contains("too long"));
        let sockets = services.redis().socket().parent().expect("a directory").to_owned();
        redis(&services).await;
        postgres(&services).await;
        services.stop().await;
        assert!(!sockets.exists());
    })
    .await;
}

#[tokio::test]
async fn root_moves_a_directory_that_the_servers_cannot_access() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700)).expect("close");
        let dir = scratch.path().join("closed");
        let services =
            Services::start(&programs(), &options(&dir)).await.unwrap_or_else(|error| panic!("{error}"));
        redis(&services).await;
        let used = services.dir().to_owned();
        if nix::unistd::geteuid().is_root() {
            assert!(used.starts_with("/var/lib/trigrun-embed"), "{}", used.display());
            assert!(services.notes()[0].contains("cannot be accessed"), "{:?}", services.notes());
        } else {
            assert_eq!(used, dir);
        }
        services.stop().await;
        fs::remove_dir_all(used).expect("remove");
    })
    .await;
}

#[tokio::test]
async fn a_killed_parent_leaves_no_process_running() {
    bounded(async {
        let scratch = Scratch::create().await.expect("scratch");
        let dir = scratch.path().to_str().expect("a UTF-8 path");
        // Short sleeps: the death signal reaches sh, but not the processes that sh has started.
        let script = format!("echo $TRIGRUN_TEST_POSTGRES; while : {dir}; do sleep 0.05; done");
        let (exec, url) = Exec::start(
            Command::new(TRIGRUN_EMBED)
                .args(["exec", "--dir", dir, "--", "sh", "-c", &script])
                .stdin(Stdio::null()),
        );
        assert!(url.starts_with("postgres://trigrun@%2F"), "{url:?}");
        for program in ["/trigrun-embed", "sh", "/postgres", "-server"] {
            assert!(is_running(dir, program), "{program}: {:?}", processes(dir));
        }
        drop(exec);
        wait_until_gone(dir).await;
        start(scratch.path()).await.stop().await;
    })
    .await;
}

#[test]
fn exec_returns_the_exit_code_and_removes_its_directory() {
    let script = "echo $TRIGRUN_TEST_REDIS; exit 7";
    let output = Command::new(TRIGRUN_EMBED).args(["exec", "--", "sh", "-c", script]).output().expect("run");
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let url = String::from_utf8(output.stdout).expect("UTF-8");
    let socket = Path::new(url.trim().strip_prefix("unix://").expect("a unix URL"));
    let scratch = socket.parent().and_then(Path::parent).expect("DIR/run/redis.sock");
    assert!(scratch.file_name().is_some_and(|name| name.to_string_lossy().starts_with("trigrun-scratch-")));
    assert!(!scratch.exists());
}

#[tokio::test]
async fn exec_forwards_sigterm() {
    bounded(async {
        let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
        let (mut exec, line) = Exec::start(
            Command::new(TRIGRUN_EMBED).args(["exec", "--", "sh", "-c", script]).stdin(Stdio::null()),
        );
        assert_eq!(line, "ready\n");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(exec.0.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("SIGTERM");
        assert_eq!(exec.0.wait().expect("wait").code(), Some(9));
    })
    .await;
}

/// `make setup` looks where [`Programs::find`] looks.
#[test]
fn setup_finds_the_same_programs() {
    let setup = |programs: &Path| {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("setup.sh"));
        let output = command.env("TRIGRUN_PROGRAMS", programs).output().expect("run setup.sh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let line = |found: &Programs| {
        let [initdb, postgres, redis] =
            [&found.initdb, &found.postgres, &found.redis_server].map(|path| path.display());
        format!("found: {initdb}, {postgres}, {redis}\n")
    };
    assert_eq!(setup(Path::new("")), line(&Programs::find_in(&[]).expect("installed by make setup")));

    let dir = std::env::temp_dir().join(format!("trigrun-embed-setup-{}", std::process::id()));
    fs::create_dir(&dir).expect("create");
    for program in ["initdb", "postgres", "valkey-server", "redis-server"] {
        let file = fs::File::create(dir.join(program)).expect("create");
        file.set_permissions(fs::Permissions::from_mode(0o755)).expect("make executable");
    }
    assert_eq!(setup(&dir), line(&Programs::find_in(std::slice::from_ref(&dir)).expect("all programs")));
    fs::remove_file(dir.join("postgres")).expect("remove");
    assert_eq!(setup(&dir), line(&Programs::find_in(std::slice::from_ref(&dir)).expect("all programs")));
    fs::remove_dir_all(&dir).expect("remove");
}
