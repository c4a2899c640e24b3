//! Each operation needs the scope that the document says, and no other; a role allows what docs/people.md says.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Mutex;
use trigrun_core::domain::access::Scope;
use trigrun_testkit::raw_http::RawResponse;

use super::{
    Operation, Required,
    fixture::{Things, World},
    operations,
};
use crate::{
    app::Response,
    authorization::{self, Seeds, TABLE},
    security::{
        case::{Attempt, Case},
        system::{SCOPES, System, text},
    },
};

/// A member's scopes, from docs/people.md.
const MEMBER_SCOPES: [&str; 2] = ["jobs:read", "executions:read"];
/// Operations without a token that need a body.
const WITH_BODY: [&str; 5] = ["sign_up", "log_in", "create_verification", "reset_password", "confirm_email"];

/// What an admin may not do: it concerns owners, or the end of the workspace. `{owner}` and `{admin}` are members.
const FOR_OWNERS: &[(&str, &str, &str, &str)] = &[
    ("invite an owner", "POST", "/v1/members", r#"{"email": "new.owner@example.com", "role": "owner"}"#),
    ("become an owner", "PATCH", "/v1/members/{admin}", r#"{"role": "owner"}"#),
    ("make an owner an admin", "PATCH", "/v1/members/{owner}", r#"{"role": "admin"}"#),
    ("make an owner an owner again", "PATCH", "/v1/members/{owner}", r#"{"role": "owner"}"#),
    ("remove an owner", "DELETE", "/v1/members/{owner}", ""),
    ("delete the workspace", "DELETE", "/v1/workspace", ""),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations() {
        let mut add = |what: &str, attempt: fn(Arc<System>, Operation) -> Attempt| {
            let operation = operation.clone();
            cases.push(Case::new(format!("{} {what}", operation.id), move |system| {
                attempt(system, operation.clone())
            }));
        };
        match operation.required {
            Required::Nothing => add("with an invalid token", |system, it| Box::pin(is_open(system, it))),
            _ => add("without a token", |system, it| Box::pin(is_closed(system, it))),
        }
        match operation.required {
            Required::Nothing => {}
            Required::AnyToken => add("with any one scope", |system, it| Box::pin(with_any(system, it))),
            Required::Session => add("with an API token", |system, it| Box::pin(for_sessions(system, it))),
            Required::SessionOrToken => {
                add("with an API token", |system, it| Box::pin(ends_itself(system, it)))
            }
            Required::Scope(_) => {
                add("with every other scope", |system, it| Box::pin(with_other_scopes(system, it)));
                add("with its scopes alone", |system, it| Box::pin(with_its_scope(system, it)));
                add("by a member", |system, it| Box::pin(by_a_member(system, it)));
                add("by an admin", |system, it| Box::pin(by_an_admin(system, it)));
                // The end of a workspace is suite Q.
                if operation.id != "delete_workspace" {
                    add("by an owner", |system, it| Box::pin(by_an_owner(system, it)));
                }
            }
        }
    }
    cases.extend(FOR_OWNERS.iter().map(|row| {
        Case::new(
            format!("an admin would {}", row.0),
            move |system| async move { for_owners(&system, row).await },
        )
    }));
    cases
}

/// About things that do not exist. A secret is then created, in each request another.
async fn send(
    system: &System,
    (workspace, token): (&str, &str),
    operation: &Operation,
) -> anyhow::Result<RawResponse> {
    let name = format!("scopes{}", system.number());
    let mut absent = Things::absent();
    if operation.id == "put_secret" {
        absent.secret.clone_from(&name);
    }
    let body = operation.body(&absent, &name);
    system.call_in(workspace, token, (&operation.method, &operation.path_to(&absent)), &body).await
}

/// The request was authorised. What it names does not exist.
fn is_authorized(operation: &Operation, response: &RawResponse) -> anyhow::Result<()> {
    if operation.needs_object() {
        return response.expect_problem(404, "not_found");
    }
    if operation.id == "rotate_signing_secret" && response.status == 409 {
        return response.expect_problem(409, "rotation_pending");
    }
    // Its channel is not there.
    if operation.id == "create_workspace_rule" {
        return response.expect_problem(422, "validation_failed");
    }
    if operation.id == "delete_workspace" {
        return response.expect_problem(403, "owner_required");
    }
    ensure!((200..300).contains(&response.status), "{} {}", response.status, response.text());
    Ok(())
}

async fn is_open(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let response = system
        .call_as("nonsense", &operation.method, &operation.path_to(&Things::absent()), &json!({}))
        .await?;
    if WITH_BODY.contains(&&*operation.id) {
        return response.expect_problem(422, "validation_failed");
    }
    response.expect(200).map(drop)
}

async fn is_closed(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let theirs = &World::of(&system).await?.theirs;
    for things in [theirs, &Things::absent()] {
        let (path, body) = (operation.path_to(things), operation.body(things, "unauthenticated"));
        let response = system.call_as("", &operation.method, &path, &body).await?;
        response.expect_problem(401, "unauthorized")?;
        ensure!(response.header("www-authenticate") == Some("Bearer"), "{}", response.head);
    }
    Ok(())
}

async fn with_scopes(system: &System, scopes: &[&str], operation: &Operation) -> anyhow::Result<RawResponse> {
    let attacker = &World::of(system).await?.attacker;
    let token = system.token(&attacker.token, scopes).await?;
    send(system, (&attacker.workspace, &token), operation).await
}

async fn with_any(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    for scope in SCOPES {
        with_scopes(&system, &[scope], &operation).await?.expect(200)?;
    }
    Ok(())
}

async fn for_sessions(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    with_scopes(&system, &SCOPES, &operation).await?.expect_problem(403, "session_required")
}

/// Whatever its scopes, a token may revoke itself.
async fn ends_itself(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let attacker = &World::of(&system).await?.attacker;
    let token = system.token(&attacker.token, &["jobs:read"]).await?;
    send(&system, (&attacker.workspace, &token), &operation).await?.expect(204)?;
    send(&system, (&attacker.workspace, &token), &operation).await?.expect_problem(401, "unauthorized")
}

/// One at a time: an operation may delete what another one reads.
static SEEDS: Mutex<()> = Mutex::const_new(());

/// About things that exist, with a token that has the scope of the table alone, or all others.
async fn with_seeds(
    system: &System,
    operation: &Operation,
    has_scope: bool,
) -> anyhow::Result<(Response, Scope, u16)> {
    let (_, scope, status) =
        TABLE.iter().find(|(id, ..)| *id == operation.id).context("it is not in the authorization table")?;
    ensure!(operation.required == Required::Scope((*scope).to_owned()), "the document says another scope");
    let scope: Scope = scope.parse().ok().context("an unknown scope")?;
    let is_given = |known: &Scope| match has_scope {
        true => operation.scopes.iter().any(|scope| scope == known.as_str()),
        false => *known != scope,
    };
    let scopes: Vec<Scope> = Scope::ALL.iter().copied().filter(is_given).collect();
    let _one_at_a_time = SEEDS.lock().await;
    // The channels of earlier seeds: a workspace can have a hundred.
    system.app.db.execute("delete from channels where name like 'job\\_%'").await;
    let (app, seeds) = (&system.app, Seeds::new(&system.app).await);
    let token = app.token_of(app.workspace, &scopes).await;
    let known = authorization::operations().into_iter().find(|known| known.id == operation.id);
    let known = known.context("it is not in the document")?;
    let (path, body) = (known.path_to(&seeds), known.body(&seeds));
    let response = app.send_as(&token, known.method, &path, &[], &body).await;
    // A workspace has a limit of channels, and there are more cases.
    app.delete(&format!("/v1/notification-channels/{}?force=true", seeds.channel())).await;
    Ok((response, scope, *status))
}

async fn with_other_scopes(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let (response, scope, _) = with_seeds(&system, &operation, false).await?;
    ensure!(response.status == 403 && response.problem(403) == "scope_missing", "{response:?}");
    ensure!(response.text.contains(scope.as_str()), "the scope is not named: {response:?}");
    Ok(())
}

async fn with_its_scope(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let (response, _, status) = with_seeds(&system, &operation, true).await?;
    ensure!(response.status == status, "{response:?}");
    Ok(())
}

async fn by_a_member(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let World { attacker, as_member, .. } = World::of(&system).await?;
    let response = send(&system, (as_member, &attacker.session), &operation).await?;
    if MEMBER_SCOPES.iter().any(|scope| operation.required == Required::Scope((*scope).to_owned())) {
        return is_authorized(&operation, &response);
    }
    response.expect_problem(403, "scope_missing")
}

async fn by_an_admin(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let World { attacker, as_admin, .. } = World::of(&system).await?;
    is_authorized(&operation, &send(&system, (as_admin, &attacker.session), &operation).await?)
}

async fn by_an_owner(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let attacker = &World::of(&system).await?.attacker;
    is_authorized(&operation, &send(&system, (&attacker.workspace, &attacker.session), &operation).await?)
}

async fn for_owners(
    system: &System,
    (_, method, path, body): &(&str, &str, &str, &str),
) -> anyhow::Result<()> {
    let World { attacker, victim, as_admin, own, theirs, .. } = World::of(system).await?;
    let members = async || {
        system.call_in(as_admin, &victim.session, ("GET", "/v1/members"), &Value::Null).await?.expect(200)
    };
    let before = members().await?;
    let token = json!({ "name": "admin" });
    let mut tokens = vec![attacker.session.clone()];
    // A token that an owner created is not an owner either.
    for creator in [&attacker.session, &victim.session] {
        let created = system.call_in(as_admin, creator, ("POST", "/v1/tokens"), &token).await?.expect(201)?;
        tokens.push(text(&created["token"])?);
    }
    let path = path.replace("{owner}", &theirs.member).replace("{admin}", &own.member);
    let body = serde_json::from_str(body).unwrap_or_default();
    for token in tokens {
        let response = system.call_in(as_admin, &token, (method, &path), &body).await?;
        response.expect_problem(403, "owner_required")?;
    }
    let after = members().await?;
    ensure!(before == after, "{before} became {after}");
    Ok(())
}
