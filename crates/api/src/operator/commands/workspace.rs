//! `trigrun-api workspace`

use anyhow::{Context, ensure};
use clap::Subcommand;
use trigrun_core::{
    domain::{audit::Author, id::WorkspaceId, workspace::Workspace},
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
