//! `trigrun-api`: the server, and the operator's commands.

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use clap::{Parser, Subcommand};
use std::{
    io::Write,
    time::{Duration, Instant},
};
use trigrun_api::{
    Settings, openapi,
    operator::{client, doctor, smoke},
    serve,
};
use trigrun_core::{
    crypto::{
        self, password,
        seal::{self, MasterKeys},
    },
    domain::{
        access::{Scope, TokenKind},
        audit::Author,
        id::{TokenId, UserId, WorkspaceId},
        user::{self, User},
        workspace::{self, Workspace},
    },
    runtime::{process, shutdown},
    store::{
        self, Conn, StoreError, migrate, tokens,
        users::{self, Door, NewUser},
        workspaces,
    },
    telemetry,
};

/// MasterKeys wrapped by one transaction.
const REWRAP_BATCH: i64 = 500;
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The API of TrigRun, and the commands of whoever operates it.
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
    /// Serves the API (this is what happens without a command)
    Serve,
    /// Brings the database schema up to this version
    Migrate {
        /// How long to wait for a Postgres that cannot be reached
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
        wait_seconds: u64,
    },
    /// Prints the OpenAPI document
    Openapi,
    /// Workspaces: the tenants
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// People who administer workspaces
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Looks at settings, Postgres, Redis, clocks, keys and work, and says what to do; ends 1 when something is wrong
    Doctor,
    /// Makes a job fire and sees it succeed, in a workspace of its own that is deleted afterwards
    Smoke {
        /// Where the API is, http://host:port
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        url: String,
        /// What the job calls
        #[arg(long, default_value = "https://example.com")]
        target: String,
        /// How long its execution may take
        #[arg(long, default_value_t = 60)]
        within_seconds: u64,
    },
    /// Whether a process here is ready: for images without curl. Reads no settings
    Healthcheck {
        /// Where the process serves its probes
        #[arg(long, default_value = "127.0.0.1:9090")]
        address: String,
    },
    /// Master keys, which wrap the keys of the workspaces
    #[command(subcommand)]
    MasterKeys(KeysCommand),
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Makes a person and a workspace that they own, and prints its id. The password is read from standard input.
    Create {
        #[arg(long, value_parser = user::email)]
        email: String,
        /// The name of the workspace
        #[arg(long, default_value = "main")]
        workspace: String,
    },
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Prints a new one, for TRIGRUN__KEYS__MASTER
    Generate,
    /// Wraps every workspace's key with the first master key; may be stopped and begun again at any time
    Rewrap,
}

#[derive(Subcommand)]
enum WorkspaceCommand {
    /// Makes one and prints its id
    Create {
        #[arg(long)]
        name: String,
    },
    /// Lists them all
    List,
    /// Gives one a plan: what plans allow is in the settings, TRIGRUN__PLANS__…
    Plan {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        /// The name of a plan
        #[arg(long)]
        plan: String,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Makes one and prints its secret, which cannot be shown again
    Create {
        /// The workspace it belongs to, ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        #[arg(long)]
        name: String,
        /// What it may do, e.g. jobs:read; give it several times. Everything unless given.
        #[arg(long = "scope")]
        scopes: Vec<Scope>,
        #[arg(long)]
        expires_in_days: Option<u32>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    match command {
        Command::Openapi => {
            // Whoever has read enough may close the pipe.
            std::io::stdout().write_all(openapi::json().as_bytes())?;
            return Ok(());
        }
        Command::MasterKeys(KeysCommand::Generate) => {
            println!("{}", seal::new_master_key()?);
            return Ok(());
        }
        Command::Healthcheck { address } => return healthcheck(&address).await,
        _ => {}
    }
    let settings = Settings::load()?;
    match command {
        Command::Serve => serve_until_told(settings).await,
        Command::Migrate { wait_seconds } => bring_up(&settings, Duration::from_secs(wait_seconds)).await,
        Command::Workspace(command) => workspaces(&settings, command).await,
        Command::Token(command) => token(&mut connect(&settings).await?, command).await,
        Command::Admin(command) => admin(&mut connect(&settings).await?, command).await,
        Command::MasterKeys(_) => rewrap(&settings).await,
        Command::Smoke { url, target, within_seconds } => {
            let within = Duration::from_secs(within_seconds);
            let stop = shutdown::on_signal()?;
            smoke::run(&mut connect(&settings).await?, &url, &target, within, &stop).await
        }
        Command::Doctor => {
            let findings = doctor::look(&settings).await;
            print!("{findings}");
            ensure!(!findings.is_wrong(), "something is wrong");
            Ok(())
        }
        Command::Openapi | Command::Healthcheck { .. } => Ok(()),
    }
}

async fn healthcheck(address: &str) -> anyhow::Result<()> {
    let (status, text) = client::get(address, "/readyz").await?;
    ensure!(status.is_success(), "{}", text.trim_end());
    print!("{text}");
    Ok(())
}

async fn bring_up(settings: &Settings, wait: Duration) -> anyhow::Result<()> {
    let give_up = Instant::now() + wait;
    let mut said = String::new();
    let ran = loop {
        match migrate::run(&settings.postgres).await {
            Err(StoreError::Unavailable(why)) if Instant::now() < give_up => {
                if said != why {
                    eprintln!("waiting for Postgres: {why}");
                    said = why;
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }
            ran => break ran?,
        }
    };
    for migration in ran {
        println!("ran {migration}");
    }
    println!("the schema is up to date");
    Ok(())
}

async fn serve_until_told(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init("trigrun-api", &settings.telemetry)?;
    process::log_panics();
    let shutdown = shutdown::on_signal()?;
    if !process::wait_for_schema(&settings.postgres, &settings.telemetry, &shutdown).await? {
        return Ok(());
    }
    serve(settings, shutdown, |_| ()).await.context("the API cannot be served")
}

async fn connect(settings: &Settings) -> anyhow::Result<Conn> {
    let mut conn = migrate::connect(&settings.postgres).await?;
    migrate::check(&mut conn).await?;
    Ok(conn)
}

async fn admin(conn: &mut Conn, command: AdminCommand) -> anyhow::Result<()> {
    let AdminCommand::Create { email, workspace } = command;
    let mut secret = String::new();
    std::io::stdin().read_line(&mut secret).context("the password could not be read")?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    user::password(secret).context("the password")?;
    let now = store::clock::now(conn).await?;
    let name = email.split('@').next().unwrap_or_default().to_owned();
    let user = User { id: UserId::at(now), email, name };
    let workspace = Workspace { id: WorkspaceId::at(now), name: workspace::name(&workspace)? };
    let hash = password::hash(secret)?;
    let new = NewUser { user: &user, password_hash: &hash, by: &Author::operator(now) };
    match users::sign_up(conn, new, Door::Own(&workspace)).await {
        Err(error) if error.is_conflict("users_email") => {
            anyhow::bail!("{} has an account already", user.email)
        }
        made => println!("{}", made?),
    }
    Ok(())
}

async fn rewrap(settings: &Settings) -> anyhow::Result<()> {
    let keys = MasterKeys::new(&settings.keys)?;
    let mut conn = connect(settings).await?;
    let mut done = 0;
    loop {
        match store::workspace_keys::rewrap(&mut conn, &keys, REWRAP_BATCH).await? {
            0 => break,
            count => done += count,
        }
        println!("{done} keys wrapped by {}", keys.newest());
    }
    println!("all keys are wrapped by {}", keys.newest());
    Ok(())
}

async fn workspaces(settings: &Settings, command: WorkspaceCommand) -> anyhow::Result<()> {
    let conn = &mut connect(settings).await?;
    let by = Author::operator(store::clock::now(conn).await?);
    match command {
        WorkspaceCommand::Create { name } => {
            let workspace = Workspace { id: WorkspaceId::at(by.at), name };
            workspaces::insert(conn, &workspace, &by).await?;
            println!("{}", workspace.id);
        }
        WorkspaceCommand::List => {
            for workspace in workspaces::all(conn).await? {
                println!("{}  {}", workspace.id, workspace.name);
            }
        }
        WorkspaceCommand::Plan { workspace, plan } => {
            let known: Vec<&str> = settings.plans.keys().map(String::as_str).collect();
            ensure!(
                known.contains(&plan.as_str()),
                "there is no plan {plan}; the settings have: {}",
                known.join(", ")
            );
            workspaces::set_plan(conn, workspace, &plan, &by).await.with_context(|| workspace.to_string())?;
            println!("{workspace} has the plan {plan}");
        }
    }
    Ok(())
}

async fn token(conn: &mut Conn, command: TokenCommand) -> anyhow::Result<()> {
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
        created_by: None,
    };
    let made = tokens::insert(conn, workspace, token, &Author::operator(now), None).await;
    made.with_context(|| format!("a token for {workspace}"))?;
    println!("{}", secret.reveal());
    Ok(())
}
