//! `trigrun-api token`

use anyhow::Context;
use chrono::TimeDelta;
use clap::Subcommand;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        audit::Author,
        id::{TokenId, WorkspaceId},
        rights::Giver,
    },
    store::{self, tokens},
};

use super::connection;
use crate::settings::Settings;

#[derive(Subcommand)]
pub enum TokenCommand {
    /// Creates a token and prints its secret, which cannot be shown again
    Create {
        /// The workspace of the token, ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        #[arg(long)]
        name: String,
        /// A scope, e.g. jobs:read; can be repeated. Without it, the token has all scopes.
        #[arg(long = "scope")]
        scopes: Vec<Scope>,
        #[arg(long)]
        expires_in_days: Option<u32>,
    },
}

pub async fn run(settings: &Settings, command: TokenCommand) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let TokenCommand::Create { workspace, name, scopes, expires_in_days } = command;
    let now = store::clock::now(conn).await?;
    let secret = crypto::new_token(TokenKind::Api)?;
    let hash = crypto::token_hash(&secret);
    let scopes = if scopes.is_empty() { Scope::ALL.to_vec() } else { scopes };
    let expires_at = expires_in_days.map(|days| now + TimeDelta::days(days.into()));
    let token = tokens::NewToken {
        id: TokenId::at(now),
        name: &name,
        hash: &hash,
        scopes: &scopes,
        expires_at,
        giver: &Giver::Operator,
    };
    let created = tokens::insert(conn, workspace, token, &Author::operator(now), None).await;
    created.with_context(|| format!("a token for {workspace}"))?;
    println!("{}", secret.reveal());
    Ok(())
}
