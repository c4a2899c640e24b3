//! The history of the sample's jobs: an execution for each fire of the last day.

use anyhow::Context;
use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio_postgres::Client;
use trigrun_core::{
    domain::{
        id::{ExecutionId, JobId},
        schedule::{Cron, Schedule},
    },
    runtime::tasks,
};
use uuid::Uuid;

/// Intervals of the sample divide it, so that their fires stay where they are.
const HISTORY: TimeDelta = TimeDelta::hours(24);
/// How long failing jobs have been failing.
const FAILING: TimeDelta = TimeDelta::minutes(130);

struct Job {
    id: Uuid,
    workspace: Uuid,
    key: String,
    url: String,
    created_at: DateTime<Utc>,
    schedule: Schedule,
}

/// Makes the jobs of this workspace a day older, and writes what they would have done.
pub async fn write(database: &str, workspace: &str) -> anyhow::Result<()> {
    let (mut client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await?;
    let connection = tasks::spawn("sample connection", connection);
    let jobs = jobs(&client, workspace).await?;
    let now: DateTime<Utc> = client.query_one("select clock_timestamp()", &[]).await?.get(0);
    let mut rows = Vec::new();
    for job in &jobs {
        rows.extend(executions(job, now)?);
    }
    // In the order in which they would have been recorded.
    rows.sort_by(|a, b| a["finished_at"].as_str().cmp(&b["finished_at"].as_str()));
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
    let transaction = client.transaction().await?;
    for table in [
        "jobs set created_at = created_at - interval '24 hours' where id",
        "job_versions set created_at = created_at - interval '24 hours' where job_id",
        "job_timers set anchor_at = anchor_at - interval '24 hours' where job_id",
    ] {
        transaction.execute(&format!("update {table} = any($1)"), &[&ids]).await?;
    }
    transaction.execute(INSERT, &[&Value::Array(rows).to_string()]).await?;
    transaction.commit().await?;
    drop(client);
    connection.await??;
    Ok(())
}

async fn jobs(client: &Client, workspace: &str) -> anyhow::Result<Vec<Job>> {
    let rows = client
        .query(
            "select j.id, j.workspace_id, j.key, v.url, j.created_at, v.every_seconds, v.cron, v.timezone
             from jobs j join workspaces w on w.id = j.workspace_id
             join job_versions v on v.job_id = j.id and v.version = 1
             where w.name = $1 and j.state = 'active' and v.kind in ('cron', 'recurring')",
            &[&workspace],
        )
        .await?;
    let job = |row: &tokio_postgres::Row| -> anyhow::Result<Job> {
        let (every, cron, zone): (Option<i32>, Option<String>, Option<String>) =
            (row.get(5), row.get(6), row.get(7));
        let schedule = match (every, cron) {
            (Some(every), _) => Schedule::Recurring { every_seconds: u32::try_from(every)? },
            (None, Some(cron)) => Schedule::Cron(Cron::from_stored(&cron, &zone.unwrap_or_default())),
            (None, None) => anyhow::bail!("a job has no schedule"),
        };
        Ok(Job {
            id: row.get(0),
            workspace: row.get(1),
            key: row.get::<_, Option<String>>(2).context("a job has no key")?,
            url: row.get(3),
            created_at: row.get(4),
            schedule,
        })
    };
    rows.iter().map(job).collect()
}

fn executions(job: &Job, now: DateTime<Utc>) -> anyhow::Result<Vec<Value>> {
    let anchor = job.created_at - HISTORY;
    let (mut after, mut rows) = (anchor, Vec::new());
    while let Some(at) = job.schedule.next_after(anchor, after)? {
        // The scheduler plans the fires since.
        if at > job.created_at.min(now) {
            break;
        }
        rows.push(execution(job, at, now)?);
        after = at;
    }
    Ok(rows)
}

/// A number from 0 to 1 that depends on the fire only.
fn chance(job: &Job, at: DateTime<Utc>, of: u64) -> f64 {
    let mut state = (job.id.as_u64_pair().1 ^ at.timestamp().unsigned_abs())
        .wrapping_add(of.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // The finalizer of SplitMix64.
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((state ^ (state >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

fn execution(job: &Job, at: DateTime<Utc>, now: DateTime<Utc>) -> anyhow::Result<Value> {
    let (status, usual_ms) = job
        .url
        .rsplit_once('/')
        .map(|(rest, ms)| (rest.rsplit('/').next().unwrap_or_default(), ms))
        .unwrap_or_default();
    let usual_ms: f64 = usual_ms.parse().unwrap_or(40.0);
    let is_failing = at > now - FAILING;
    let failure = match status {
        "503" if is_failing => Some((
            503,
            "http_5xx",
            "The server responded with 503 Service Unavailable: it is overloaded or down.",
        )),
        "404" if is_failing => {
            Some((404, "http_4xx", "The server responded with 404 Not Found: check the path of the URL."))
        }
        "flaky" if chance(job, at, 1) < 0.02 => Some((
            503,
            "http_5xx",
            "The server responded with 503 Service Unavailable: it is overloaded or down.",
        )),
        _ if job.url.contains(".invalid") && is_failing => {
            Some((0, "dns_failed", "The name of the host could not be resolved: check the URL."))
        }
        _ => None,
    };
    let total_us = (usual_ms * 1000.0 * (0.7 + 0.6 * chance(job, at, 2))) as i64;
    let lateness_us = 300 + (2200.0 * chance(job, at, 3)) as i64;
    let started_at = at.duration_trunc(TimeDelta::microseconds(1))? + TimeDelta::microseconds(lateness_us);
    let attempts = if failure.is_some_and(|(status, ..)| status != 404) { 2 } else { 1 };
    let finished_at = started_at
        + TimeDelta::microseconds(total_us)
        + TimeDelta::seconds(if attempts == 2 { 2 } else { 0 });
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let (code, class, error) = failure.unwrap_or((if status == "204" { 204 } else { 200 }, "", ""));
    let attempt_status = match code {
        200..300 => "success",
        0 => "connection_error",
        _ => "http_error",
    };
    let is_sent = code != 0;
    Ok(json!({
        "id": ExecutionId::of_fire(JobId::from_uuid(job.id), at).uuid().to_string(), "workspace_id": job.workspace.to_string(),
        "job_id": job.id.to_string(),
        "attempt_count": attempts, "scheduled_for": time(at), "started_at": time(started_at), "finished_at": time(finished_at),
        "lateness_us": is_sent.then_some(lateness_us), "status": if failure.is_some() { "failed" } else { "succeeded" },
        "error_class": failure.map(|_| class), "attempt_started_at": time(finished_at - TimeDelta::microseconds(total_us)),
        "dns_us": 240 + job.key.len() as i64 * 9, "connect_us": is_sent.then_some(180), "first_byte_us": is_sent.then_some(total_us - 420),
        "body_us": is_sent.then_some(60), "total_us": total_us, "response_bytes": if is_sent { 64 } else { 0 },
        "status_code": is_sent.then_some(code), "attempt_status": attempt_status, "error": failure.map(|_| error),
        "remote_address": is_sent.then_some("127.0.0.1"), "http_version": is_sent.then_some("HTTP/1.1"),
    }))
}

const INSERT: &str = "insert into executions (id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, started_at, finished_at,
         lateness_us, status, source, error_class, attempt_started_at, dns_us, connect_us, first_byte_us, body_us, total_us, response_bytes,
         status_code, body_truncated, attempt_status, attempt_error_class, error, remote_address, http_version, response_headers, body_preview)
     select id, workspace_id, job_id, 1, attempt_count, 0, scheduled_for, started_at, finished_at, lateness_us, status, 'schedule', error_class,
            attempt_started_at, dns_us, connect_us, first_byte_us, body_us, total_us, response_bytes, status_code, false, attempt_status,
            error_class, error, remote_address, http_version, case when status_code is null then '' else 'content-type: application/json' || chr(10) end,
            convert_to(case when status_code is null then '' else '{\"status\":' || status_code || '}' end, 'UTF8')
     from jsonb_to_recordset($1::text::jsonb) as r(id uuid, workspace_id uuid, job_id uuid, attempt_count smallint, scheduled_for timestamptz,
          started_at timestamptz, finished_at timestamptz, lateness_us bigint, status text, error_class text, attempt_started_at timestamptz,
          dns_us int, connect_us int, first_byte_us int, body_us int, total_us int, response_bytes bigint, status_code smallint,
          attempt_status text, error text, remote_address text, http_version text)
     on conflict do nothing";
