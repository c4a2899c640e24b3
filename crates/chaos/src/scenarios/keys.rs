//! The master key is rotated as docs/secrets.md says, while jobs that use secrets run, and every request is signed.

use anyhow::{Context, ensure};
use std::{
    collections::HashMap,
    process::{Command, Stdio},
    time::Duration,
};
use trigrun_core::crypto::seal;
use trigrun_testkit::{keys, process::binary};

use super::{Ask, Span, play};
use crate::{
    cluster::{Role, Whom},
    faults,
    load::{Kind, Plan},
    report::{Bound, Figure, Verdict},
    run::{Outcome, Run},
};

const MASTER: &str = "TRIGRUN__KEYS__MASTER";

pub async fn rotated(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let mut setup = ask.setup();
    setup.plan = Plan { secret: true, ..Plan::default() };
    let ((peace, span, left), outcome) = play(name, setup, async |run| {
        let peace = run.peace(Duration::from_secs(6)).await;
        let from = run.clock.elapsed();
        let (old, new) = (keys::MASTER, seal::new_master_key()?);
        for (step, list) in [
            ("1: the new key is known to all", vec![old, &new]),
            ("2: it wraps what is new", vec![&new, old]),
            ("4: the old key is gone", vec![&new]),
        ] {
            if list.len() == 1 {
                run.say("3: rewrap");
                rewrap(run, &new)?;
            }
            run.say(step);
            for role in [Role::Api, Role::Executor] {
                run.cluster.set(Whom::All(role), MASTER, &settings(&list));
            }
            faults::roll(run).await?;
            run.pass(Duration::from_secs(2)).await;
        }
        let id = new.split(':').next().context("a key has an id")?;
        let others = "select count(*) from workspace_keys where master_key <> $1";
        let left: i64 = run.servers.sql().await?.query_one(others, &[&id]).await?.get(0);
        Ok((peace, Span { from, to: run.clock.elapsed() }, left))
    })
    .await?;
    let mut figures = outcome.added(peace, span, 1000.0);
    let with = |right| outcome.hits.iter().filter(|hit| hit.secret == Some(right)).count() as f64;
    figures.push(Figure::new("requests with the secret in a header", with(true), "", Bound::AtLeast(500.0)));
    figures.push(Figure::new("requests with another value in it", with(false), "", Bound::AtMost(0.0)));
    figures.push(Figure::new("runs that failed", failed(&outcome) as f64, "", Bound::AtMost(0.0)));
    figures.push(Figure::new("keys under the old master key", left as f64, "", Bound::AtMost(0.0)));
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

fn settings(list: &[&str]) -> String {
    let list: Vec<String> = list.iter().map(|key| format!("\"{key}\"")).collect();
    format!("[{}]", list.join(","))
}

/// With the old key still known, as every process has it.
fn rewrap(run: &Run, new: &str) -> anyhow::Result<()> {
    let ended = Command::new(binary("api"))
        .args(["keys", "rewrap"])
        .env("TRIGRUN__POSTGRES__URL", run.servers.postgres_url())
        .env(MASTER, settings(&[new, keys::MASTER]))
        .stdin(Stdio::null())
        .output()?;
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    run.say(String::from_utf8_lossy(&ended.stdout).trim());
    Ok(())
}

/// Of jobs whose target always says yes.
fn failed(outcome: &Outcome) -> usize {
    let kinds: HashMap<_, _> = outcome.load.jobs.iter().map(|job| (job.id, job.kind)).collect();
    let failed = outcome.record.executions.values().filter(|execution| {
        execution.status == "failed" && kinds.get(&execution.job).is_some_and(|kind| *kind != Kind::Failing)
    });
    failed.count()
}
