//! The master key is rotated as docs/secrets.md describes, while jobs use secrets and every request is signed.

use anyhow::{Context, ensure};
use std::{
    collections::HashMap,
    process::{Command, Stdio},
    time::Duration,
};
use trigrun_core::crypto::seal;
use trigrun_testkit::{keys, process::binary};

use super::{Options, run};
use crate::{
    cluster::{Role, Selector},
    faults,
    load::{Kind, Plan},
    report::{Bound, Figure, Report},
    run::{Outcome, Run},
};

const MASTER: &str = "TRIGRUN__KEYS__MASTER";

pub async fn rotated(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let mut setup = options.setup();
    setup.plan = Plan { secret: true, ..Plan::default() };
    let ((baseline, faults, left), outcome) = run(name, setup, async |run| {
        let baseline = run.baseline(Duration::from_secs(6)).await;
        let from = run.clock.elapsed();
        let (old, new) = (keys::master(), seal::new_master_key()?);
        for (step, list) in [
            ("1: every process knows the new key", vec![old, &new]),
            ("2: the new key wraps new data keys", vec![&new, old]),
            ("4: the old key is removed", vec![&new]),
        ] {
            if list.len() == 1 {
                run.log("3: rewrap");
                rewrap(run, &new)?;
            }
            run.log(step);
            for role in [Role::Api, Role::Executor] {
                run.cluster.set(Selector::All(role), MASTER, &settings(&list))?;
            }
            faults::rolling_restart(run).await?;
            run.wait(Duration::from_secs(2)).await;
        }
        let id = new.split(':').next().context("a key has an id")?;
        let others = "select count(*) from workspace_keys where master_key <> $1";
        let left: i64 = run.servers.sql().await?.query_one(others, &[&id]).await?.get(0);
        Ok((baseline, run.phase_since(from), left))
    })
    .await?;
    let mut figures = outcome.added_lateness(baseline, faults, 1000.0);
    let with = |right| outcome.hits.iter().filter(|hit| hit.secret == Some(right)).count() as f64;
    figures.extend([
        Figure::new("requests with the secret", with(true), "", Bound::AtLeast(500.0)),
        Figure::new("requests with a wrong value", with(false), "", Bound::AtMost(0.0)),
        Figure::new("failed executions", failed(&outcome) as f64, "", Bound::AtMost(0.0)),
        Figure::new("keys under the old master key", left as f64, "", Bound::AtMost(0.0)),
    ]);
    Ok(Report::new(name, options.seed, outcome, figures))
}

fn settings(list: &[&str]) -> String {
    let list: Vec<String> = list.iter().map(|key| format!("\"{key}\"")).collect();
    format!("[{}]", list.join(","))
}

/// Runs `keys rewrap` with both keys, as every process has them.
fn rewrap(run: &Run, new: &str) -> anyhow::Result<()> {
    let rewrap = Command::new(binary("api"))
        .args(["keys", "rewrap"])
        .env("TRIGRUN__POSTGRES__URL", run.servers.postgres_url())
        .env(MASTER, settings(&[new, keys::master()]))
        .stdin(Stdio::null())
        .output()?;
    ensure!(rewrap.status.success(), "{}", String::from_utf8_lossy(&rewrap.stderr));
    run.log(String::from_utf8_lossy(&rewrap.stdout).trim());
    Ok(())
}

/// Executions that failed although their target always succeeds.
fn failed(outcome: &Outcome) -> usize {
    let kinds: HashMap<_, _> = outcome.load.jobs.iter().map(|job| (job.id, job.kind)).collect();
    let failed = outcome.record.executions.values().filter(|execution| {
        execution.status == "failed" && kinds.get(&execution.job).is_some_and(|kind| *kind != Kind::Failing)
    });
    failed.count()
}
