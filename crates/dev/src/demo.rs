//! Creates one job of each kind against the echo target through the public API, and shows what was recorded.

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

use crate::{echo, progress::Progress, system::System};

/// `recurring` and `cron` jobs run at most once a minute, so the last result arrives after a minute.
const RUN_TIMEOUT: Duration = Duration::from_secs(180);
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Runs the demo; `true` if every execution succeeded.
pub async fn run(system: &System, report: &Path) -> anyhow::Result<bool> {
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    let target = echo::serve(stop).await?;
    let client = Client::new(&format!("http://{}", system.api), Some(system.token.reveal().to_owned()))?;

    println!("four jobs, one of each kind; the last result arrives in a minute\n");
    let mut progress = Progress::new();
    let request =
        json!({ "url": format!("http://{target}/echo"), "method": "POST", "body": { "hello": "world" } });
    let now = json!({ "name": "demo: now", "kind": "one_time", "request": request });
    let now = create(&client, &now, &mut progress).await?;
    let mut jobs = vec![now];
    for job in scheduled_jobs(instant(&jobs[0]["created_at"])?, &request) {
        jobs.push(create(&client, &job, &mut progress).await?);
    }
    let executions = wait_for_all(&client, &jobs, &mut progress).await?;
    for job in &jobs {
        // A completed job cannot be paused, and need not be.
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

async fn create(client: &Client, job: &Value, progress: &mut Progress) -> anyhow::Result<Value> {
    let created = client.post("/v1/jobs", job).await?;
    let wait = match &created["next_run_at"] {
        Value::Null => TimeDelta::zero(),
        next => instant(next)? - instant(&created["created_at"])?,
    };
    let label = format!("{:<10} {:<27}", text(&created["kind"]), text(&created["name"]));
    progress.add(label, Instant::now() + wait.to_std().unwrap_or_default());
    Ok(created)
}

fn instant(value: &Value) -> anyhow::Result<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(&text(value));
    Ok(instant.with_context(|| format!("{value} is not an instant"))?.to_utc())
}

/// A job of each kind that waits for its instant.
fn scheduled_jobs(now: DateTime<Utc>, request: &Value) -> [Value; 3] {
    let soon = (now + TimeDelta::seconds(3)).to_rfc3339_opts(SecondsFormat::Millis, true);
    [
        json!({ "name": "demo: in three seconds", "kind": "scheduled", "schedule": { "run_at": soon }, "request": request }),
        json!({ "name": "demo: cron, every minute", "kind": "cron", "schedule": { "cron": "* * * * *" }, "request": request }),
        json!({ "name": "demo: every minute from now", "kind": "recurring", "schedule": { "every_n_minutes": 1 }, "request": request }),
    ]
}

/// The first execution of each job, in the order of the jobs, once all have ended. Shows each as soon as it has ended.
async fn wait_for_all(
    client: &Client,
    jobs: &[Value],
    progress: &mut Progress,
) -> anyhow::Result<Vec<Value>> {
    let deadline = Instant::now() + RUN_TIMEOUT;
    let mut executions: Vec<Option<Value>> = vec![None; jobs.len()];
    loop {
        for (index, job) in jobs.iter().enumerate() {
            if executions[index].is_none()
                && let Some(execution) = first_ended(client, job).await?
            {
                progress.end(index, &result(&execution));
                executions[index] = Some(execution);
            }
        }
        if executions.iter().all(Option::is_some) {
            return Ok(executions.into_iter().flatten().collect());
        }
        anyhow::ensure!(Instant::now() < deadline, "not every job has run within {RUN_TIMEOUT:?}");
        progress.tick();
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The first execution of a job with its attempts, if it has ended.
async fn first_ended(client: &Client, job: &Value) -> anyhow::Result<Option<Value>> {
    let list = client.get(&format!("/v1/jobs/{}/executions", text(&job["id"]))).await?;
    // Newest first.
    let first = list["data"].as_array().and_then(|executions| executions.last());
    match first.filter(|first| first["finished_at"].is_string()) {
        Some(first) => Ok(Some(client.get(&format!("/v1/executions/{}", text(&first["id"]))).await?)),
        None => Ok(None),
    }
}

/// A line about an execution that has ended.
fn result(execution: &Value) -> String {
    let ms = |value: &Value| value.as_f64().map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"));
    let (late, took) = (ms(&execution["lateness_ms"]), ms(&execution["duration_ms"]));
    format!("{}: {late} ms late, took {took} ms", text(&execution["status"]))
}

fn last_attempt(execution: &Value) -> Value {
    execution["attempts"].as_array().and_then(|attempts| attempts.last()).cloned().unwrap_or_default()
}

fn table(executions: &[Value]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "job",
        "status",
        "code",
        "scheduled for",
        "lateness ms",
        "dns",
        "connect",
        "tls",
        "first byte",
        "body",
        "total ms",
    ]);
    for execution in executions {
        let attempt = last_attempt(execution);
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
