//! What belongs to others is as if it had never been: for every operation with an id, and every workspace that is named.

use anyhow::ensure;
use serde_json::Value;
use std::sync::Arc;

use super::{
    Operation, RequiredScope, Tried, operations,
    world::{Things, World},
};
use crate::{
    case::{Case, Family},
    system::{System, Tenant},
    wire::call,
};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations() {
        let mut add = |what: &str, attempt: fn(Arc<System>, Operation) -> Tried| {
            let operation = operation.clone();
            cases.push(Case::asks(Family::Tenants, format!("{} {what}", operation.id), move |system| {
                attempt(system, operation.clone())
            }));
        };
        if operation.is_about_one() {
            add("of another workspace", |system, it| Box::pin(of_others(system, it)));
        }
        if !matches!(operation.needs, RequiredScope::Nothing | RequiredScope::Session) {
            add("in another workspace", |system, it| Box::pin(in_others(system, it)));
        }
    }
    let asks = |name: &str, attempt: fn(Arc<System>) -> Tried| Case::asks(Family::Tenants, name, attempt);
    cases.extend([
        asks("another's rule at one's own job", |system| Box::pin(rule_elsewhere(system, false))),
        asks("one's own rule at another's job", |system| Box::pin(rule_elsewhere(system, true))),
        asks("two workspaces named at once", |system| Box::pin(two_named(system))),
        asks("one's own workspaces with another's name", |system| Box::pin(not_listed(system))),
    ]);
    cases
}

async fn of_others(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let Tenant { workspace, token, session, .. } = &world.attacker;
    for token in [token, session] {
        let send = async |things: &Things| {
            let (path, body) = (operation.path_to(things), operation.body(things, "taken-over"));
            system.ask_in(workspace, token, (&operation.method, &path), &body).await
        };
        let (existing, never) = (send(&world.theirs).await?, send(&Things::absent()).await?);
        never.expect_problem(404, "not_found")?;
        ensure!(existing.timeless() == never.timeless(), "{existing:?} is not {never:?}");
    }
    world.is_as_before(&system).await
}

async fn in_others(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let Tenant { token, session, .. } = &world.attacker;
    for token in [token, session] {
        let send = async |workspace: &str| {
            let (path, body) =
                (operation.path_to(&world.theirs), operation.body(&world.theirs, "taken-over"));
            system.ask_in(workspace, token, (&operation.method, &path), &body).await
        };
        let never = send("ws_01h455vb4pex5vsknk084sn02q").await?;
        never.expect_problem(404, "not_found")?;
        let existing = send(&world.victim.workspace).await?;
        ensure!(existing.timeless() == never.timeless(), "{existing:?} is not {never:?}");
    }
    world.is_as_before(&system).await
}

/// What is about a person is so whatever workspace they name.
async fn not_listed(system: Arc<System>) -> anyhow::Result<()> {
    let World { attacker, victim, .. } = World::of(&system).await?;
    let ask = ("GET", "/v1/workspaces");
    let list = system.ask_in(&victim.workspace, &attacker.session, ask, &Value::Null).await?.expect(200)?;
    let has =
        |workspace: &str| list["data"].as_array().into_iter().flatten().any(|one| one["id"] == workspace);
    ensure!(has(&attacker.workspace) && !has(&victim.workspace), "{list}");
    Ok(())
}

async fn rule_elsewhere(system: Arc<System>, at_theirs: bool) -> anyhow::Result<()> {
    let World { attacker, theirs, own, .. } = World::of(&system).await?;
    let (job, rule) = if at_theirs { (&theirs.job, &own.rule) } else { (&own.job, &theirs.rule) };
    let path = format!("/v1/jobs/{job}/notification-rules/{rule}");
    let reply = system.ask_as(&attacker.token, "DELETE", &path, &Value::Null).await?;
    reply.expect_problem(404, "not_found")?;
    let list = format!("/v1/jobs/{}/notification-rules", own.job);
    let list = system.ask_as(&attacker.token, "GET", &list, &Value::Null).await?.expect(200)?;
    ensure!(list["data"].to_string().contains(&own.rule), "one's own is gone: {list}");
    World::of(&system).await?.is_as_before(&system).await
}

/// Whichever counts, nothing of the other is seen.
async fn two_named(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let (own, theirs) = (&world.attacker.workspace, &world.victim.workspace);
    for pair in [[own, theirs], [theirs, own]] {
        for token in [&world.attacker.token, &world.attacker.session] {
            let mut headers = vec![format!("authorization: Bearer {token}")];
            headers.extend(pair.map(|id| format!("trigrun-workspace: {id}")));
            let reply = call(system.api, "GET", "/v1/jobs", &headers, b"").await?;
            ensure!(reply.status == 200 || (400..500).contains(&reply.status), "{}", reply.status);
            world.is_not_in(&reply)?;
        }
    }
    Ok(())
}
