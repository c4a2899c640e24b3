//! Each operation needs what the document says, and no more; and a role allows what docs/people.md says.

use anyhow::ensure;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{
    DOCUMENT, Operation, RequiredScope, operations,
    world::{Things, World},
};
use crate::{
    case::{Case, Family},
    system::{SCOPES, System},
    wire::Reply,
};

/// What a member may, from docs/people.md.
const OF_MEMBERS: [&str; 2] = ["jobs:read", "executions:read"];
/// Without a token, but with a body.
const DOORS: [&str; 2] = ["sign_up", "log_in"];

/// What an admin may not: it concerns owners, and the workspace's end. `{owner}` and `{admin}` are people.
const OF_OWNERS: &[(&str, &str, &str, &str)] = &[
    ("bring in an owner", "POST", "/v1/members", r#"{"email": "new.owner@example.com", "role": "owner"}"#),
    ("become an owner", "PATCH", "/v1/members/{admin}", r#"{"role": "owner"}"#),
    ("make an owner an admin", "PATCH", "/v1/members/{owner}", r#"{"role": "admin"}"#),
    ("make an owner an owner again", "PATCH", "/v1/members/{owner}", r#"{"role": "owner"}"#),
    ("remove an owner", "DELETE", "/v1/members/{owner}", ""),
    ("end the workspace", "DELETE", "/v1/workspace", ""),
];

pub fn cases() -> Vec<Case> {
    let mut cases =
        vec![Case::asks(Family::Tenants, "the document is the one that is served", |system| async move {
            let served = system.ask_as("", "GET", "/openapi.json", &Value::Null).await?.expect(200)?;
            ensure!(
                served == serde_json::from_str::<Value>(DOCUMENT)?,
                "it is another: these cases are of docs/openapi.json"
            );
            Ok(())
        })];
    for operation in operations() {
        let mut add = |what: &str, attempt: fn(Arc<System>, Operation) -> super::Tried| {
            let operation = operation.clone();
            cases.push(Case::asks(Family::Tenants, format!("{} {what}", operation.id), move |system| {
                attempt(system, operation.clone())
            }));
        };
        match operation.needs {
            RequiredScope::Nothing => add("with a wrong token", |system, it| Box::pin(open(system, it))),
            _ => add("without a token", |system, it| Box::pin(closed(system, it))),
        }
        match operation.needs {
            RequiredScope::Nothing => {}
            RequiredScope::Anybody => add("with any one scope", |system, it| Box::pin(with_any(system, it))),
            RequiredScope::Session => add("with an API token", |system, it| Box::pin(for_people(system, it))),
            RequiredScope::Scope(_) => {
                add("with every other scope", |system, it| Box::pin(with_others(system, it)));
                add("with its scope alone", |system, it| Box::pin(with_its_own(system, it)));
                add("by a member", |system, it| Box::pin(by_a_member(system, it)));
                add("by an admin", |system, it| Box::pin(by_an_admin(system, it)));
                // The end of a workspace is a family of its own.
                if operation.id != "delete_workspace" {
                    add("by an owner", |system, it| Box::pin(by_an_owner(system, it)));
                }
            }
        }
    }
    for row in OF_OWNERS {
        cases.push(Case::asks(
            Family::Tenants,
            format!("an admin would {}", row.0),
            move |system| async move { of_owners(&system, row).await },
        ));
    }
    cases
}

async fn send(
    system: &System,
    (workspace, token): (&str, &str),
    operation: &Operation,
) -> anyhow::Result<Reply> {
    let absent = Things::absent();
    let body = operation.body(&absent, &format!("scopes{}", system.number()));
    system.ask_in(workspace, token, (&operation.method, &operation.path_to(&absent)), &body).await
}

/// Past the door; what is asked for never was.
fn let_in(operation: &Operation, reply: &Reply) -> anyhow::Result<()> {
    if operation.is_about_one() {
        return reply.expect_problem(404, "not_found");
    }
    if operation.id == "rotate_signing_secret" && reply.status == 409 {
        return reply.expect_problem(409, "rotation_pending");
    }
    if operation.id == "delete_workspace" {
        return reply.expect_problem(403, "owner_required");
    }
    ensure!((200..300).contains(&reply.status), "{} {}", reply.status, reply.text());
    Ok(())
}

async fn open(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let reply = system.ask_as("nonsense", &operation.method, &operation.path, &json!({})).await?;
    if DOORS.contains(&&*operation.id) {
        return reply.expect_problem(422, "validation_failed");
    }
    reply.expect(200).map(drop)
}

async fn closed(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let theirs = &World::of(&system).await?.theirs;
    for things in [theirs, &Things::absent()] {
        let (path, body) = (operation.path_to(things), operation.body(things, "nobody"));
        let reply = system.ask_as("", &operation.method, &path, &body).await?;
        reply.expect_problem(401, "unauthorized")?;
        ensure!(reply.header("www-authenticate") == Some("Bearer"), "{}", reply.head);
    }
    Ok(())
}

async fn with(system: &System, scopes: &[&str], operation: &Operation) -> anyhow::Result<Reply> {
    let attacker = &World::of(system).await?.attacker;
    let token = system.token(&attacker.token, scopes).await?;
    send(system, (&attacker.workspace, &token), operation).await
}

async fn with_any(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    for scope in SCOPES {
        with(&system, &[scope], &operation).await?.expect(200)?;
    }
    Ok(())
}

async fn for_people(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    with(&system, &SCOPES, &operation).await?.expect_problem(403, "session_required")
}

async fn with_others(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let others: Vec<&str> = SCOPES
        .into_iter()
        .filter(|scope| operation.needs != RequiredScope::Scope((*scope).to_owned()))
        .collect();
    ensure!(others.len() == SCOPES.len() - 1, "there is no such scope");
    with(&system, &others, &operation).await?.expect_problem(403, "scope_missing")
}

async fn with_its_own(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let RequiredScope::Scope(scope) = &operation.needs else { return Ok(()) };
    let_in(&operation, &with(&system, &[scope], &operation).await?)
}

async fn by_a_member(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let World { attacker, club, .. } = World::of(&system).await?;
    let reply = send(&system, (club, &attacker.session), &operation).await?;
    if OF_MEMBERS.iter().any(|scope| operation.needs == RequiredScope::Scope((*scope).to_owned())) {
        return let_in(&operation, &reply);
    }
    reply.expect_problem(403, "scope_missing")
}

async fn by_an_admin(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let World { attacker, board, .. } = World::of(&system).await?;
    let_in(&operation, &send(&system, (board, &attacker.session), &operation).await?)
}

async fn by_an_owner(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let attacker = &World::of(&system).await?.attacker;
    let_in(&operation, &send(&system, (&attacker.workspace, &attacker.session), &operation).await?)
}

async fn of_owners(
    system: &System,
    (_, method, path, body): &(&str, &str, &str, &str),
) -> anyhow::Result<()> {
    let World { attacker, victim, board, own, theirs, .. } = World::of(system).await?;
    let members = async || {
        system.ask_in(board, &victim.session, ("GET", "/v1/members"), &Value::Null).await?.expect(200)
    };
    let before = members().await?;
    let token = json!({ "name": "siege" });
    let mut tokens = vec![attacker.session.clone()];
    for maker in [&attacker.session, &victim.session] {
        // Also one that an owner has made is none of an owner.
        let made = system.ask_in(board, maker, ("POST", "/v1/tokens"), &token).await?.expect(201)?;
        tokens.push(crate::system::text(&made["token"])?);
    }
    let path = path.replace("{owner}", &theirs.member).replace("{admin}", &own.member);
    let body = serde_json::from_str(body).unwrap_or_default();
    for token in tokens {
        let reply = system.ask_in(board, &token, (method, &path), &body).await?;
        reply.expect_problem(403, "owner_required")?;
    }
    let after = members().await?;
    ensure!(before == after, "{before} became {after}");
    Ok(())
}
