//! `trigrun-api`: the server, and the operator's commands. Parses the command line and dispatches.

use clap::{Parser, Subcommand};
use std::time::Duration;
use trigrun_api::{
    Settings,
    operator::commands::{
        self, admin::AdminCommand, by::ByArguments, keys::KeysCommand, operator::OperatorCommand,
        token::TokenCommand, user::UserCommand, workspace::WorkspaceCommand,
    },
};

/// The API of TrigRun, and the commands of its operator.
///
/// Settings come from the environment: TRIGRUN__POSTGRES__URL and others; see docs/configuration.md.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API (the default command)
    Serve,
    /// Migrates the database schema to this version
    Migrate {
        /// How long to wait for a Postgres that is unavailable, in seconds
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
        wait_seconds: u64,
    },
    /// Prints the OpenAPI document
    Openapi {
        /// That of the operator API
        #[arg(long)]
        operators: bool,
    },
    /// Manages workspaces (tenants)
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Manages API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Manages users who administer workspaces
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Helps users: shows what they have, replaces passwords, ends sessions, deletes accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Stops everything that leaves this installation, within a second: requests, notifications, tests, e-mails. Requests in flight end
    Hold {
        #[command(flatten)]
        by: ByArguments,
    },
    /// Ends the hold
    Release {
        /// What becomes of the fires and executions that were due meanwhile: run: the misfire policy of each job decides, and what was
        /// waiting runs; skip: none of them runs
        #[arg(long, value_parser = ["run", "skip"])]
        missed: String,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Manages operators, who have tokens for the operator API
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Checks settings, Postgres, Redis, clocks, keys and work, and says what to do; exits with 1 if a check fails
    Doctor,
    /// Creates a job and waits until it has succeeded, in a new workspace that is deleted afterwards
    Smoke {
        /// The URL of the API, http://host:port or https://host:port
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        url: String,
        /// The URL that the job calls
        #[arg(long, default_value = "https://example.com")]
        target: String,
        /// How long the execution may take, in seconds
        #[arg(long, default_value_t = 60)]
        within_seconds: u64,
    },
    /// Reports whether a process on this host is ready, for images without curl. Reads no settings
    Healthcheck {
        /// The address that serves the probes of the process
        #[arg(long, default_value = "127.0.0.1:9090")]
        address: String,
    },
    /// Manages master keys, which wrap the keys of the workspaces
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds = Duration::from_secs;
    match Arguments::parse().command.unwrap_or(Command::Serve) {
        // These read no settings.
        Command::Openapi { operators } => commands::openapi(operators),
        Command::Healthcheck { address } => commands::healthcheck(&address).await,
        Command::Keys(KeysCommand::Generate) => commands::keys::generate(),

        Command::Serve => commands::serve(Settings::load()?).await,
        Command::Migrate { wait_seconds } => {
            commands::migrate::run(&Settings::load()?, seconds(wait_seconds)).await
        }
        Command::Workspace(command) => commands::workspace::run(&Settings::load()?, command).await,
        Command::Token(command) => commands::token::run(&Settings::load()?, command).await,
        Command::Admin(command) => commands::admin::run(&Settings::load()?, command).await,
        Command::Keys(KeysCommand::Rewrap) => commands::keys::rewrap(&Settings::load()?).await,
        Command::Smoke { url, target, within_seconds } => {
            commands::smoke(&Settings::load()?, &url, &target, seconds(within_seconds)).await
        }
        Command::User(command) => commands::user::run(&Settings::load()?, command).await,
        Command::Hold { by } => commands::hold::hold(&Settings::load()?, by).await,
        Command::Release { missed, by } => {
            commands::hold::release(&Settings::load()?, missed.parse()?, by).await
        }
        Command::Operator(command) => commands::operator::run(&Settings::load()?, command).await,
        Command::Doctor => commands::doctor(&Settings::load()?).await,
    }
}
