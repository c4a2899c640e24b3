//! Family Q: the end of a workspace: at once for all who had to do with it, and as if it had never been.

use anyhow::{Context, ensure};
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use trigrun_core::domain::id::WorkspaceId;
use trigrun_testkit::target::{Hit, Script};

use crate::{
    case::{Case, Family},
    system::{PASSWORD, SCOPES, System, Tenant, text, until},
    wire::{Reply, call},
};

/// What is on its way may arrive so long after the end.
const STOPS_WITHIN: Duration = Duration::from_secs(2);
/// Fires planned for after the end.
const AHEAD: Duration = Duration::from_secs(9);
const TIDY_WITHIN: Duration = Duration::from_secs(30);

pub fn cases() -> Vec<Case> {
    vec![
        Case::asks(Family::Life, "tokens and sessions are dead at once, at every replica", dead_at_once),
        Case::asks(Family::Life, "its members are members of others only", members),
        Case::asks(Family::Life, "what is made while it ends, ends with it", made_meanwhile),
        Case::asks(Family::Life, "its ids are nobody's", ids),
        Case::asks(Family::Life, "only its owner ends it", |system| async move {
            let (tenant, other) = (newcomer(&system).await?, newcomer(&system).await?);
            let end = async |token: &str, more: &[String]| {
                let headers = [&[format!("authorization: Bearer {token}")], more].concat();
                call(system.api, "DELETE", "/v1/workspace", &headers, b"").await
            };
            end("", &[]).await?.expect_problem(401, "unauthorized")?;
            end(&tenant.token, &[]).await?.expect_problem(403, "owner_required")?;
            let named = [format!("trigrun-workspace: {}", tenant.workspace)];
            end(&other.session, &named).await?.expect_problem(404, "not_found")?;
            system.ask_as(&tenant.token, "GET", "/v1/me", &Value::Null).await?.expect(200).map(drop)
        }),
        Case::asks(Family::Life, "it ends once, however often it is ended", |system| async move {
            let tenant = newcomer(&system).await?;
            let named = format!("trigrun-workspace: {}", tenant.workspace);
            let headers = [format!("authorization: Bearer {}", tenant.session), named];
            let calls = (0..20).map(|_| call(system.api, "DELETE", "/v1/workspace", &headers, b""));
            let statuses: Vec<u16> = try_join_all(calls).await?.iter().map(|reply| reply.status).collect();
            ensure!(statuses.iter().filter(|status| **status == 204).count() == 1, "{statuses:?}");
            ensure!(statuses.iter().all(|status| [204, 404].contains(status)), "{statuses:?}");
            call(system.api, "DELETE", "/v1/workspace", &headers, b"")
                .await?
                .expect_problem(404, "not_found")?;
            delete(&system, &tenant).await?.expect_problem(403, "no_workspace")
        }),
        Case::asks(Family::Life, "its owner begins anew, under the same name", anew),
        Case::asks(Family::Life, "nothing is left of it", nothing_left),
        Case::dials(Family::Life, "nothing is sent for it any more", nothing_sent),
        Case::dials(Family::Life, "nothing is tried again for it", |system| async move {
            let tenant = newcomer(&system).await?;
            let path = format!("/retried/{}", system.number());
            system.outside()?.target.answer(&path, Script::status(503));
            let job = json!({ "name": "retried", "kind": "one_time", "request": { "url": format!("http://93.184.216.34{path}") },
                "retry_policy": { "max_attempts": 10 } });
            system.ask_as(&tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
            until(Duration::from_secs(10), async || hits(&system, &path).is_ok_and(|hits| !hits.is_empty()))
                .await?;
            delete(&system, &tenant).await?.expect(204)?;
            silent_after(&system, &path, Instant::now()).await
        }),
    ]
}

async fn newcomer(system: &System) -> anyhow::Result<Tenant> {
    system.sign_up(&format!("mortal-{}", system.number())).await
}

async fn delete(system: &System, tenant: &Tenant) -> anyhow::Result<Reply> {
    system.ask_as(&tenant.session, "DELETE", "/v1/workspace", &Value::Null).await
}

fn job(name: &str) -> Value {
    json!({ "name": name, "kind": "recurring", "schedule": { "every_n_minutes": 1 },
        "request": { "url": "http://nowhere.invalid/", "timeout_seconds": 1 }, "retry_policy": { "max_attempts": 1 } })
}

async fn dead_at_once(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let tokens = try_join_all((0..5).map(|_| system.token(&tenant.session, &SCOPES))).await?;
    let named = format!("trigrun-workspace: {}", tenant.workspace);
    let get = async |api, token: &str, more: &[String]| {
        let headers = [&[format!("authorization: Bearer {token}")], more].concat();
        call(api, "GET", "/v1/me", &headers, b"").await
    };
    for api in [system.api, system.strict_api] {
        get(api, &tenant.token, &[]).await?.expect(200)?;
        get(api, &tenant.session, &[]).await?.expect(200)?;
    }
    delete(&system, &tenant).await?.expect(204)?;
    for api in [system.api, system.strict_api] {
        for token in tokens.iter().chain([&tenant.token]) {
            get(api, token, &[]).await?.expect_problem(401, "unauthorized")?;
        }
        get(api, &tenant.session, &[]).await?.expect_problem(403, "no_workspace")?;
        get(api, &tenant.session, std::slice::from_ref(&named)).await?.expect_problem(404, "not_found")?;
    }
    let left = system.ask_as(&tenant.session, "GET", "/v1/workspaces", &Value::Null).await?.expect(200)?;
    ensure!(left["data"] == json!([]), "{left}");
    Ok(())
}

async fn members(system: Arc<System>) -> anyhow::Result<()> {
    let (tenant, admin) = (newcomer(&system).await?, newcomer(&system).await?);
    system.join((&tenant.workspace, &tenant.session), &admin, "admin").await?;
    let late = system.sign_up(&format!("late-{}", system.number())).await?;
    let email = format!("later-{}@example.com", system.number());
    let mut invitations = Vec::new();
    for who in [&late.email, &email] {
        let invited = json!({ "email": who, "role": "admin" });
        let invited = system.ask_as(&tenant.session, "POST", "/v1/members", &invited).await?.expect(201)?;
        invitations.push(text(&invited["invitation"])?);
    }
    delete(&system, &tenant).await?.expect(204)?;
    let accept = json!({ "invitation": invitations[0] });
    let accepted = system.ask_as(&late.session, "POST", "/v1/invitations/accept", &accept).await?;
    accepted.expect_wrong("/invitation", "invitation_unknown")?;
    let sign_up = json!({ "email": email, "password": PASSWORD, "invitation": invitations[1] });
    let signed_up = system.ask_as("", "POST", "/v1/auth/signup", &sign_up).await?;
    signed_up.expect_wrong("/invitation", "invitation_unknown")?;
    // Of two workspaces, the admin has one left.
    let me = system.ask_as(&admin.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
    ensure!(me["workspace_id"] == admin.workspace.as_str(), "{me}");
    let list = system.ask_as(&admin.session, "GET", "/v1/workspaces", &Value::Null).await?.expect(200)?;
    ensure!(list["data"].as_array().map(Vec::len) == Some(1), "{list}");
    Ok(())
}

/// Many make jobs, runs and tokens while the workspace ends: whatever came of each, nothing waits for its time afterwards.
async fn made_meanwhile(system: Arc<System>) -> anyhow::Result<()> {
    for _ in 0..5 {
        let tenant = newcomer(&system).await?;
        let first = system.ask_as(&tenant.token, "POST", "/v1/jobs", &job("first")).await?.expect(201)?;
        let run = format!("/v1/jobs/{}/run-now", text(&first["id"])?);
        let (job, token) = (job("meanwhile"), json!({ "name": "meanwhile", "scopes": ["jobs:read"] }));
        let made = system.ask_as(&tenant.session, "POST", "/v1/tokens", &token).await?.expect(201)?;
        let rotate = format!("/v1/tokens/{}/rotate", text(&made["id"])?);
        let secret = json!({ "value": "another" });
        let first = json!({ "name": "meanwhile", "value": "one" });
        system.ask_as(&tenant.token, "POST", "/v1/secrets", &first).await?.expect(201)?;
        let make = |n: usize| match n % 5 {
            0 => system.ask_as(&tenant.token, "POST", "/v1/jobs", &job),
            1 => system.ask_as(&tenant.token, "POST", &run, &Value::Null),
            2 => system.ask_as(&tenant.session, "POST", &rotate, &Value::Null),
            3 => system.ask_as(&tenant.token, "PUT", "/v1/secrets/meanwhile", &secret),
            _ => system.ask_as(&tenant.session, "POST", "/v1/tokens", &token),
        };
        let before = join_all((0..30).map(make));
        let (before, deleted, after) =
            futures_util::join!(before, delete(&system, &tenant), join_all((0..30).map(make)));
        deleted?.expect(204)?;
        for reply in before.into_iter().chain(after) {
            let reply = reply?;
            ensure!(
                [200, 201, 202, 401, 403, 404].contains(&reply.status),
                "{} {}",
                reply.status,
                reply.text()
            );
        }
        nothing_waits(&system, &tenant).await?;
    }
    Ok(())
}

async fn ids(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let made = system.ask_as(&tenant.token, "POST", "/v1/jobs", &job("mortal")).await?.expect(201)?;
    let job = text(&made["id"])?;
    let run = system.ask_as(&tenant.token, "POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?;
    let run = text(&run.expect(202)?["id"])?;
    delete(&system, &tenant).await?.expect(204)?;
    for path in [
        format!("/v1/jobs/{job}"),
        format!("/v1/jobs/{job}/executions"),
        format!("/v1/jobs/{job}/ledger"),
        format!("/v1/executions/{run}"),
    ] {
        system.ask("GET", &path, &Value::Null).await?.expect_problem(404, "not_found")?;
    }
    for path in [
        format!("/v1/jobs/{job}/run-now"),
        format!("/v1/jobs/{job}/resume"),
        format!("/v1/executions/{run}/replay"),
    ] {
        system.ask("POST", &path, &Value::Null).await?.expect_problem(404, "not_found")?;
    }
    Ok(())
}

/// People outlive their workspaces: the address stays theirs.
async fn anew(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let secret = json!({ "name": "old", "value": "old" });
    system.ask_as(&tenant.token, "POST", "/v1/secrets", &secret).await?.expect(201)?;
    system.ask_as(&tenant.token, "POST", "/v1/jobs", &job("old")).await?.expect(201)?;
    delete(&system, &tenant).await?.expect(204)?;
    let again = json!({ "email": tenant.email, "password": PASSWORD, "workspace_name": "again" });
    system.ask_as("", "POST", "/v1/auth/signup", &again).await?.expect_problem(409, "email_taken")?;
    let log_in = json!({ "email": tenant.email, "password": PASSWORD });
    let session = system.ask_as("", "POST", "/v1/auth/login", &log_in).await?.expect(200)?;
    let session = text(&session["token"])?;
    let name = tenant.email.split('@').next().unwrap_or_default();
    let made =
        system.ask_as(&session, "POST", "/v1/workspaces", &json!({ "name": name })).await?.expect(201)?;
    ensure!(made["id"] != tenant.workspace.as_str() && made["name"] == name, "{made}");
    for path in ["/v1/jobs", "/v1/secrets", "/v1/executions", "/v1/tokens", "/v1/notification-channels"] {
        let list = system.ask_as(&session, "GET", path, &Value::Null).await?.expect(200)?;
        ensure!(list["data"] == json!([]), "{path}: {list}");
    }
    system.ask_as(&session, "POST", "/v1/secrets", &secret).await?.expect(201).map(drop)
}

async fn count(system: &System, from: &str, tenant: &Tenant) -> anyhow::Result<i64> {
    let workspace = tenant.workspace.parse::<WorkspaceId>().ok().context("an id of a workspace")?.uuid();
    let column = if from.starts_with("workspaces") { "id" } else { "workspace_id" };
    let glue = if from.contains(" where ") { "and" } else { "where" };
    let count = format!("select count(*) from {from} {glue} {column} = $1");
    Ok(system.sql().await?.query_one(&count, &[&workspace]).await?.get(0))
}

/// Nothing that would be done some time is there.
async fn nothing_waits(system: &System, tenant: &Tenant) -> anyhow::Result<()> {
    for from in [
        "tokens",
        "job_timers",
        "executions where finished_at is null",
        "notifications where finished_at is null",
    ] {
        let left = count(system, from, tenant).await?;
        ensure!(left == 0, "{left} of {from} are left");
    }
    Ok(())
}

async fn nothing_left(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let ask =
        async |path: &str, body: Value| system.ask_as(&tenant.token, "POST", path, &body).await?.expect(201);
    let job = ask("/v1/jobs", job("mortal")).await?;
    ask("/v1/secrets", json!({ "name": "mortal", "value": "a" })).await?;
    let channel = json!({ "name": "mortal", "type": "webhook", "config": { "url": "https://example.com/" } });
    let channel = ask("/v1/notification-channels", channel).await?;
    let rules = format!("/v1/jobs/{}/notification-rules", text(&job["id"])?);
    ask(&rules, json!({ "channel_id": channel["id"], "event": "on_failure" })).await?;
    let run = format!("/v1/jobs/{}/run-now", text(&job["id"])?);
    for n in 0..5 {
        let headers =
            [format!("authorization: Bearer {}", tenant.token), format!("idempotency-key: mortal-{n}")];
        call(system.api, "POST", &run, &headers, b"").await?.expect(202)?;
    }
    until(TIDY_WITHIN, async || {
        count(&system, "executions where finished_at is not null", &tenant).await.is_ok_and(|ended| ended > 0)
    })
    .await?;
    delete(&system, &tenant).await?.expect(204)?;
    nothing_waits(&system, &tenant).await?;
    let sql = system.sql().await?;
    let tables = "select distinct c.table_name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
        where c.column_name = 'workspace_id' and c.table_schema = 'public' and t.table_type = 'BASE TABLE'";
    let mut tables: Vec<String> = sql.query(tables, &[]).await?.iter().map(|row| row.get(0)).collect();
    ensure!(tables.len() >= 10, "{tables:?}");
    tables.push("workspaces".into());
    system.tidy()?;
    let gone = async || {
        for table in &tables {
            if !count(&system, table, &tenant).await.is_ok_and(|left| left == 0) {
                return false;
            }
        }
        true
    };
    until(TIDY_WITHIN, gone).await.context("rows are left")
}

fn hits(system: &System, path: &str) -> anyhow::Result<Vec<Hit>> {
    Ok(system.outside()?.target.hits().into_iter().filter(|hit| hit.path.starts_with(path)).collect())
}

/// Waits for what would have been sent; none of it is.
async fn silent_after(system: &System, path: &str, ended: Instant) -> anyhow::Result<()> {
    let begun = Instant::now();
    until(AHEAD * 2, async || begun.elapsed() > AHEAD).await?;
    let late = hits(system, path)?.into_iter().filter(|hit| hit.arrived > ended + STOPS_WITHIN).count();
    ensure!(late == 0, "{late} requests came later than {STOPS_WITHIN:?} after the end");
    Ok(())
}

/// Jobs every 100 ms, before the end and after it, and runs that are asked for at the very end.
async fn nothing_sent(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let path = format!("/fires/{}/", system.number());
    let url = format!("http://93.184.216.34{path}");
    let sql = system.sql().await?;
    let fires: i32 = (AHEAD.as_millis() / 100).try_into()?;
    let times = "select to_char((now() + interval '1500 ms' + n * interval '100 ms') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')
        from generate_series(1, $1::int) n";
    let times: Vec<String> = sql.query(times, &[&fires]).await?.iter().map(|row| row.get(0)).collect();
    let made = times.iter().map(async |run_at| {
        let job = json!({ "name": "fires", "kind": "scheduled", "schedule": { "run_at": run_at }, "request": { "url": url } });
        system.ask_as(&tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)
    });
    let made = try_join_all(made).await?;
    until(Duration::from_secs(15), async || hits(&system, &path).is_ok_and(|hits| hits.len() > 3)).await?;
    let last = format!("/v1/jobs/{}/run-now", text(&made.last().context("none")?["id"])?);
    let asked = join_all((0..20).map(|_| system.ask_as(&tenant.token, "POST", &last, &Value::Null)));
    let (_, deleted) = futures_util::join!(asked, delete(&system, &tenant));
    let ended = Instant::now();
    deleted?.expect(204)?;
    silent_after(&system, &path, ended).await
}
