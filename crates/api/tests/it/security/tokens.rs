//! Suite J: missing, invalid and revoked tokens, and tokens that ask for more than they have.

mod escalation;
mod invalid;
mod revoked;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::net::SocketAddr;
use trigrun_testkit::raw_http::{RawResponse, send};

use super::{
    case::Suite,
    system::{System, Tenant, text},
};

pub fn suite() -> Suite {
    let cases = [invalid::cases(), revoked::cases(), escalation::cases()];
    Suite { letter: 'J', cases: cases.into_iter().flatten().collect() }
}

/// Two users, each with a workspace.
pub struct Users {
    ada: Tenant,
    bob: Tenant,
    bob_id: String,
    /// To Ada's workspace, for another address.
    invitation: String,
}

async fn users(system: &System) -> anyhow::Result<&Users> {
    let sign_up = async || {
        let (ada, bob) = (system.sign_up("ada.tokens").await?, system.sign_up("bob.tokens").await?);
        let me = system.call_as(&bob.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
        let guest = json!({ "email": "guest.tokens@example.com" });
        let invited = system.call_as(&ada.token, "POST", "/v1/members", &guest).await?.expect(201)?;
        let (bob_id, invitation) = (text(&me["user"]["id"])?, text(&invited["invitation"])?);
        anyhow::Ok(Users { ada, bob, bob_id, invitation })
    };
    system.users.get_or_try_init(sign_up).await
}

/// GETs `path` with these header lines.
async fn get_with(to: SocketAddr, path: &str, lines: &[u8]) -> anyhow::Result<RawResponse> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\nx-request-id: test\r\n");
    let request = [head.as_bytes(), lines, b"\r\n"].concat();
    send(to, &request).await?.context("the connection was closed without a response")
}

fn is_unauthorized(response: &RawResponse) -> anyhow::Result<()> {
    response.expect_problem(401, "unauthorized")?;
    ensure!(response.header("www-authenticate") == Some("Bearer"), "{}", response.head);
    Ok(())
}
