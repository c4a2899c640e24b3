//! `trigrun executions`.

mod replay;
mod tail;

use clap::{Args, Subcommand};
use std::time::Duration;
use trigrun_client::Call;

use crate::{
    commands::jobs::{Limit, finish},
    context::Context,
    exit::{Exit, Failure, OrFail},
    globals::Format,
    output,
    path::segment,
    rows::ExecutionRow,
    times::{self, When},
    view::{self, Detail},
};

#[derive(Subcommand)]
pub enum Executions {
    /// List executions, newest first
    #[command(visible_alias = "ls")]
    List(List),
    /// Show an execution and its attempts
    #[command(visible_alias = "show")]
    Get(Get),
    /// Print executions as they end, until Ctrl-C
    Tail(tail::Tail),
    /// Wait until an execution has ended: exit code 10 if it failed, 11 if it has not ended in time
    Wait(Wait),
    /// Make requests again, as their jobs define them now
    Replay(replay::Replay),
    /// End executions that have not ended
    Cancel(Cancel),
}

impl Executions {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Tail(tail) => tail.run(context).await,
            Self::Wait(wait) => wait.run(context).await,
            Self::Replay(replay) => replay.run(context).await,
            Self::Cancel(cancel) => cancel.run(context).await,
        }
    }
}

#[derive(Args)]
pub struct List {
    /// Executions of this job
    #[arg(short, long)]
    job: Option<String>,
    /// queued, running, retrying, succeeded, failed, cancelled or skipped; several with commas
    #[arg(long)]
    status: Option<String>,
    /// Failed executions
    #[arg(long, conflicts_with = "status")]
    failed: bool,
    /// schedule, manual, one_time or replay
    #[arg(long)]
    source: Option<String>,
    /// Executions of jobs with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Executions that called this host
    #[arg(long)]
    host: Option<String>,
    /// The status of the response, such as 404 or 5xx
    #[arg(long, value_name = "STATUS")]
    status_code: Option<String>,
    /// The class of the error, such as timeout
    #[arg(long, value_name = "CLASS")]
    error_class: Option<String>,
    /// Since this time (RFC 3339), or in this last duration, such as 2h
    #[arg(long, value_parser = When::parse, value_name = "TIME")]
    since: Option<When>,
    /// Before this time (RFC 3339), or so long ago
    #[arg(long, value_parser = When::parse, value_name = "TIME")]
    until: Option<When>,
    #[command(flatten)]
    limit: Limit,
}

impl List {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the executions cannot be listed";
        let now = context.client.now().await.or_fail(what)?;
        let status = if self.failed { Some("failed".to_owned()) } else { self.status.clone() };
        let instant = |when: &Option<When>| when.as_ref().map(|when| when.instant(now).to_string());
        let filters = [
            ("job_id", self.job.clone()),
            ("status", status),
            ("source", self.source.clone()),
            ("tag", self.tag.clone()),
            ("host", self.host.clone()),
            ("status_code", self.status_code.clone()),
            ("error_class", self.error_class.clone()),
            ("from", instant(&self.since)),
            ("to", instant(&self.until)),
        ];
        let query: Vec<(&str, &str)> =
            filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let executions =
            context.client.list("/v1/executions", &query, self.limit.items()).await.or_fail(what)?;
        context.output.list::<ExecutionRow>(&executions, now)?;
        Ok(Exit::Done)
    }
}

#[derive(Args)]
pub struct Get {
    /// The id of the execution
    execution: String,
    /// Show the headers of the responses
    #[arg(long)]
    headers: bool,
    /// Show all of the bodies that TrigRun keeps, instead of their first 2 KiB
    #[arg(long)]
    body: bool,
}

impl Get {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let path = format!("/v1/executions/{}", segment(&self.execution));
        let answer = context.call("the execution cannot be read", Call::get(path)).await?;
        let row: ExecutionRow = answer.json().or_fail("the execution cannot be read")?;
        match context.output.format {
            Format::Id => output::print(&format!("{}\n", row.id))?,
            Format::Table => {
                let now = context.client.now().await.or_fail("the execution cannot be read")?;
                let detail = Detail { headers: self.headers, whole_body: self.body };
                output::print(&view::execution(&row, &context.output.clock(now), detail))?;
            }
            _ => context.output.document(&answer.text)?,
        }
        Ok(Exit::Done)
    }
}

#[derive(Args)]
pub struct Wait {
    /// The id of the execution
    execution: String,
    /// How long to wait
    #[arg(long, value_parser = times::seconds, default_value = "5m", value_name = "DURATION")]
    timeout: u64,
}

impl Wait {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        finish(context, &self.execution, Duration::from_secs(self.timeout)).await
    }
}

#[derive(Args)]
pub struct Cancel {
    /// The ids of the executions
    #[arg(required = true, value_name = "EXECUTION")]
    executions: Vec<String>,
}

impl Cancel {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        for id in &self.executions {
            let call = Call::post(format!("/v1/executions/{}/cancel", segment(id))).repeatable();
            let answer = context.call(&format!("{id} was not cancelled"), call).await?;
            context.output.changed(id, &answer.text)?;
        }
        Ok(Exit::Done)
    }
}
