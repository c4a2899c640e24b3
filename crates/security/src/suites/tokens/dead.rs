//! Tokens and sessions that were good once.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use trigrun_core::{crypto, domain::access::TokenKind};

use super::{People, asks, look, people, refused};
use crate::{
    case::{Case, Family},
    system::{PASSWORD, System, text, until},
    wire::Reply,
};

/// Who does what, and whether only the second token is dead then or both. Bob has made the first token, which has made the second.
const DEATHS: &[(&str, &str, &str, &str, &str, Dead)] = &[
    ("deleted", "ada", "DELETE", "/v1/tokens/{second}", "", Dead::Second),
    ("deleted by itself", "second", "DELETE", "/v1/tokens/{second}", "", Dead::Second),
    ("rotated", "ada", "POST", "/v1/tokens/{second}/rotate", "", Dead::Second),
    ("rotated by itself", "second", "POST", "/v1/tokens/{second}/rotate", "", Dead::Second),
    ("whose maker is removed", "ada", "DELETE", "/v1/members/{bob}", "", Dead::Both),
    ("whose maker leaves", "bob", "DELETE", "/v1/members/{bob}", "", Dead::Both),
    ("whose maker may less", "ada", "PATCH", "/v1/members/{bob}", r#"{"role": "member"}"#, Dead::Both),
    ("of a deleted workspace", "ada", "DELETE", "/v1/workspace", "", Dead::Both),
];

#[derive(Clone, Copy, PartialEq)]
enum Dead {
    Second,
    Both,
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        asks("one that expires", |system| Box::pin(expires(system))),
        asks("a session that is over", |system| Box::pin(logged_out(system))),
        asks("one rotated eight times at once", |system| Box::pin(rotated_at_once(system))),
    ];
    for death in DEATHS {
        let name = format!("one {}", death.0);
        cases.push(Case::asks(Family::Tokens, name, move |system| async move { dies(&system, death).await }));
    }
    cases
}

async fn look_with(to: SocketAddr, token: &str) -> anyhow::Result<Reply> {
    look(to, "/v1/jobs?limit=1", format!("authorization: Bearer {token}\r\n").as_bytes()).await
}

/// On both replicas, within a second, and like one that never was.
async fn is_dead(system: &System, token: &str) -> anyhow::Result<()> {
    let unknown = crypto::new_token(TokenKind::Api).ok().context("no randomness")?;
    let unknown = look_with(system.api, unknown.reveal()).await?;
    for api in [system.api, system.strict_api] {
        let mut seen = unknown.clone();
        until(Duration::from_secs(1), async || match look_with(api, token).await {
            Ok(reply) => {
                seen = reply;
                seen.status == 401
            }
            Err(_) => false,
        })
        .await
        .with_context(|| format!("it lives: {}", seen.text()))?;
        ensure!(seen.timeless() == unknown.timeless(), "{} is not {}", seen.text(), unknown.text());
    }
    Ok(())
}

async fn lives(system: &System, token: &str) -> anyhow::Result<()> {
    for api in [system.api, system.strict_api] {
        look_with(api, token).await?.expect(200)?;
    }
    Ok(())
}

async fn dies(
    system: &System,
    (_, by, method, path, body, dead): &(&str, &str, &str, &str, &str, Dead),
) -> anyhow::Result<()> {
    let People { ada, bob, bob_id, .. } = people(system).await?;
    let place = json!({ "name": "deaths" });
    let place = system.ask_as(&ada.session, "POST", "/v1/workspaces", &place).await?.expect(201)?;
    let place = text(&place["id"])?;
    system.join((&place, &ada.session), bob, "admin").await?;
    let token = json!({ "name": "siege" });
    let first = system.ask_in(&place, &bob.session, ("POST", "/v1/tokens"), &token).await?.expect(201)?;
    let first = text(&first["token"])?;
    let made = system.ask_as(&first, "POST", "/v1/tokens", &token).await?.expect(201)?;
    let second = text(&made["token"])?;
    lives(system, &first).await?;
    lives(system, &second).await?;

    let by = match *by {
        "ada" => &ada.session,
        "bob" => &bob.session,
        _ => &second,
    };
    let path = path.replace("{second}", &text(&made["id"])?).replace("{bob}", bob_id);
    let body = serde_json::from_str(body).unwrap_or_default();
    let done = system.ask_in(&place, by, (method, &path), &body).await?;
    ensure!((200..300).contains(&done.status), "{} {}", done.status, done.text());
    is_dead(system, &second).await?;
    match dead {
        Dead::Second => lives(system, &first).await?,
        Dead::Both => is_dead(system, &first).await?,
    }
    if let Some(new) = done.json()["token"].as_str() {
        lives(system, new).await?;
    }
    Ok(())
}

async fn expires(system: Arc<System>) -> anyhow::Result<()> {
    let soon =
        "select to_char((now() + interval '2 s') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
    let soon: String = system.sql().await?.query_one(soon, &[]).await?.get(0);
    let token = json!({ "name": "siege", "expires_at": soon });
    let made = system.ask("POST", "/v1/tokens", &token).await?.expect(201)?;
    let token = text(&made["token"])?;
    lives(&system, &token).await?;
    let dead = async || look_with(system.api, &token).await.is_ok_and(|reply| reply.status == 401);
    until(Duration::from_secs(4), dead).await?;
    is_dead(&system, &token).await?;
    // Nor does another secret give it more time.
    let path = format!("/v1/tokens/{}/rotate", text(&made["id"])?);
    let rotated = system.ask("POST", &path, &Value::Null).await?.expect(200)?;
    is_dead(&system, &text(&rotated["token"])?).await
}

async fn logged_out(system: Arc<System>) -> anyhow::Result<()> {
    let bob = &people(&system).await?.bob;
    let wanted = json!({ "email": bob.email, "password": PASSWORD });
    let made = system.ask_as("", "POST", "/v1/auth/login", &wanted).await?.expect(200)?;
    let session = text(&made["token"])?;
    let sees = async |session: &str| system.ask_as(session, "GET", "/v1/workspaces", &Value::Null).await;
    sees(&session).await?.expect(200)?;
    system.ask_as(&session, "POST", "/v1/auth/logout", &Value::Null).await?.expect(204)?;
    is_dead(&system, &session).await?;
    refused(&sees(&session).await?)?;
    refused(&system.ask_as(&session, "POST", "/v1/auth/logout", &Value::Null).await?)?;
    sees(&bob.session).await?.expect(200).map(drop)
}

/// Of the answers that come together, one is right in the end.
async fn rotated_at_once(system: Arc<System>) -> anyhow::Result<()> {
    let made = system.ask("POST", "/v1/tokens", &json!({ "name": "siege" })).await?.expect(201)?;
    let path = format!("/v1/tokens/{}/rotate", text(&made["id"])?);
    let rotate = async |_| text(&system.ask("POST", &path, &Value::Null).await?.expect(200)?["token"]);
    let secrets = try_join_all((0..8).map(rotate)).await?;
    let status = async |secret: &String| Ok::<_, anyhow::Error>(look_with(system.api, secret).await?.status);
    let mut seen = try_join_all(secrets.iter().map(status)).await?;
    seen.sort_unstable();
    ensure!(seen == [200, 401, 401, 401, 401, 401, 401, 401], "{seen:?}");
    is_dead(&system, &text(&made["token"])?).await
}
