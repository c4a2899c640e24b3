//! `trigrun-api token`

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        id::{TokenId, WorkspaceId},
        rights::Giver,
    },
    store::{self, tokens},
};

use super::{by::NameArguments, connection};
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
        #[command(flatten)]
        expiry: ExpiryArguments,
        #[command(flatten)]
        by: NameArguments,
    },
}

/// Until when a new token is valid.
#[derive(Args)]
pub struct ExpiryArguments {
    /// Without it, the token does not expire
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expires_in_days: Option<u32>,
}

impl ExpiryArguments {
    pub fn expires_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.expires_in_days.map(|days| now + TimeDelta::days(days.into()))
    }
}

pub async fn run(settings: &Settings, command: TokenCommand) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let TokenCommand::Create { workspace, name, scopes, expiry, by } = command;
    let now = store::clock::now(conn).await?;
    let secret = crypto::new_token(TokenKind::Api)?;
    let hash = crypto::token_hash(&secret);
    let scopes = if scopes.is_empty() { Scope::ALL.to_vec() } else { scopes };
    let expires_at = expiry.expires_at(now);
    let token = tokens::NewToken {
        id: TokenId::at(now),
        name: &name,
        hash: &hash,
        scopes: &scopes,
        expires_at,
        giver: &Giver::Operator,
    };
    let created = tokens::insert_by_operator(conn, workspace, token, &by.author(now)).await;
    created.with_context(|| format!("a token for {workspace}"))?;
    println!("{}", secret.reveal());
    Ok(())
}
