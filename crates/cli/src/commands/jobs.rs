//! `trigrun jobs`.

mod change;
mod definition;
mod run;
mod show;
mod test;

pub use run::finish;
pub use show::Limit;

use clap::Subcommand;

use crate::{
    context::Context,
    exit::{Exit, Failure},
};

#[derive(Subcommand)]
pub enum Jobs {
    /// List jobs
    #[command(visible_alias = "ls")]
    List(show::List),
    /// Show a job and its last executions
    #[command(visible_alias = "show")]
    Get(show::Get),
    /// Create a job
    #[command(after_help = "Examples:
  trigrun jobs create nightly --cron '30 4 * * MON-FRI' --tz Europe/Berlin --url https://example.com/report
  trigrun jobs create sync --every 15m -X POST --url https://example.com/sync -H 'Authorization: Bearer secret://sync'
  trigrun jobs create --at 2027-01-01T09:00:00+01:00 --url https://example.com/remind -d '{\"id\": 17}'")]
    Create(Box<change::Create>),
    /// Change the fields that are named, and no others
    Update(Box<change::Update>),
    /// Delete jobs and their executions
    #[command(visible_alias = "rm")]
    Delete(change::Many),
    /// Pause jobs
    Pause(change::Pause),
    /// Resume paused jobs, and activate drafts
    Resume(change::Many),
    /// Run a job now
    Run(run::Run),
    /// Make the request of a job once, and show the response
    Test(test::Test),
    /// Show when a job runs next
    Next(run::Next),
    /// Check that each fire of a job has one execution
    Ledger(run::Ledger),
    /// Say why a job ran, or did not run, at a time
    Explain(run::Explain),
}

impl Jobs {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Delete(many) => many.run(context, change::Action::Delete, None).await,
            Self::Pause(pause) => pause.run(context).await,
            Self::Resume(many) => many.run(context, change::Action::Resume, None).await,
            Self::Run(run) => run.run(context).await,
            Self::Test(test) => test.run(context).await,
            Self::Next(next) => next.run(context).await,
            Self::Ledger(ledger) => ledger.run(context).await,
            Self::Explain(explain) => explain.run(context).await,
        }
    }
}
