//! Tokens and sessions that were valid once.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use trigrun_core::{
    crypto,
    domain::{access::TokenKind, id::TokenId},
};
use trigrun_testkit::raw_http::RawResponse;

use super::{Users, get_with, is_unauthorized, users};
use crate::security::{
    case::Case,
    system::{PASSWORD, System, text},
};

/// Who does what, and whether that revokes the second token or both. Bob created the first token, and with it the second.
const REVOCATIONS: &[(&str, &str, &str, &str, &str, Revoked)] = &[
    ("deleted", "ada", "DELETE", "/v1/tokens/{second}", "", Revoked::Second),
    ("deleted by itself", "second", "DELETE", "/v1/tokens/{second}", "", Revoked::Second),
    ("rotated", "ada", "POST", "/v1/tokens/{second}/rotate", "", Revoked::Second),
    ("whose creating token is deleted", "ada", "DELETE", "/v1/tokens/{first}", "", Revoked::Both),
    ("whose creating token is rotated", "ada", "POST", "/v1/tokens/{first}/rotate", "", Revoked::Both),
    ("that rotates its creating token", "second", "POST", "/v1/tokens/{first}/rotate", "", Revoked::Both),
    ("rotated by itself", "second", "POST", "/v1/tokens/{second}/rotate", "", Revoked::Second),
    ("whose creator is removed", "ada", "DELETE", "/v1/members/{bob}", "", Revoked::Both),
    ("whose creator leaves", "bob", "DELETE", "/v1/members/{bob}", "", Revoked::Both),
    (
        "whose creator loses a role",
        "ada",
        "PATCH",
        "/v1/members/{bob}",
        r#"{"role": "member"}"#,
        Revoked::Both,
    ),
    ("of a deleted workspace", "ada", "DELETE", "/v1/workspace", "", Revoked::Both),
];

#[derive(Clone, Copy, PartialEq)]
enum Revoked {
    Second,
    Both,
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("one that expires", |system| Box::pin(expires(system))),
        Case::new("a session after logging out", |system| Box::pin(logged_out(system))),
        Case::new("one rotated eight times at once", |system| Box::pin(rotated_at_once(system))),
    ];
    for revocation in REVOCATIONS {
        let name = format!("one {}", revocation.0);
        cases.push(Case::new(name, move |system| async move { is_revoked_by(&system, revocation).await }));
    }
    cases
}

async fn list_with(to: SocketAddr, token: &str) -> anyhow::Result<RawResponse> {
    get_with(to, "/v1/jobs?limit=1", format!("authorization: Bearer {token}\r\n").as_bytes()).await
}

/// At once, at both replicas, with the same response as a token that never existed.
async fn is_revoked(system: &System, token: &str) -> anyhow::Result<()> {
    let unknown = crypto::new_token(TokenKind::Api).ok().context("no randomness")?;
    let unknown = list_with(system.api, unknown.reveal()).await?;
    for api in [system.api, system.strict_api] {
        let response = list_with(api, token).await?;
        ensure!(
            response.comparable() == unknown.comparable(),
            "{} is not {}",
            response.text(),
            unknown.text()
        );
    }
    is_unauthorized(&unknown)
}

async fn is_valid(system: &System, token: &str) -> anyhow::Result<()> {
    for api in [system.api, system.strict_api] {
        list_with(api, token).await?.expect(200)?;
    }
    Ok(())
}

async fn is_revoked_by(
    system: &System,
    (_, by, method, path, body, revoked): &(&str, &str, &str, &str, &str, Revoked),
) -> anyhow::Result<()> {
    let Users { ada, bob, bob_id, .. } = users(system).await?;
    let workspace = json!({ "name": "revocations" });
    let workspace = system.call_as(&ada.session, "POST", "/v1/workspaces", &workspace).await?.expect(201)?;
    let workspace = text(&workspace["id"])?;
    system.join((&workspace, &ada.session), bob, "admin").await?;
    let token = json!({ "name": "test" });
    let first =
        system.call_in(&workspace, &bob.session, ("POST", "/v1/tokens"), &token).await?.expect(201)?;
    let (first_id, first) = (text(&first["id"])?, text(&first["token"])?);
    let created = system.call_as(&first, "POST", "/v1/tokens", &token).await?.expect(201)?;
    let second = text(&created["token"])?;
    is_valid(system, &first).await?;
    is_valid(system, &second).await?;

    let by = match *by {
        "ada" => &ada.session,
        "bob" => &bob.session,
        _ => &second,
    };
    let path = path.replace("{second}", &text(&created["id"])?);
    let path = path.replace("{first}", &first_id).replace("{bob}", bob_id);
    let body = serde_json::from_str(body).unwrap_or_default();
    let response = system.call_in(&workspace, by, (method, &path), &body).await?;
    ensure!((200..300).contains(&response.status), "{} {}", response.status, response.text());
    is_revoked(system, &second).await?;
    match revoked {
        Revoked::Second => is_valid(system, &first).await?,
        Revoked::Both => is_revoked(system, &first).await?,
    }
    if let Some(new) = response.json()["token"].as_str() {
        is_valid(system, new).await?;
    }
    Ok(())
}

async fn expires(system: Arc<System>) -> anyhow::Result<()> {
    let token = json!({ "name": "test", "expires_at": "2999-01-01T00:00:00Z" });
    let created = system.call("POST", "/v1/tokens", &token).await?.expect(201)?;
    let token = text(&created["token"])?;
    is_valid(&system, &token).await?;
    let id: TokenId = text(&created["id"])?.parse().ok().context("an id of a token")?;
    let expire = "update tokens set expires_at = now() - interval '1 microsecond' where id = $1";
    ensure!(system.app.db.session().await.execute(expire, &[&id.uuid()]).await? == 1, "no such token");
    is_revoked(&system, &token).await?;
    // A rotation does not extend it.
    let path = format!("/v1/tokens/{}/rotate", text(&created["id"])?);
    let rotated = system.call("POST", &path, &Value::Null).await?.expect(200)?;
    is_revoked(&system, &text(&rotated["token"])?).await
}

async fn logged_out(system: Arc<System>) -> anyhow::Result<()> {
    let bob = &users(&system).await?.bob;
    let credentials = json!({ "email": bob.email, "password": PASSWORD });
    let created = system.call_as("", "POST", "/v1/auth/login", &credentials).await?.expect(200)?;
    let session = text(&created["token"])?;
    let list = async |session: &str| system.call_as(session, "GET", "/v1/workspaces", &Value::Null).await;
    list(&session).await?.expect(200)?;
    system.call_as(&session, "POST", "/v1/auth/logout", &Value::Null).await?.expect(204)?;
    is_revoked(&system, &session).await?;
    is_unauthorized(&list(&session).await?)?;
    is_unauthorized(&system.call_as(&session, "POST", "/v1/auth/logout", &Value::Null).await?)?;
    list(&bob.session).await?.expect(200).map(drop)
}

/// Of the tokens in these responses, only the last one is valid.
async fn rotated_at_once(system: Arc<System>) -> anyhow::Result<()> {
    let created = system.call("POST", "/v1/tokens", &json!({ "name": "test" })).await?.expect(201)?;
    let path = format!("/v1/tokens/{}/rotate", text(&created["id"])?);
    let rotate = async |_| text(&system.call("POST", &path, &Value::Null).await?.expect(200)?["token"]);
    let secrets = try_join_all((0..8).map(rotate)).await?;
    let status = async |secret: &String| Ok::<_, anyhow::Error>(list_with(system.api, secret).await?.status);
    let mut statuses = try_join_all(secrets.iter().map(status)).await?;
    statuses.sort_unstable();
    ensure!(statuses == [200, 401, 401, 401, 401, 401, 401, 401], "{statuses:?}");
    is_revoked(&system, &text(&created["token"])?).await
}
