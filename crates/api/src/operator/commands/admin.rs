//! `trigrun-api admin`

use anyhow::{Context, bail};
use clap::Subcommand;
use trigrun_core::{
    crypto::password::{self, HashMemory},
    domain::{
        id::{UserId, WorkspaceId},
        user::{self, User},
        workspace::{self, Workspace},
    },
    store::{self, users},
};

use super::{by::NameArguments, connection};
use crate::settings::Settings;

#[derive(Subcommand)]
pub enum AdminCommand {
    /// Creates a user and a workspace that the user owns, and prints its id. Reads the password from standard input.
    Create {
        #[arg(long, value_parser = user::email)]
        email: String,
        /// The name of the workspace
        #[arg(long, default_value = "main")]
        workspace: String,
        #[command(flatten)]
        by: NameArguments,
    },
}

pub async fn run(settings: &Settings, command: AdminCommand) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let AdminCommand::Create { email, workspace, by } = command;
    let hash = read_password()?;
    let now = store::clock::now(conn).await?;
    let name = email.split('@').next().unwrap_or_default().to_owned();
    let user = User { id: UserId::at(now), email, name };
    let workspace = Workspace { id: WorkspaceId::at(now), name: workspace::name(&workspace)? };
    match users::create_by_operator(conn, (&user, &hash), &workspace, &by.author(now)).await {
        Err(error) if error.is_conflict("users_email") => bail!("{} already has an account", user.email),
        created => created?,
    }
    println!("{}", workspace.id);
    Ok(())
}

/// Reads a password from standard input, and returns its hash.
pub fn read_password() -> anyhow::Result<String> {
    let mut secret = String::new();
    std::io::stdin().read_line(&mut secret).context("cannot read the password")?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    user::password(secret).context("the password")?;
    Ok(password::hash(secret, &mut HashMemory::default())?)
}
