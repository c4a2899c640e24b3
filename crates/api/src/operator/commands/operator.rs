//! `trigrun-api operator`

use anyhow::{Context, bail};
use clap::Subcommand;
use trigrun_core::{
    crypto,
    domain::{
        access::TokenKind,
        id::OperatorId,
        operator::{self, Operator, OperatorEntry},
        page::{self, Page},
    },
    store::{
        self, operator_audit,
        operators::{self, Listed, NewOperator},
    },
};

use super::{
    by::{ByArguments, NameArguments},
    connection,
    token::ExpiryArguments,
};
use crate::settings::Settings;

#[derive(Subcommand)]
pub enum OperatorCommand {
    /// Creates an operator and prints the token for the operator API, which cannot be shown again
    Create {
        /// The name of the operator, which the audit log keeps
        #[arg(long, value_parser = operator::name)]
        name: String,
        #[command(flatten)]
        expiry: ExpiryArguments,
        #[command(flatten)]
        by: NameArguments,
    },
    /// Lists all operators
    List,
    /// Prints what operators have done, and why, the newest first
    Log {
        /// Only what was done to the object with this id, or to `installation`
        #[arg(long)]
        target: Option<String>,
        /// How many entries
        #[arg(long, default_value_t = page::DEFAULT_LIMIT, value_parser = clap::value_parser!(i64).range(1..=page::MAX_LIMIT))]
        limit: i64,
    },
    /// Deletes an operator, whose token is invalid from then on
    Delete {
        #[arg(long)]
        name: String,
        #[command(flatten)]
        by: ByArguments,
    },
}

pub async fn run(settings: &Settings, command: OperatorCommand) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let now = store::clock::now(conn).await?;
    match command {
        OperatorCommand::Create { name, expiry, by } => {
            let secret = crypto::new_token(TokenKind::Operator)?;
            let new = NewOperator {
                operator: &Operator { id: OperatorId::at(now), name },
                hash: &crypto::token_hash(&secret),
                expires_at: expiry.expires_at(now),
            };
            let name = &new.operator.name;
            match operators::insert(conn, new, &by.author(now)).await {
                Err(error) if error.is_conflict("operators_name") => bail!("there is an operator {name}"),
                created => created?,
            }
            println!("{}", secret.reveal());
        }
        OperatorCommand::List => {
            for Listed { operator, created_at, expires_at } in operators::list(conn).await? {
                let end = expires_at.map(|at| format!("  expires at {at}")).unwrap_or_default();
                println!("{}  {}  created at {created_at}{end}", operator.id, operator.name);
            }
        }
        OperatorCommand::Log { target, limit } => {
            let page = Page { limit, before: None };
            for entry in operator_audit::list(conn, target.as_deref(), page).await?.data {
                let OperatorEntry { at, operator, action, reason, target, .. } = entry;
                let name = target.name.map(|name| format!(" ({name})")).unwrap_or_default();
                println!("{at}  {operator}  {action}  {}{name}  {reason}", target.id);
            }
        }
        OperatorCommand::Delete { name, by } => {
            let deleted = operators::delete(conn, &name, &by.author(now)).await;
            deleted.with_context(|| format!("the operator {name}"))?;
            println!("deleted {name}");
        }
    }
    Ok(())
}
