//! `trigrun-api workspace`

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use trigrun_core::{
    domain::{
        channel::MAX_CHANNELS,
        id::WorkspaceId,
        page::{MAX_LIMIT, Page},
        workspace::{self, OwnLimits, Workspace},
    },
    store::{
        self, Conn,
        tenants::{self, Filter, Tenant},
    },
};

use super::{
    by::{ByArguments, NameArguments},
    connection,
};
use crate::settings::Settings;

#[derive(Subcommand)]
pub enum WorkspaceCommand {
    /// Creates a workspace and prints its id
    Create {
        #[arg(long)]
        name: String,
        #[command(flatten)]
        by: NameArguments,
    },
    /// Lists all workspaces with their plans and the limits that they have instead, the newest first
    List,
    /// Suspends a workspace: its open executions are cancelled, its fires are skipped, and its members can only read and delete. They see the
    /// reason
    Suspend {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Ends the suspension of a workspace: its jobs run again, from their next fires on
    Resume {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Assigns a plan to a workspace. The settings define the plans: TRIGRUN__PLANS__…
    Plan {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        /// The name of a plan
        #[arg(long)]
        plan: String,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Gives a workspace limits of its own, which count instead of those of its plan. A limit that is left out is that of the plan; 0 means no
    /// limit
    Limits {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        #[command(flatten)]
        limits: LimitArguments,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Deletes a workspace with everything in it, immediately and irrevocably
    Delete {
        /// ws_…
        #[arg(long)]
        workspace: WorkspaceId,
        #[command(flatten)]
        by: ByArguments,
    },
}

fn own_limit(max: impl Into<i64>) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=max.into())
}

#[derive(Args)]
pub struct LimitArguments {
    /// How many jobs it may have
    #[arg(long, value_parser = own_limit(workspace::MAX_OWN_LIMIT))]
    jobs: Option<u32>,
    /// How many API tokens it may have
    #[arg(long, value_parser = own_limit(workspace::MAX_OWN_LIMIT))]
    tokens: Option<u32>,
    /// How many executions clients may request per minute
    #[arg(long, value_parser = own_limit(workspace::MAX_OWN_LIMIT))]
    executions_per_minute: Option<u32>,
    /// How many members it may have, with the users who are invited
    #[arg(long, value_parser = own_limit(workspace::MAX_OWN_LIMIT))]
    members: Option<u32>,
    /// How many notification channels it may have, up to 100
    #[arg(long, value_parser = own_limit(MAX_CHANNELS))]
    channels: Option<u32>,
}

impl From<LimitArguments> for OwnLimits {
    fn from(arguments: LimitArguments) -> Self {
        let LimitArguments { jobs, tokens, executions_per_minute, members, channels } = arguments;
        Self { jobs, tokens, executions_per_minute, members, channels }
    }
}

pub async fn run(settings: &Settings, command: WorkspaceCommand) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let now = store::clock::now(conn).await?;
    match command {
        WorkspaceCommand::Create { name, by } => {
            let workspace = Workspace { id: WorkspaceId::at(now), name };
            tenants::insert(conn, &workspace, &by.author(now)).await?;
            println!("{}", workspace.id);
        }
        WorkspaceCommand::List => list(conn).await?,
        WorkspaceCommand::Suspend { workspace, by } => {
            let changed = tenants::suspend(conn, workspace, &by.author(now)).await;
            match changed.with_context(|| workspace.to_string())? {
                true => println!(
                    "{workspace} is suspended: nothing of it begins, and its open executions are being cancelled"
                ),
                false => println!("{workspace} was suspended already"),
            }
        }
        WorkspaceCommand::Resume { workspace, by } => {
            let changed = tenants::resume(conn, workspace, &by.author(now)).await;
            match changed.with_context(|| workspace.to_string())? {
                true => println!("{workspace} is resumed: its jobs run again, from their next fires on"),
                false => println!("{workspace} was not suspended"),
            }
        }
        WorkspaceCommand::Plan { workspace, plan, by } => {
            let known: Vec<&str> = settings.plans.keys().map(String::as_str).collect();
            ensure!(
                known.contains(&plan.as_str()),
                "there is no plan {plan}; the settings have: {}",
                known.join(", ")
            );
            let assigned = tenants::set_plan(conn, workspace, &plan, &by.author(now)).await;
            assigned.with_context(|| workspace.to_string())?;
            println!("{workspace} has the plan {plan}");
        }
        WorkspaceCommand::Limits { workspace, limits, by } => {
            let own = OwnLimits::from(limits);
            let set = tenants::set_limits(conn, workspace, &own, &by.author(now)).await;
            set.with_context(|| workspace.to_string())?;
            match named(own).as_str() {
                "" => println!("{workspace} has the limits of its plan"),
                own => println!("{workspace} has limits of its own: {own}"),
            }
        }
        WorkspaceCommand::Delete { workspace, by } => {
            let deleted = tenants::delete(conn, workspace, &by.author(now)).await;
            deleted.with_context(|| workspace.to_string())?;
            println!("deleted {workspace}");
        }
    }
    Ok(())
}

/// The limits that are not those of the plan.
fn named(own: OwnLimits) -> String {
    let own = own.named().into_iter().filter_map(|(name, limit)| Some(format!("{name}={}", limit?)));
    own.collect::<Vec<_>>().join(" ")
}

async fn list(conn: &mut Conn) -> anyhow::Result<()> {
    let mut page = Page { limit: MAX_LIMIT, before: None };
    loop {
        let listed = tenants::list(conn, &Filter::default(), page).await?;
        for Tenant { workspace: Workspace { id, name }, plan, suspension, .. } in listed.data {
            let state = suspension.map(|it| format!("  (suspended since {}: {})", it.since, it.reason));
            let limits = [plan.name, named(plan.own)].join(" ");
            println!("{id}  {name}  {}{}", limits.trim_end(), state.unwrap_or_default());
        }
        page.before = listed.next;
        if page.before.is_none() {
            return Ok(());
        }
    }
}
