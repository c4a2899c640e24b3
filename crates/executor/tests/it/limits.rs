//! What the executor does when it lacks file descriptors: a real process, because the limit is one of the process.

use chrono::TimeDelta;
use std::process::{Command, Stdio};
use trigrun_core::domain::execution::Status;
use trigrun_testkit::{
    due,
    jobs::every_seconds,
    process::{Process, Role, binary, configure},
    target::{Script, Target},
};

use crate::bench::{Bench, DEADLINE};

const HOSTS: u8 = 25;
const RUNS_PER_HOST: usize = 44;

/// An executor that may have so many files open.
fn executor(bench: &Bench, max_open_files: usize) -> Process {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {max_open_files} && exec \"$0\"")).arg(binary("executor"));
    command.env("TRIGRUN__TELEMETRY__LOG_FILTER", "error").stdout(Stdio::null());
    configure(&mut command, Role::Executor, &bench.settings.postgres, &bench.settings.redis);
    Process::spawn("executor", command).unwrap()
}

#[tokio::test]
async fn one_account_cannot_use_up_the_open_files() {
    let bench = Bench::new().await;
    let mut deaf = Vec::new();
    for host in 1..=HOSTS {
        let target = Target::start_at(([127, 0, 1, host], 0).into()).await.unwrap();
        target.respond("/", Script::Never);
        let mut definition = every_seconds(3600, &target.url("/"));
        definition.request.timeout_seconds = 300;
        let job = bench.db.job(bench.workspace, &definition).await;
        for _ in 0..RUNS_PER_HOST {
            let id = bench.run_in(job, TimeDelta::zero()).await;
            bench.publish(id).await;
        }
        deaf.push(target);
    }
    let executor = executor(&bench, 1024);
    let connections = || deaf.iter().map(Target::connections).sum::<usize>();
    due::until("the account's share is in use", DEADLINE, async || connections() >= 200).await.unwrap();

    // Another account, which is its workspace.
    let other = Bench { workspace: bench.db.workspace("b").await, ..bench };
    for _ in 0..5 {
        let run = other.ended(other.published(&other.definition("/")).await).await;
        assert_eq!((run.status, run.attempt_count), (Status::Succeeded, 1), "{run:#?}");
    }
    assert_eq!(other.db.count("select count(*) from attempts where error_class is not null").await, 0);
    assert!(connections() <= 512, "{} at 1,024 files", connections());
    executor.kill();
}
