//! Suite Q: the end of a workspace with work in flight: nothing is sent and nothing is left.
//!
//! Tokens, members and ids are tested in `crates/api/tests/it/security/workspace_deletion.rs`.

use anyhow::{Context, ensure};
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use trigrun_core::domain::id::WorkspaceId;
use trigrun_testkit::{
    due,
    raw_http::{RawResponse, request},
    target::{Hit, Script},
};

use crate::{
    case::{Case, Suite},
    system::{System, Tenant, text},
};

/// What is on its way may arrive this long after the end.
const IN_FLIGHT: Duration = Duration::from_secs(2);
/// Fires are planned until this long after the end.
const PLANNED_AHEAD: Duration = Duration::from_secs(9);
const RETENTION_TIMEOUT: Duration = Duration::from_secs(30);

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            Suite::WorkspaceDeletion,
            "what is created during the deletion is deleted",
            created_concurrently,
        ),
        Case::new(Suite::WorkspaceDeletion, "nothing is left of it", nothing_left),
        Case::dialling(Suite::WorkspaceDeletion, "no request of its jobs is sent", nothing_sent),
        Case::dialling(Suite::WorkspaceDeletion, "no request of its jobs is retried", nothing_retried),
    ]
}

async fn newcomer(system: &System) -> anyhow::Result<Tenant> {
    system.sign_up(&format!("newcomer-{}", system.number())).await
}

async fn delete(system: &System, tenant: &Tenant) -> anyhow::Result<RawResponse> {
    system.call_as(&tenant.session, "DELETE", "/v1/workspace", &Value::Null).await
}

fn job(name: &str) -> Value {
    json!({ "name": name, "kind": "recurring", "schedule": { "every_n_minutes": 1 },
        "request": { "url": "http://nowhere.invalid/", "timeout_seconds": 1 }, "retry_policy": { "max_attempts": 1 } })
}

/// Jobs, runs and tokens are created while the workspace is deleted. Whatever each response was, nothing is due afterwards.
async fn created_concurrently(system: Arc<System>) -> anyhow::Result<()> {
    for _ in 0..5 {
        let tenant = newcomer(&system).await?;
        let first = system.call_as(&tenant.token, "POST", "/v1/jobs", &job("first")).await?.expect(201)?;
        let run = format!("/v1/jobs/{}/run-now", text(&first["id"])?);
        let (job, token) = (job("concurrent"), json!({ "name": "concurrent", "scopes": ["jobs:read"] }));
        let made = system.call_as(&tenant.session, "POST", "/v1/tokens", &token).await?.expect(201)?;
        let rotate = format!("/v1/tokens/{}/rotate", text(&made["id"])?);
        let secret = json!({ "value": "another" });
        let first = json!({ "name": "concurrent", "value": "one" });
        system.call_as(&tenant.token, "POST", "/v1/secrets", &first).await?.expect(201)?;
        let create = |n: usize| match n % 5 {
            0 => system.call_as(&tenant.token, "POST", "/v1/jobs", &job),
            1 => system.call_as(&tenant.token, "POST", &run, &Value::Null),
            2 => system.call_as(&tenant.session, "POST", &rotate, &Value::Null),
            3 => system.call_as(&tenant.token, "PUT", "/v1/secrets/concurrent", &secret),
            _ => system.call_as(&tenant.session, "POST", "/v1/tokens", &token),
        };
        let before = join_all((0..30).map(create));
        let (before, deleted, after) =
            futures_util::join!(before, delete(&system, &tenant), join_all((0..30).map(create)));
        deleted?.expect(204)?;
        for response in before.into_iter().chain(after) {
            let response = response?;
            ensure!(
                [200, 201, 202, 401, 403, 404, 429].contains(&response.status),
                "{} {}",
                response.status,
                response.text()
            );
        }
        nothing_is_due(&system, &tenant).await?;
    }
    Ok(())
}

async fn count(system: &System, from: &str, tenant: &Tenant) -> anyhow::Result<i64> {
    let workspace = tenant.workspace.parse::<WorkspaceId>().ok().context("an id of a workspace")?.uuid();
    let column = if from.starts_with("workspaces") { "id" } else { "workspace_id" };
    let conjunction = if from.contains(" where ") { "and" } else { "where" };
    let count = format!("select count(*) from {from} {conjunction} {column} = $1");
    Ok(system.sql().await?.query_one(&count, &[&workspace]).await?.get(0))
}

/// Nothing is left that would be executed later.
async fn nothing_is_due(system: &System, tenant: &Tenant) -> anyhow::Result<()> {
    for from in ["tokens", "job_timers", "runs", "notifications where finished_at is null"] {
        let left = count(system, from, tenant).await?;
        ensure!(left == 0, "{left} of {from} are left");
    }
    Ok(())
}

async fn nothing_left(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let create =
        async |path: &str, body: Value| system.call_as(&tenant.token, "POST", path, &body).await?.expect(201);
    let job = create("/v1/jobs", job("newcomer")).await?;
    create("/v1/secrets", json!({ "name": "newcomer", "value": "a" })).await?;
    let channel =
        json!({ "name": "newcomer", "type": "webhook", "config": { "url": "https://example.com/" } });
    let channel = create("/v1/notification-channels", channel).await?;
    let rules = format!("/v1/jobs/{}/notification-rules", text(&job["id"])?);
    create(&rules, json!({ "channel_id": channel["id"], "event": "on_failure" })).await?;
    let run = format!("/v1/jobs/{}/run-now", text(&job["id"])?);
    for n in 0..5 {
        let headers =
            [format!("authorization: Bearer {}", tenant.token), format!("idempotency-key: newcomer-{n}")];
        request(system.api, "POST", &run, &headers, b"").await?.expect(202)?;
    }
    due::until("an execution ends", RETENTION_TIMEOUT, async || {
        count(&system, "executions", &tenant).await.is_ok_and(|ended| ended > 0)
    })
    .await?;
    delete(&system, &tenant).await?.expect(204)?;
    nothing_is_due(&system, &tenant).await?;
    let sql = system.sql().await?;
    let tables = "select distinct c.table_name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
        where c.column_name = 'workspace_id' and c.table_schema = 'public' and t.table_type = 'BASE TABLE'";
    let mut tables: Vec<String> = sql.query(tables, &[]).await?.iter().map(|row| row.get(0)).collect();
    ensure!(tables.len() >= 10, "{tables:?}");
    tables.push("workspaces".into());
    system.run_retention()?;
    let is_gone = async || {
        for table in &tables {
            if !count(&system, table, &tenant).await.is_ok_and(|left| left == 0) {
                return false;
            }
        }
        true
    };
    due::until("no row is left", RETENTION_TIMEOUT, is_gone).await?;
    Ok(())
}

fn hits(system: &System, path: &str) -> anyhow::Result<Vec<Hit>> {
    Ok(system.targets()?.plain.hits().into_iter().filter(|hit| hit.path.starts_with(path)).collect())
}

/// Waits until every planned fire is over: none of them was sent after the end.
async fn no_late_request(system: &System, path: &str, deleted_at: Instant) -> anyhow::Result<()> {
    let began = Instant::now();
    due::until("the fires are over", PLANNED_AHEAD * 2, async || began.elapsed() > PLANNED_AHEAD).await?;
    let late = hits(system, path)?.into_iter().filter(|hit| hit.arrived > deleted_at + IN_FLIGHT).count();
    ensure!(late == 0, "{late} requests arrived later than {IN_FLIGHT:?} after the end");
    Ok(())
}

async fn nothing_retried(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let path = format!("/retried/{}", system.number());
    system.targets()?.plain.respond(&path, Script::status(503));
    let job = json!({ "name": "retried", "kind": "one_time", "request": { "url": format!("http://93.184.216.34{path}") },
        "retry_policy": { "max_attempts": 10 } });
    system.call_as(&tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
    let has_arrived = async || hits(&system, &path).is_ok_and(|hits| !hits.is_empty());
    due::until("the first attempt arrives", Duration::from_secs(10), has_arrived).await?;
    delete(&system, &tenant).await?.expect(204)?;
    no_late_request(&system, &path, Instant::now()).await
}

/// Jobs every 100 ms, before the end and after it, and runs that are requested at the end.
async fn nothing_sent(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let path = format!("/fires/{}/", system.number());
    let url = format!("http://93.184.216.34{path}");
    let sql = system.sql().await?;
    let fires: i32 = (PLANNED_AHEAD.as_millis() / 100).try_into()?;
    let times = "select to_char((now() + interval '5 s' + n * interval '100 ms') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')
        from generate_series(1, $1::int) n";
    let times: Vec<String> = sql.query(times, &[&fires]).await?.iter().map(|row| row.get(0)).collect();
    let made = times.iter().map(async |run_at| {
        let job = json!({ "name": "fires", "kind": "scheduled", "schedule": { "run_at": run_at }, "request": { "url": url } });
        system.call_as(&tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)
    });
    let made = try_join_all(made).await?;
    due::until("four requests arrive", Duration::from_secs(15), async || {
        hits(&system, &path).is_ok_and(|hits| hits.len() > 3)
    })
    .await?;
    let last = format!("/v1/jobs/{}/run-now", text(&made.last().context("none")?["id"])?);
    let runs = join_all((0..20).map(|_| system.call_as(&tenant.token, "POST", &last, &Value::Null)));
    let (_, deleted) = futures_util::join!(runs, delete(&system, &tenant));
    let deleted_at = Instant::now();
    deleted?.expect(204)?;
    no_late_request(&system, &path, deleted_at).await
}
