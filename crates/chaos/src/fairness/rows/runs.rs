//! Attacks on the executors' places, files, look-ups, connections and deliveries.

use anyhow::Context;
use serde_json::json;
use std::net::Ipv4Addr;
use trigrun_testkit::target::Answers;

use super::super::{
    seen::{Measure, Seen},
    stage::{Stage, all},
};

/// The longest that a job may have.
const TIMEOUT_SECONDS: u32 = 300;
/// `egress.max_requests_per_destination`, by default.
const MAX_PER_DESTINATION: usize = 512;

pub async fn hanging_target(stage: &Stage) -> anyhow::Result<Seen> {
    let (target, greedy) = (stage.target().await?, stage.greedy());
    let job = greedy.job(json!({ "url": target.url("/hang"), "timeout_seconds": TIMEOUT_SECONDS })).await?;
    let attack = async {
        let statuses = greedy.run_now(&job, stage.scale.of(1100, 600), stage.scale.attack).await;
        println!("  {} runs were accepted", statuses.accepted());
        Ok(())
    };
    stage.under(Measure::Runs, attack, &[&target]).await
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
    let attack = all(jobs.iter().map(async |(workspace, job)| {
        let statuses = workspace.run_now(job, stage.scale.of(1100, 200), stage.scale.attack).await;
        println!("  {} runs were accepted", statuses.accepted());
        Ok(())
    }));
    stage.under(Measure::Runs, attack, &[&target]).await
}

pub async fn file_descriptors(stage: &Stage) -> anyhow::Result<Seen> {
    let hosts: Vec<Ipv4Addr> = (1..=25).map(|host| Ipv4Addr::new(127, 0, 2, host)).collect();
    let target = super::super::target::Target::start_at(stage.clock, &hosts).await?;
    let greedy = stage.greedy();
    let mut jobs = Vec::new();
    for host in hosts {
        let url = target.url_of(&host.to_string(), "/hang");
        jobs.push(greedy.job(json!({ "url": url, "timeout_seconds": TIMEOUT_SECONDS })).await?);
    }
    let attack = all(jobs.iter().map(async |job| {
        greedy.run_now(job, 44, stage.scale.attack).await;
        Ok(())
    }));
    let seen = stage.under(Measure::Runs, attack, &[&target]).await?;
    let failed = "select count(*) from executions where status = 'failed'";
    let failed: i64 = stage.sql.query_one(failed, &[]).await?.get(0);
    Ok(seen.rule(failed == 0, format!("{failed} runs failed for want of our own files")))
}

pub async fn dead_names(stage: &Stage) -> anyhow::Result<Seen> {
    const NAMES: usize = 60;
    let names = stage.names.as_ref().context("a name server was asked for")?;
    let greedy = stage.greedy();
    let mut jobs = Vec::new();
    for number in 0..NAMES {
        let name = format!("dead-{number}.example");
        names.set_answers(&name, Answers::default().dropped());
        let job = json!({ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" },
            "request": { "url": format!("http://{name}/") }, "retry_policy": { "max_attempts": 1 } });
        let job = greedy.post("/v1/jobs", &job).await?;
        jobs.push(job["id"].as_str().context("a job has an id")?.to_owned());
    }
    let runs = stage.scale.of(3000, 600) / NAMES;
    let attack = all(jobs.iter().map(async |job| {
        greedy.run_now(job, runs, stage.scale.attack).await;
        Ok(())
    }));
    stage.under(Measure::Runs, attack, &[]).await
}

pub async fn deaf_channel(stage: &Stage) -> anyhow::Result<Seen> {
    let target = stage.target().await?;
    let mut workspaces = stage.neighbours();
    workspaces.truncate(4);
    let runs = stage.scale.of(2400, 400) / workspaces.len();
    let mut jobs = Vec::new();
    for workspace in workspaces {
        let job = workspace.job(json!({ "url": target.url("/") })).await?;
        let channel = json!({ "name": "deaf", "type": "webhook", "config": { "url": target.url("/hang") } });
        let channel = workspace.post("/v1/notification-channels", &channel).await?;
        let rule = json!({ "channel_id": channel["id"], "event": "on_success" });
        workspace.post(&format!("/v1/jobs/{job}/notification-rules"), &rule).await?;
        jobs.push((workspace, job));
    }
    println!("  {} workspaces in the neighbour's shard, {runs} runs each", jobs.len());
    let attack = all(jobs.iter().map(async |(workspace, job)| {
        workspace.run_now(job, runs, stage.scale.attack).await;
        Ok(())
    }));
    stage.under(Measure::Notifications, attack, &[&target]).await
}

pub async fn one_destination(stage: &Stage) -> anyhow::Result<Seen> {
    let target = stage.target().await?;
    let mut jobs = Vec::new();
    for workspace in &stage.greedy.workspaces {
        let request = json!({ "url": target.url("/hang"), "timeout_seconds": TIMEOUT_SECONDS });
        jobs.push((workspace, workspace.job(request).await?));
    }
    let attack = all(jobs.iter().map(async |(workspace, job)| {
        workspace.run_now(job, stage.scale.of(100, 40), stage.scale.attack).await;
        Ok(())
    }));
    let seen = stage.under(Measure::Runs, attack, &[&target]).await?;
    let open = target.most_open();
    Ok(seen.rule(open <= MAX_PER_DESTINATION, format!("{open} connections at once to one destination")))
}
