//! `trigrun-api workspace`

use anyhow::{Context, ensure};
use clap::Subcommand;
use trigrun_core::{
    domain::{audit::Author, hold, id::WorkspaceId, workspace::Workspace},
    store::{self, workspaces},
};

use super::connection;
use crate::settings::Settings;

#[derive(Subcommand)]
pub enum WorkspaceCommand {
    /// Creates a workspace and prints its id
    Create {
        #[arg(long)]
        name: String,
    },
    /// Lists all workspaces
    List,
    /// Suspends a workspace: its open executions are cancelled, its fires are skipped, and its members can only read and delete
    Suspend {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        /// Why. The members see it
        #[arg(long, value_parser = hold::reason)]
        reason: String,
    },
    /// Ends the suspension of a workspace: its jobs run again, from their next fires on
    Resume {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
    },
    /// Assigns a plan to a workspace. The settings define the plans: TRIGRUN__PLANS__…
    Plan {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        /// The name of a plan
        #[arg(long)]
        plan: String,
    },
}

pub async fn run(settings: &Settings, command: WorkspaceCommand) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let by = Author::operator(store::clock::now(conn).await?);
    match command {
        WorkspaceCommand::Create { name } => {
            let workspace = Workspace { id: WorkspaceId::at(by.at), name };
            workspaces::insert(conn, &workspace, &by).await?;
            println!("{}", workspace.id);
        }
        WorkspaceCommand::List => {
            for (Workspace { id, name }, suspension) in workspaces::all(conn).await? {
                let state = suspension.map(|it| format!("  (suspended since {}: {})", it.since, it.reason));
                println!("{id}  {name}{}", state.unwrap_or_default());
            }
        }
        WorkspaceCommand::Suspend { workspace, reason } => {
            let changed = workspaces::suspend(conn, workspace, &reason, &by).await;
            match changed.with_context(|| workspace.to_string())? {
                true => println!(
                    "{workspace} is suspended: nothing of it begins, and its open executions are being cancelled"
                ),
                false => println!("{workspace} was suspended already"),
            }
        }
        WorkspaceCommand::Resume { workspace } => {
            match workspaces::resume(conn, workspace, &by).await.with_context(|| workspace.to_string())? {
                true => println!("{workspace} is resumed: its jobs run again, from their next fires on"),
                false => println!("{workspace} was not suspended"),
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
