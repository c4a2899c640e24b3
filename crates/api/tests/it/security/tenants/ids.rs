//! Ids of another workspace get the response of unknown ids: for every operation with an id, and every operation in a named workspace.

use anyhow::ensure;
use serde_json::{Value, json};
use std::sync::Arc;

use trigrun_testkit::raw_http::request;

use super::{
    Operation, Required,
    fixture::{Things, World},
    operations,
};
use crate::security::{
    case::{Attempt, Case},
    system::{System, Tenant},
};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations() {
        let mut add = |what: &str, attempt: fn(Arc<System>, Operation) -> Attempt| {
            let operation = operation.clone();
            cases.push(Case::new(format!("{} {what}", operation.id), move |system| {
                attempt(system, operation.clone())
            }));
        };
        if operation.needs_object() {
            add("of another workspace", |system, it| Box::pin(of_another_workspace(system, it)));
        }
        if !matches!(operation.required, Required::Nothing | Required::Session | Required::SessionOrToken) {
            add("in another workspace", |system, it| Box::pin(in_another_workspace(system, it)));
        }
    }
    cases.extend([
        Case::new("the victim's job by its key, replaced, adopted and exported", |system| {
            Box::pin(key_of_another_workspace(system))
        }),
        Case::new("put_secret of another workspace", |system| Box::pin(secret_of_another_workspace(system))),
        Case::new("the victim's rule at one's own job", |system| {
            Box::pin(rule_of_another_job(system, false))
        }),
        Case::new("one's own rule at the victim's job", |system| Box::pin(rule_of_another_job(system, true))),
        Case::new("two workspaces named in one request", |system| Box::pin(two_named(system))),
        Case::new("one's own workspaces, with the victim's named", |system| Box::pin(not_listed(system))),
    ]);
    cases
}

async fn of_another_workspace(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let Tenant { workspace, token, session, .. } = &world.attacker;
    let callers = if operation.required == Required::Session { vec![session] } else { vec![token, session] };
    for token in callers {
        let send = async |things: &Things| {
            let (path, body) = (operation.path_to(things), operation.body(things, "changed"));
            system.call_in(workspace, token, (&operation.method, &path), &body).await
        };
        let (existing, absent) = (send(&world.theirs).await?, send(&Things::absent()).await?);
        absent.expect_problem(404, "not_found")?;
        ensure!(existing.comparable() == absent.comparable(), "{existing:?} is not {absent:?}");
    }
    world.is_unchanged(&system).await
}

/// Of a name that the victim has, the attacker creates a secret of its own, as of any other name.
async fn secret_of_another_workspace(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let other = system.sign_up(&format!("other{}", system.number())).await?;
    for name in [&world.theirs.secret, "never-was"] {
        let path = format!("/v1/secrets/{name}");
        let body = json!({ "value": "changed" });
        let created = system.call_as(&other.token, "PUT", &path, &body).await?.expect(201)?;
        ensure!(created["version"] == 1, "{created}");
    }
    world.is_unchanged(&system).await
}

/// A key is a name inside a workspace: of the victim's, the attacker creates a job of its own. The id of the victim's job adopts nothing.
async fn key_of_another_workspace(system: Arc<System>) -> anyhow::Result<()> {
    let attacker = &World::of(&system).await?.attacker.token;
    let victim = system.sign_up(&format!("keys{}", system.number())).await?;
    let body =
        json!({ "schedule": { "cron": "0 0 1 1 *" }, "request": { "url": "https://target.example/" } });
    let key = format!("key{}", system.number());
    let by_key = format!("/v1/jobs/{key}");
    let theirs = system.call_as(&victim.token, "PUT", &by_key, &body).await?.expect(201)?;
    let id = theirs["id"].as_str().unwrap_or_default();
    system.call_as(attacker, "GET", &by_key, &Value::Null).await?.expect_problem(404, "not_found")?;
    let own = system.call_as(attacker, "PUT", &by_key, &body).await?.expect(201)?;
    ensure!(own["id"] != theirs["id"], "{own}");
    let mut adopting = body.clone();
    adopting["adopt"] = json!(id);
    let apply = json!({ "stack": "theirs", "jobs": { "adopted": adopting }, "take_over": true });
    let refused = system.call_as(attacker, "POST", "/v1/jobs/apply", &apply).await?;
    refused.expect_invalid("/jobs/adopted/adopt", "job_unknown")?;
    let export = system.call_as(attacker, "POST", "/v1/jobs/export", &json!({})).await?;
    export.expect(200)?;
    ensure!(!export.text().contains(id), "{}", export.text());
    let read = system.call_as(&victim.token, "GET", &by_key, &Value::Null).await?.expect(200)?;
    ensure!(read["version"] == 1 && read["id"] == theirs["id"], "{read}");
    Ok(())
}

async fn in_another_workspace(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let Tenant { token, session, .. } = &world.attacker;
    for token in [token, session] {
        let send = async |workspace: &str| {
            let (path, body) = (operation.path_to(&world.theirs), operation.body(&world.theirs, "changed"));
            system.call_in(workspace, token, (&operation.method, &path), &body).await
        };
        let absent = send("ws_01h455vb4pex5vsknk084sn02q").await?;
        absent.expect_problem(404, "not_found")?;
        let existing = send(&world.victim.workspace).await?;
        ensure!(existing.comparable() == absent.comparable(), "{existing:?} is not {absent:?}");
    }
    world.is_unchanged(&system).await
}

/// The operation is about the user, whatever workspace the request names.
async fn not_listed(system: Arc<System>) -> anyhow::Result<()> {
    let World { attacker, victim, .. } = World::of(&system).await?;
    let operation = ("GET", "/v1/workspaces");
    let list =
        system.call_in(&victim.workspace, &attacker.session, operation, &Value::Null).await?.expect(200)?;
    let has =
        |workspace: &str| list["data"].as_array().into_iter().flatten().any(|item| item["id"] == workspace);
    ensure!(has(&attacker.workspace) && !has(&victim.workspace), "{list}");
    Ok(())
}

async fn rule_of_another_job(system: Arc<System>, at_victims_job: bool) -> anyhow::Result<()> {
    let World { attacker, theirs, own, .. } = World::of(&system).await?;
    let (job, rule) = if at_victims_job { (&theirs.job, &own.rule) } else { (&own.job, &theirs.rule) };
    let path = format!("/v1/jobs/{job}/notification-rules/{rule}");
    let response = system.call_as(&attacker.token, "DELETE", &path, &Value::Null).await?;
    response.expect_problem(404, "not_found")?;
    let list = format!("/v1/jobs/{}/notification-rules", own.job);
    let list = system.call_as(&attacker.token, "GET", &list, &Value::Null).await?.expect(200)?;
    ensure!(list["data"].to_string().contains(&own.rule), "one's own rule is gone: {list}");
    World::of(&system).await?.is_unchanged(&system).await
}

/// Whichever counts, the response shows nothing of the victim.
async fn two_named(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let (own, theirs) = (&world.attacker.workspace, &world.victim.workspace);
    for pair in [[own, theirs], [theirs, own]] {
        for token in [&world.attacker.token, &world.attacker.session] {
            let mut headers = vec![format!("authorization: Bearer {token}")];
            headers.extend(pair.map(|id| format!("trigrun-workspace: {id}")));
            let response = request(system.api, "GET", "/v1/jobs", &headers, b"").await?;
            ensure!(response.status == 200 || (400..500).contains(&response.status), "{}", response.status);
            world.is_not_in(&response)?;
        }
    }
    Ok(())
}
