//! `trigrun-api user`

use anyhow::{Context, bail};
use clap::Subcommand;
use trigrun_core::{
    domain::{
        operator::OperatorAuthor,
        user::{self, User},
    },
    store::{self, Conn, members, sessions, users},
};

use super::{admin, by::ByArguments, connection};
use crate::settings::Settings;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Shows a user, with the workspaces and the sessions that the user has
    Show {
        #[arg(long, value_parser = user::email)]
        email: String,
    },
    /// Replaces the password of a user, and ends all sessions. Reads the password from standard input
    Password {
        #[arg(long, value_parser = user::email)]
        email: String,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Ends all sessions of a user, who has to log in again
    EndSessions {
        #[arg(long, value_parser = user::email)]
        email: String,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Deletes a user, who leaves all workspaces. Refused while the user is the only owner of a workspace
    Delete {
        #[arg(long, value_parser = user::email)]
        email: String,
        #[command(flatten)]
        by: ByArguments,
    },
}

pub async fn run(settings: &Settings, command: UserCommand) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let now = store::clock::now(conn).await?;
    match command {
        UserCommand::Show { email } => {
            let user = find(conn, &email).await?;
            show(conn, &user).await
        }
        UserCommand::Password { email, by } => {
            let user = find(conn, &email).await?;
            let hash = admin::read_password()?;
            users::set_password(conn, &user, &hash, &by.author(now)).await?;
            println!("{email} has a new password, and no session");
            Ok(())
        }
        UserCommand::EndSessions { email, by } => {
            let user = find(conn, &email).await?;
            let ended = users::end_sessions(conn, &user, &by.author(now)).await?;
            println!("ended {ended} sessions of {email}");
            Ok(())
        }
        UserCommand::Delete { email, by } => {
            let user = find(conn, &email).await?;
            delete(conn, &user, &by.author(now)).await
        }
    }
}

async fn delete(conn: &mut Conn, user: &User, by: &OperatorAuthor) -> anyhow::Result<()> {
    let email = &user.email;
    match users::delete_by_operator(conn, user, by).await {
        Err(error) if error.is_conflict("last_owner") => {
            bail!("{email} is the only owner of a workspace: `trigrun-api user show` lists them")
        }
        deleted => deleted?,
    }
    println!("deleted {email}");
    Ok(())
}

async fn find(conn: &mut Conn, email: &str) -> anyhow::Result<User> {
    let found = users::find_by_email(conn, email).await?;
    found.map(|(user, _)| user).with_context(|| format!("no user has the address {email}"))
}

async fn show(conn: &mut Conn, user: &User) -> anyhow::Result<()> {
    println!("{}  {}  {}", user.id, user.email, user.name);
    for membership in members::of_user(conn, user.id).await? {
        let state = if membership.suspension.is_some() { "  (suspended)" } else { "" };
        let (id, name, role) = (membership.workspace, membership.workspace_name, membership.role.as_str());
        println!("workspace  {id}  {role}  {name}{state}");
    }
    for session in sessions::list(conn, user.id).await? {
        let (kind, seen) = (session.kind.as_str(), session.last_seen);
        let address = seen.address.as_deref().unwrap_or("-");
        println!("session  {}  {kind}  last used {} from {address}", session.id, seen.at);
    }
    Ok(())
}
