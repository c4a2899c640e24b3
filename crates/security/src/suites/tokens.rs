//! Family J: tokens: none, wrong, dead, and such as want to be more than they are.

mod dead;
mod made;
mod wrong;

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::OnceCell;

use crate::{
    case::{Case, Family},
    system::{System, Tenant, text},
    wire::{Reply, send},
};

pub fn cases() -> Vec<Case> {
    [wrong::cases(), dead::cases(), made::cases()].into_iter().flatten().collect()
}

type Tried = LocalBoxFuture<'static, anyhow::Result<()>>;

fn asks(name: &str, attempt: fn(Arc<System>) -> Tried) -> Case {
    Case::asks(Family::Tokens, name, attempt)
}

/// Two people, each with a workspace, and what is asked of them.
struct People {
    ada: Tenant,
    bob: Tenant,
    bob_id: String,
    invitation: String,
}

static PEOPLE: OnceCell<People> = OnceCell::const_new();

async fn people(system: &System) -> anyhow::Result<&'static People> {
    let sign_up = async || {
        let (ada, bob) = (system.sign_up("ada.tokens").await?, system.sign_up("bob.tokens").await?);
        let me = system.ask_as(&bob.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
        let stranger = json!({ "email": "stranger.tokens@example.com" });
        let invited = system.ask_as(&ada.token, "POST", "/v1/members", &stranger).await?.expect(201)?;
        Ok(People { ada, bob, bob_id: text(&me["user"]["id"])?, invitation: text(&invited["invitation"])? })
    };
    PEOPLE.get_or_try_init(sign_up).await
}

/// With these lines in its head.
async fn look(to: SocketAddr, path: &str, lines: &[u8]) -> anyhow::Result<Reply> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\nx-request-id: siege\r\n");
    let request = [head.as_bytes(), lines, b"\r\n"].concat();
    send(to, &request).await?.context("it hung up without an answer")
}

fn refused(reply: &Reply) -> anyhow::Result<()> {
    reply.expect_problem(401, "unauthorized")?;
    ensure!(reply.header("www-authenticate") == Some("Bearer"), "{}", reply.head);
    Ok(())
}
