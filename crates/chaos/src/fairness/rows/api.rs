//! Attacks on the API by what it is asked to list.

use anyhow::Context;
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;
use tokio::time::interval;
use trigrun_core::runtime::tasks;
use trigrun_testkit::client::Client;

use super::super::{
    accounts::{Statuses, Workspace},
    seen::{Measure, Seen},
    stage::Stage,
};

const JOBS: usize = 250;
const BODY_BYTES: usize = 256 * 1024 - 16;
const LISTS_AT_ONCE: usize = 5;
const LISTS_PER_SECOND: u32 = 40;

pub async fn large_lists(stage: &Stage) -> anyhow::Result<Seen> {
    let greedy = stage.greedy();
    let body = "x".repeat(BODY_BYTES);
    for number in 0..JOBS {
        let job = json!({ "name": format!("large {number}"), "kind": "cron", "schedule": { "cron": "@yearly" },
            "request": { "url": "https://example.com/", "method": "POST", "body": body } });
        greedy.post("/v1/jobs", &job).await?;
    }
    println!("  {JOBS} jobs were created");
    let attack = async {
        for _ in 0..stage.scale.of(10, 2) {
            let tokens = greedy.tokens.iter().cycle().take(LISTS_AT_ONCE);
            let lists = tokens
                .map(async |token| Client::new(greedy.api).with_token(token).get("/v1/jobs?limit=250").await);
            // Without a response, the API was killed, which is counted.
            join_all(lists).await;
        }
        Ok(())
    };
    stage.under(Measure::Api, attack, &[]).await
}

pub async fn slow_lists(stage: &Stage) -> anyhow::Result<Seen> {
    let greedy = stage.greedy();
    let job = greedy.job(json!({ "url": "https://example.com/" })).await?;
    let rows = stage.scale.of(1_000_000, 100_000);
    write_executions(stage, greedy, &job, rows).await?;
    println!("  {rows} executions were written");
    let paths = [
        "/v1/executions?source=replay&limit=50".to_owned(),
        format!("/v1/executions?job_id={job}&status=running&limit=50"),
    ];
    let attack = async {
        let (mut pace, mut sent) = (interval(Duration::from_secs(1) / LISTS_PER_SECOND), Vec::new());
        for number in 0..stage.scale.of(1200, 160) {
            pace.tick().await;
            let client = Client::new(greedy.api).with_token(&greedy.tokens[number % greedy.tokens.len()]);
            let path = paths[number % paths.len()].clone();
            sent.push(tasks::spawn("list", async move { client.get(&path).await }));
        }
        let mut statuses = Statuses::default();
        for list in sent {
            let status = list.await?.map_or(0, |response| response.status.as_u16());
            *statuses.0.entry(status).or_default() += 1;
        }
        println!("  responses by status: {:?}", statuses.0);
        Ok(())
    };
    stage.under(Measure::Api, attack, &[]).await
}

/// Finished executions of the last hours, as the product writes them, for a job of this workspace.
async fn write_executions(stage: &Stage, of: &Workspace, job: &str, rows: usize) -> anyhow::Result<()> {
    let job = job.parse::<trigrun_core::domain::id::JobId>().ok().context("not the id of a job")?.uuid();
    let workspace = stage.uuid(of)?;
    let write = format!(
        "set session_replication_role = replica; set synchronous_commit = off; set statement_timeout = 0;
         insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, attempt_count, started_at,
                                 finished_at, lateness_us, attempt_status, status_code, attempt_started_at, first_byte_us, body_us, total_us, remote_address,
                                 http_version, response_headers, body_preview, body_truncated, response_bytes)
         select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '8' || substr(md5(g::text), 1, 19))::uuid,
                '{workspace}', '{job}', 1, 'succeeded', 'schedule', at, 1, at, at, 400, 'success', 200, at,
                300, 20, 400, '127.0.0.1:40000', 'HTTP/1.1', E'content-length: 12\\n', '{{\"ok\":true}}', false, 12
         from generate_series(1, {rows}) g,
              lateral (select now() - interval '1 minute' - g * interval '10 ms' as at) f;
         analyze executions"
    );
    // Its settings are for this connection only.
    let sql = stage.connect().await?;
    Ok(sql.batch_execute(&write).await?)
}
