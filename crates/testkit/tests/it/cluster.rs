//! The kit's own processes: names, ports, restarts and unexpected exits.

use nix::sys::signal::Signal;
use trigrun_testkit::{
    TestDb,
    client::Client,
    cluster::{Cluster, HIGH_RATE_LIMITS},
    process::Role,
    redis,
};

use crate::until;

#[tokio::test]
async fn processes_are_restarted_and_unexpected_exits_are_reported() {
    let db = TestDb::new().await;
    let logs = std::env::temp_dir().join(format!("trigrun-cluster-{}", uuid::Uuid::new_v4()));
    let mut cluster = Cluster::new(db.settings(), redis::settings(), &logs).unwrap();
    cluster.start("api-0", Role::Api, HIGH_RATE_LIMITS).unwrap();
    cluster.start("scheduler-0", Role::Scheduler, [("TRIGRUN__SCHEDULER__POLL_MS", "500")]).unwrap();
    assert!(cluster.start("api-0", Role::Api, HIGH_RATE_LIMITS).is_err(), "names are unique");
    cluster.ready().await.unwrap();
    let address = cluster.address("api-0").unwrap();
    let live = async || Client::new(address).get("/livez").await.is_ok_and(|it| it.status == 200);
    assert!(live().await);

    cluster.kill("api-0").unwrap();
    assert!(!cluster.is_running("api-0") && !live().await);
    cluster.restart("api-0").unwrap();
    cluster.ready().await.unwrap();
    assert_eq!(cluster.address("api-0").unwrap(), address, "a process keeps its address");
    assert!(cluster.usage("api-0").unwrap().open_files > 0);
    assert_eq!(cluster.unexpected_exits(), Vec::<String>::new());

    cluster.signal("scheduler-0", Signal::SIGKILL).unwrap();
    let mut exits = Vec::new();
    until("the exit is reported", async || {
        exits = cluster.unexpected_exits();
        !exits.is_empty()
    })
    .await;
    assert!(exits[0].starts_with("scheduler-0 exited unexpectedly"), "{exits:?}");
    cluster.kill("scheduler-0").unwrap();
    cluster.stop().await.unwrap();
    std::fs::remove_dir_all(logs).unwrap();
}

#[tokio::test]
async fn processes_run_under_limits_and_are_kept_running() {
    let db = TestDb::new().await;
    let logs = std::env::temp_dir().join(format!("trigrun-cluster-{}", uuid::Uuid::new_v4()));
    let mut cluster = Cluster::new(db.settings(), redis::settings(), &logs).unwrap();
    cluster.set_launcher(Role::Scheduler, &["prlimit", "--nofile=901:901"]);
    cluster.start("scheduler", Role::Scheduler, [("", ""); 0]).unwrap();
    cluster.set_memory_limit(Role::Executor, 512 << 20);
    cluster.start("executor", Role::Executor, [("", ""); 0]).unwrap();
    let limits = format!("/proc/{}/limits", cluster.pid("scheduler").unwrap());
    let is_limited =
        async || std::fs::read_to_string(&limits).unwrap().lines().any(|line| line.contains("901"));
    until("the launcher has set the limit", is_limited).await;
    let is_in_group = |cluster: &Cluster| {
        let pid = cluster.pid("executor").unwrap();
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        groups.contains(&format!("trigrun-{}-executor", std::process::id()))
    };
    assert_eq!(is_in_group(&cluster), cluster.has_memory_limit("executor").unwrap());
    cluster.signal("executor", Signal::SIGKILL).unwrap();

    let mut exits = Vec::new();
    until("the executor is started again", async || {
        exits.extend(cluster.restart_exited().unwrap());
        !exits.is_empty()
    })
    .await;
    assert!(exits[0].starts_with("executor: signal: 9"), "{exits:?}");
    assert_eq!(is_in_group(&cluster), cluster.has_memory_limit("executor").unwrap());
    drop(cluster);
    std::fs::remove_dir_all(logs).unwrap();
}
