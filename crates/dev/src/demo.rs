//! One job of each kind against the echo target, through the public API, and what became of it.

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

use trigrun_api::operator::client::Client;

use crate::{echo, system::System};

/// The finest grain of `recurring` and `cron` is a minute.
const WITHIN: Duration = Duration::from_secs(130);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Plays the demo; `true` when every execution succeeded.
pub async fn run(system: &System, report: &Path) -> anyhow::Result<bool> {
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let target = echo::serve(stop).await?;
    let client = Client { api: system.api.to_string(), token: system.token.reveal().to_owned() };

    let request =
        json!({ "url": format!("http://{target}/echo"), "method": "POST", "body": { "hello": "world" } });
    let now =
        create(&client, &json!({ "name": "demo: now", "kind": "one_time", "request": request })).await?;
    let created_at = DateTime::parse_from_rfc3339(&text(&now["created_at"])).context("created_at")?.to_utc();
    let mut jobs = vec![now];
    for job in the_others(created_at, &request) {
        jobs.push(create(&client, &job).await?);
    }
    println!("\nwaiting until each has run; the cron and the recurring job run within a minute");
    let executions = wait_for_all(&client, &jobs).await?;
    for job in &jobs {
        // Those that have had their only run cannot be paused, and need not be.
        let _completed = client.post(&format!("/v1/jobs/{}/pause", text(&job["id"])), &json!({})).await;
    }
    println!("\n{}", table(&executions));
    let lateness = lateness(&executions);
    println!("{lateness}");
    let all = json!({ "executions": executions, "lateness": lateness.json() });
    std::fs::write(report, serde_json::to_vec_pretty(&all)?).with_context(|| report.display().to_string())?;
    println!("all of it as JSON: {}", report.display());
    Ok(executions.iter().all(|execution| execution["status"] == "succeeded"))
}

async fn create(client: &Client, job: &Value) -> anyhow::Result<Value> {
    let created = client.post("/v1/jobs", job).await?;
    let next = created["next_run_at"].as_str().unwrap_or("now");
    println!("created  {:<10} {}  next run {next}", text(&created["kind"]), text(&created["id"]));
    Ok(created)
}

/// The kinds that wait for their instant.
fn the_others(now: DateTime<Utc>, request: &Value) -> [Value; 3] {
    let soon = (now + TimeDelta::seconds(3)).to_rfc3339_opts(SecondsFormat::Millis, true);
    [
        json!({ "name": "demo: in three seconds", "kind": "scheduled", "schedule": { "run_at": soon }, "request": request }),
        json!({ "name": "demo: cron, every minute", "kind": "cron", "schedule": { "cron": "* * * * *" }, "request": request }),
        json!({ "name": "demo: every minute from now", "kind": "recurring", "schedule": { "every_n_minutes": 1 }, "request": request }),
    ]
}

/// The first execution of each job, once it has ended.
async fn wait_for_all(client: &Client, jobs: &[Value]) -> anyhow::Result<Vec<Value>> {
    let give_up = Instant::now() + WITHIN;
    let mut ended = Vec::new();
    for job in jobs {
        let path = format!("/v1/jobs/{}/executions", text(&job["id"]));
        let execution = loop {
            let list = client.get(&path).await?;
            // Newest first; the last is the job's first.
            let first = list["data"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
            if first["finished_at"].is_string() {
                break first["id"].as_str().unwrap_or_default().to_owned();
            }
            anyhow::ensure!(Instant::now() < give_up, "{} had not run within {WITHIN:?}", text(&job["name"]));
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let execution = client.get(&format!("/v1/executions/{execution}")).await?;
        println!(
            "ended    {:<10} {}  {}",
            text(&job["kind"]),
            text(&execution["id"]),
            text(&execution["status"])
        );
        ended.push(execution);
    }
    Ok(ended)
}

fn table(executions: &[Value]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "job",
        "status",
        "code",
        "scheduled for",
        "late ms",
        "dns",
        "connect",
        "tls",
        "first byte",
        "body",
        "total ms",
    ]);
    for execution in executions {
        let attempt = execution["attempts"]
            .as_array()
            .and_then(|attempts| attempts.last())
            .cloned()
            .unwrap_or_default();
        let timing = &attempt["timing"];
        let mut row =
            vec![text(&execution["job_name"]), text(&execution["status"]), text(&attempt["status_code"])];
        row.extend([text(&execution["scheduled_for"]), text(&execution["lateness_ms"])]);
        row.extend(
            ["dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "body_ms", "total_ms"]
                .map(|phase| text(&timing[phase])),
        );
        table.add_row(row);
    }
    table
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

struct Lateness {
    median_ms: f64,
    worst_ms: f64,
}

fn lateness(executions: &[Value]) -> Lateness {
    let mut late: Vec<f64> =
        executions.iter().filter_map(|execution| execution["lateness_ms"].as_f64()).collect();
    late.sort_by(f64::total_cmp);
    let middle = late.len() / 2;
    let median_ms = match late.as_slice() {
        [] => f64::NAN,
        even if even.len() % 2 == 0 => f64::midpoint(even[middle - 1], even[middle]),
        odd => odd[middle],
    };
    Lateness { median_ms, worst_ms: late.last().copied().unwrap_or(f64::NAN) }
}

impl Lateness {
    fn json(&self) -> Value {
        json!({ "median_ms": self.median_ms, "worst_ms": self.worst_ms })
    }
}

impl std::fmt::Display for Lateness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "lateness: median {:.3} ms, worst {:.3} ms", self.median_ms, self.worst_ms)
    }
}
