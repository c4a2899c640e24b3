//! What users do to the system, and to each other.

use anyhow::ensure;
use hyper::Method;
use serde_json::json;
use std::time::Duration;
use trigrun_core::domain::id::JobId;
use uuid::Uuid;

use super::{Ask, Span, play};
use crate::{
    clients::id_of,
    http::{Wish, call},
    lab::{Lab, lateness},
    load::{Kind, Plan},
    proof::Finding,
    report::{Bound, Figure, Verdict},
};

/// Users in a hurry; a tenth of all they do is to hang up in the middle of a request.
pub async fn hurried(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(25);
    let mut setup = ask.setup();
    setup.users = Some(Duration::from_millis(25));
    let ((), outcome) = play(name, setup, async |lab| {
        lab.pass(time).await;
        Ok(())
    })
    .await?;
    let figures = vec![
        Figure::new("requests to the API", outcome.seen.calls as f64, "", Bound::AtLeast(500.0)),
        Figure::new(
            "clients that hung up at a random byte",
            outcome.seen.hung_up as f64,
            "",
            Bound::AtLeast(50.0),
        ),
        Figure::new(
            "slowest answer of the API",
            outcome.seen.slowest.as_secs_f64(),
            "s",
            Bound::AtMost(10.0),
        ),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// Jobs of every second that are patched, paused, resumed, cancelled, run, and at last deleted, some fifty times a second, while they
/// fire and finish.
pub async fn race(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(25);
    let mut setup = ask.setup();
    setup.plan = Plan { jobs: 12, only: Some(Kind::Churned), workspaces: 2, ..Plan::default() };
    // The users of the mix churn these jobs; the racers here do the rest, to jobs of their own.
    setup.users = Some(Duration::from_millis(20));
    let ((raced, replies, bad), mut outcome) = play(name, setup, async |lab| {
        let (mut raced, mut replies, mut bad) = (Vec::new(), 0, Vec::new());
        let end = lab.clock.elapsed() + time;
        while lab.clock.elapsed() < end {
            let job = one_time(lab, "/slow/30").await?;
            raced.push(job);
            for _ in 0..50 {
                let (what, reply) = race_one(lab, job).await;
                replies += 1;
                if !matches!(reply, Some(200..=299 | 404 | 409)) {
                    bad.push(format!("{what} was answered {reply:?}"));
                }
            }
            call(lab.fleet.apis()[0], wish(lab, Method::DELETE, path(job, ""), None)).await;
        }
        Ok((raced, replies, bad))
    })
    .await?;
    let left = raced.iter().filter(|job| outcome.record.versions.contains_key(*job));
    let left: Vec<String> = left.map(|job| format!("job {job} is still there")).collect();
    outcome.findings.push(Finding::new("a race is answered 2xx, 404 or 409", replies, bad));
    outcome.findings.push(Finding::new("what was deleted is gone", raced.len(), left));
    let figures = vec![Figure::new("changes that raced", replies as f64, "", Bound::AtLeast(200.0))];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

async fn one_time(lab: &Lab, target: &str) -> anyhow::Result<Uuid> {
    let body = json!({ "name": "raced", "kind": "one_time", "request": { "url": lab.witness.url(target) } });
    let created = call(lab.fleet.apis()[0], wish(lab, Method::POST, "/v1/jobs".into(), Some(body))).await;
    ensure!(created.status == Some(201), "{created:?}");
    id_of(&created.body).ok_or_else(|| anyhow::anyhow!("no id in {}", created.body))
}

async fn race_one(lab: &mut Lab, job: Uuid) -> (String, Option<u16>) {
    let (method, path, body) = match lab.random.u32(0..6) {
        0 => (Method::PATCH, path(job, ""), Some(json!({ "name": "patched" }))),
        1 => (Method::POST, path(job, "/pause"), None),
        2 => (Method::POST, path(job, "/resume"), None),
        3 => {
            let list =
                call(lab.fleet.apis()[0], wish(lab, Method::GET, path(job, "/executions?limit=1"), None))
                    .await;
            let Some(id) = list.body["data"][0]["id"].as_str() else { return ("nothing".into(), Some(200)) };
            (Method::POST, format!("/v1/executions/{id}/cancel"), None)
        }
        _ => (Method::POST, path(job, "/run-now"), None),
    };
    let what = format!("{method} {path}");
    let api = lab.fleet.apis()[lab.random.usize(0..2)];
    (what, call(api, wish(lab, method, path, body)).await.status)
}

fn path(job: Uuid, rest: &str) -> String {
    format!("/v1/jobs/{}{rest}", JobId::from_uuid(job))
}

fn wish(lab: &Lab, method: Method, path: String, body: Option<serde_json::Value>) -> Wish<'_> {
    Wish { method, path, token: &lab.load.tenants[0].token, key: None, body }
}

/// One workspace has a hundred thousand runs due at once; nine others have a run a second each.
pub async fn crowd(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let mut setup = ask.setup();
    setup.plan = Plan { jobs: 45, workspaces: 9, only: Some(Kind::Fast), ..Plan::default() };
    setup.users = None;
    setup.rules = 0;
    setup.drains_within = Duration::from_secs(600);
    let ((peace, crowded, took), outcome) = play(name, setup, async |lab| {
        let peace = lab.peace(Duration::from_secs(10)).await;
        lab.say("one workspace asks for 100,000 runs at once");
        let from = lab.clock.elapsed();
        let sql = lab.servers.sql().await?;
        sql.batch_execute(&crowd_of(100_000, &lab.witness.url("/fast"))).await?;
        let open =
            format!("select count(*) from executions where workspace_id = '{CROWD}' and finished_at is null");
        let end = loop {
            lab.pass(Duration::from_secs(1)).await;
            let left: i64 = sql.query_one(&open, &[]).await?.get(0);
            if left == 0 {
                break lab.clock.elapsed();
            }
            if (lab.clock.elapsed() - from).as_secs() % 10 == 0 {
                lab.say(&format!("{left} of them wait"));
            }
        };
        Ok((peace, Span { from, to: end }, (end - from).as_secs_f64()))
    })
    .await?;
    let (before, beside) = (outcome.late(peace), outcome.late(crowded));
    let bound = (2.0 * before.p99).max(3000.0);
    let figures = vec![
        Figure::new("quiet workspaces in peace, p99", before.p99, "ms", Bound::None),
        Figure::new("quiet workspaces beside the crowd, p99", beside.p99, "ms", Bound::AtMost(bound)),
        Figure::new("the crowd has run within", took, "s", Bound::None),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

const CROWD: Uuid = Uuid::from_u128(0xc0_0000_0000_7000_8000_0000_0000_0001);

/// A workspace with a job and so many executions of it that are due now.
fn crowd_of(count: usize, url: &str) -> String {
    format!(
        "insert into workspaces (id, name) values ('{CROWD}', 'crowd');
         insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
         values ('{CROWD}', '{CROWD}', 1, 'crowd', 'cron', 'active', '{{}}', now(), now());
         insert into job_versions (job_id, version, created_at, name, state, tags, kind, cron, timezone, url, method, headers, body_is_json,
                                   timeout_seconds, success_statuses, max_attempts, retry_on_statuses, overlap_policy, misfire_policy,
                                   catch_up_limit, delivery)
         values ('{CROWD}', 1, now(), 'crowd', 'draft', '{{}}', 'cron', '0 0 1 1 *', 'UTC', '{url}', 'GET', '{{}}', false, 30, '{{200}}', 1, '{{}}',
                 'queue', 'fire_once', 10, 'at_least_once');
         insert into executions (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at)
         select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n), 3, '0') || '8000'
                 || lpad(to_hex(n), 12, '0'))::uuid,
                '{CROWD}', '{CROWD}', 1, {shard}, 'queued', 'manual', now(), now()
         from generate_series(1, {count}) n;",
        shard = trigrun_core::domain::workspace::shard(trigrun_core::domain::id::WorkspaceId::from_uuid(CROWD)),
    )
}

/// Ten thousand targets that accept and never answer.
pub async fn deaf(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    const TIMEOUT_SECONDS: u32 = 15;
    let count = usize::try_from(ask.seconds.unwrap_or(10_000))?;
    let mut setup = ask.setup();
    setup.plan = Plan { jobs: 30, only: Some(Kind::Fast), ..Plan::default() };
    setup.users = None;
    setup.rules = 0;
    setup.crew.executors = 1;
    setup.crew = setup.crew.with(
        crate::fleet::Whom::All(crate::fleet::Role::Executor),
        "TRIGRUN__EXECUTOR__MAX_IN_FLIGHT",
        "60000",
    );
    let (resident, outcome) = play(name, setup, async |lab| {
        lab.say(&format!("{count} requests that will not be answered"));
        let sql = lab.servers.sql().await?;
        sql.batch_execute(&deaf_of(count, TIMEOUT_SECONDS, &lab.witness.url("/deaf"))).await?;
        let mut resident = 0;
        let mut left = count as i64;
        while left > 0 && lab.clock.elapsed() < Duration::from_secs(180) {
            lab.pass(Duration::from_secs(1)).await;
            let held =
                lab.fleet.held().into_iter().filter(|(role, ..)| *role == crate::fleet::Role::Executor);
            resident = held.map(|(.., held)| held.resident_mb).max().unwrap_or_default().max(resident);
            left = sql
                .query_one(
                    "select count(*) from executions where source = 'manual' and finished_at is null",
                    &[],
                )
                .await?
                .get(0);
        }
        Ok(resident)
    })
    .await?;
    let of_deaf: Vec<&i32> = outcome
        .record
        .attempts
        .values()
        .filter(|attempt| attempt.status == "timeout")
        .map(|attempt| &attempt.total_us)
        .collect();
    let off = of_deaf.iter().map(|us| (f64::from(**us) / 1000.0 - f64::from(TIMEOUT_SECONDS) * 1000.0).abs());
    let worst = off.fold(0.0, f64::max);
    let late = lateness(std::iter::empty());
    let beside = outcome.lateness(Duration::ZERO, Duration::MAX);
    let figures = vec![
        Figure::new("requests that were timed out", of_deaf.len() as f64, "", Bound::AtLeast(count as f64)),
        Figure::new("farthest from its timeout", worst, "ms", Bound::AtMost(250.0)),
        Figure::new("the executor's memory", resident as f64, "MB", Bound::AtMost(1024.0)),
        Figure::new("others beside them: lateness, p99", beside.p99.max(late.p99), "ms", Bound::None),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// Spread over forty workspaces, so that each shard has its part.
fn deaf_of(count: usize, timeout_seconds: u32, url: &str) -> String {
    let mut sql = String::new();
    for tenant in 0..40u128 {
        let id = Uuid::from_u128(0xdeaf_0000_0000_7000_8000_0000_0000_0000 + tenant);
        let shard =
            trigrun_core::domain::workspace::shard(trigrun_core::domain::id::WorkspaceId::from_uuid(id));
        sql.push_str(&format!(
            "insert into workspaces (id, name) values ('{id}', 'deaf');
             insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
             values ('{id}', '{id}', 1, 'deaf', 'cron', 'active', '{{}}', now(), now());
             insert into job_versions (job_id, version, created_at, name, state, tags, kind, cron, timezone, url, method, headers, body_is_json,
                                       timeout_seconds, success_statuses, max_attempts, retry_on_statuses, overlap_policy, misfire_policy,
                                       catch_up_limit, delivery)
             values ('{id}', 1, now(), 'deaf', 'draft', '{{}}', 'cron', '0 0 1 1 *', 'UTC', '{url}', 'GET', '{{}}', false, {timeout_seconds}, '{{200}}', 1,
                     '{{}}', 'queue', 'fire_once', 10, 'at_least_once');
             insert into executions (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at)
             select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex({tenant}), 3, '0') || '8000'
                     || lpad(to_hex(n), 12, '0'))::uuid,
                    '{id}', '{id}', 1, {shard}, 'queued', 'manual', now(), now()
             from generate_series(1, {of_each}) n;",
            of_each = count / 40,
        ));
    }
    sql
}
