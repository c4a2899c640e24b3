//! Attacks on the executors' places, files, look-ups, connections and deliveries.

use anyhow::Context;
use serde_json::json;
use std::{net::Ipv4Addr, time::Duration};
use trigrun_testkit::target::Answers;

use super::{
    super::{
        seen::{Measure, Seen},
        stage::Stage,
        target::Target,
    },
    runs,
};

/// The longest that a job may have.
const TIMEOUT_SECONDS: u32 = 300;
/// Lines of an import.
const MAX_IMPORT: usize = 1000;
/// `egress.max_requests_per_destination`, by default.
const MAX_PER_DESTINATION: usize = 512;

pub async fn hanging_target(stage: &Stage) -> anyhow::Result<Seen> {
    let (target, greedy) = (stage.target().await?, stage.greedy());
    let job = greedy.job(json!({ "url": target.url("/hang"), "timeout_seconds": TIMEOUT_SECONDS })).await?;
    let jobs = [(greedy, job)];
    stage.under(Measure::Runs, runs(stage, &jobs, 1100), &[&target]).await
}

pub async fn many_workspaces(stage: &Stage) -> anyhow::Result<Seen> {
    let target = stage.target().await?;
    let mut workspaces = stage.neighbours();
    workspaces.truncate(2);
    let shard = workspaces[0].shard;
    workspaces.extend(stage.greedy.workspaces.iter().filter(|it| it.shard != shard));
    workspaces.truncate(5);
    let mut jobs = Vec::new();
    for workspace in workspaces {
        let request = json!({ "url": target.url("/hang"), "timeout_seconds": TIMEOUT_SECONDS });
        jobs.push((workspace, workspace.job(request).await?));
    }
    stage.under(Measure::Runs, runs(stage, &jobs, stage.scale.of(1100, 200)), &[&target]).await
}

pub async fn file_descriptors(stage: &Stage) -> anyhow::Result<Seen> {
    let hosts: Vec<Ipv4Addr> = (1..=25).map(|host| Ipv4Addr::new(127, 0, 2, host)).collect();
    let target = Target::start_at(stage.clock, &hosts).await?;
    let greedy = stage.greedy();
    let mut jobs = Vec::new();
    for host in hosts {
        let url = target.url_of(&host.to_string(), "/hang");
        let request = json!({ "url": url, "timeout_seconds": TIMEOUT_SECONDS });
        jobs.push((greedy, greedy.job(request).await?));
    }
    let seen = stage.under(Measure::Runs, runs(stage, &jobs, 44), &[&target]).await?;
    let failed = "select count(*) from executions where status = 'failed'";
    let failed: i64 = stage.sql.query_one(failed, &[]).await?.get(0);
    Ok(seen.rule(failed == 0, format!("{failed} runs failed for want of our own files")))
}

/// The jobs fire at the same instant: asked for one by one, they would be spread by the limits of the API.
pub async fn dead_names(stage: &Stage) -> anyhow::Result<Seen> {
    let names = stage.names.as_ref().context("a name server was asked for")?;
    let greedy = stage.greedy();
    let attack = async {
        for import in 0..stage.scale.of(3, 1) {
            let mut crontab = String::new();
            for number in 0..MAX_IMPORT {
                let name = format!("dead-{import}-{number}.example");
                names.set_answers(&name, Answers::default().dropped());
                crontab.push_str(&format!("* * * * * http://{name}/\n"));
            }
            let import = json!({ "crontab": crontab, "retry_policy": { "max_attempts": 1 } });
            greedy.post("/v1/jobs/import", &import).await?;
        }
        let to_next_minute = 60 - stage.clock.now().timestamp().rem_euclid(60);
        println!("  the jobs were imported, and fire in {to_next_minute} s");
        tokio::time::sleep(Duration::from_secs(to_next_minute.unsigned_abs())).await;
        Ok(())
    };
    stage.under(Measure::Runs, attack, &[]).await
}

pub async fn deaf_channel(stage: &Stage) -> anyhow::Result<Seen> {
    let target = stage.target().await?;
    let mut workspaces = stage.neighbours();
    workspaces.truncate(4);
    let count = stage.scale.of(2400, 400) / workspaces.len();
    let mut jobs = Vec::new();
    for workspace in workspaces {
        let job = workspace.job(json!({ "url": target.url("/") })).await?;
        let channel = json!({ "name": "deaf", "type": "webhook", "config": { "url": target.url("/hang") } });
        let channel = workspace.post("/v1/notification-channels", &channel).await?;
        let rule = json!({ "channel_id": channel["id"], "event": "on_success" });
        workspace.post(&format!("/v1/jobs/{job}/notification-rules"), &rule).await?;
        jobs.push((workspace, job));
    }
    println!("  {} workspaces in the neighbour's shard", jobs.len());
    stage.under(Measure::Notifications, runs(stage, &jobs, count), &[&target]).await
}

pub async fn one_destination(stage: &Stage) -> anyhow::Result<Seen> {
    let target = stage.target().await?;
    let mut jobs = Vec::new();
    for workspace in &stage.greedy.workspaces {
        let request = json!({ "url": target.url("/hang"), "timeout_seconds": TIMEOUT_SECONDS });
        jobs.push((workspace, workspace.job(request).await?));
    }
    let attack = runs(stage, &jobs, stage.scale.of(100, 40));
    let seen = stage.under(Measure::Runs, attack, &[&target]).await?;
    let open = target.most_open();
    Ok(seen.rule(open <= MAX_PER_DESTINATION, format!("{open} connections at once to one destination")))
}
