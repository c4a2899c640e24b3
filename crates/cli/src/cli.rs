//! The command line: its options and commands.

use clap::{CommandFactory, Parser, Subcommand};
use std::{path::PathBuf, rc::Rc};

use crate::{
    commands::{
        api, apply, channels, executions, export, import, jobs, login, mcp, schedule, secrets, tokens,
    },
    context::Context,
    exit::{Exit, Failure},
    globals::Globals,
    identity::Identity,
};

/// Work with TrigRun: jobs as files, runs, schedules
#[derive(Parser)]
#[command(name = "trigrun", version, max_term_width = 100, arg_required_else_help = true, after_help = AFTER)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Environment:
  TRIGRUN_URL, TRIGRUN_TOKEN    the server and the API token, instead of those of the profile
  TRIGRUN_PROFILE               the profile
  TRIGRUN_CONFIG                the file of profiles

Exit codes:
  0 done                        5 conflict
  1 failed                      6 too many requests, or the server cannot be reached
  2 diff: changes are pending   10 the run failed
  3 no token, or refused        11 the run has not ended in time
  4 not found";

#[derive(Subcommand)]
enum Command {
    /// Log in to a server and store a token
    Login(login::Login),
    /// End the token of the profile and forget it
    Logout,
    /// Show who you are, and what the token may do
    Whoami,
    /// List, create, change and run jobs
    #[command(subcommand, visible_alias = "job")]
    Jobs(jobs::Jobs),
    /// List, follow, wait for and replay executions
    #[command(subcommand, visible_alias = "runs")]
    Executions(executions::Executions),
    /// Make the jobs of a stack what files say
    #[command(after_help = "Examples:
  trigrun apply -f jobs.yaml
  trigrun apply -f jobs/ --prune --yes")]
    Apply(apply::Apply),
    /// Show what `apply` would change: exit code 2 if anything
    Diff(apply::Diff),
    /// Print the jobs of the workspace as a file
    Export(export::Export),
    /// Turn a crontab, curl commands or the jobs of another scheduler into a file
    #[command(after_help = "Examples:
  crontab -l | trigrun import
  trigrun import vercel.json --base-url https://example.com --stack web > jobs.yaml
  gcloud scheduler jobs list --format=json | trigrun import --apply")]
    Import(import::Import),
    /// Print the JSON Schema of a file of jobs
    Schema,
    /// Explain schedules
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Store credentials that requests need
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Manage notification channels
    #[command(subcommand)]
    Channels(channels::Channels),
    /// Manage API tokens
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Call any operation of the API
    #[command(after_help = "Examples:
  trigrun api GET /v1/audit-log --paginate
  trigrun api POST /v1/members -f email=grace@example.com -f role=member")]
    Api(api::Api),
    /// Serve tools for an agent over standard input and output (Model Context Protocol)
    #[command(after_help = "Example, in the configuration of an agent:
  {\"mcpServers\": {\"trigrun\": {\"command\": \"trigrun\", \"args\": [\"mcp\", \"--read-only\"]}}}")]
    Mcp(mcp::Mcp),
    /// Print the completion script of a shell
    #[command(after_help = "Example:
  trigrun completion bash > ~/.local/share/bash-completion/completions/trigrun")]
    Completion { shell: clap_complete::Shell },
    /// Write the manual pages to a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
}

impl Cli {
    pub async fn run(&self) -> Result<Exit, Failure> {
        match &self.command {
            Command::Completion { shell } => completion(*shell),
            Command::Man { directory } => manual(directory),
            Command::Login(login) => login.run(&self.globals).await,
            Command::Logout => login::logout(&self.globals).await,
            _ => self.run_with_token().await,
        }
    }

    async fn run_with_token(&self) -> Result<Exit, Failure> {
        let identity = Rc::new(Identity::find(&self.globals)?);
        // Some operations are open.
        if !matches!(self.command, Command::Schema | Command::Api(_)) {
            identity.require_token()?;
        }
        let context = Rc::new(Context::new(&self.globals, Rc::clone(&identity))?);
        login::warn_of_exposure(&identity, &context.output);
        let result = match &self.command {
            Command::Whoami => login::whoami(&context).await,
            Command::Jobs(jobs) => jobs.run(&context).await,
            Command::Executions(executions) => executions.run(&context).await,
            Command::Apply(apply) => apply.run(&context).await,
            Command::Diff(diff) => diff.run(&context).await,
            Command::Export(export) => export.run(&context).await,
            Command::Import(import) => import.run(&context).await,
            Command::Schema => export::schema(&context).await,
            Command::Schedule(schedule) => schedule.run(&context).await,
            Command::Secrets(secrets) => secrets.run(&context).await,
            Command::Channels(channels) => channels.run(&context).await,
            Command::Tokens(tokens) => tokens.run(&context).await,
            Command::Api(api) => api.run(&context).await,
            Command::Mcp(mcp) => mcp.run(Rc::clone(&context)).await,
            Command::Completion { .. } | Command::Man { .. } | Command::Login(_) | Command::Logout => {
                Ok(Exit::Done)
            }
        };
        result.map_err(|failure| identity.explain(failure))
    }
}

fn completion(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trigrun", &mut script);
    crate::output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

fn manual(directory: &std::path::Path) -> Result<Exit, Failure> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)?;
    Ok(Exit::Done)
}
