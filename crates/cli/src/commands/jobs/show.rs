//! `jobs list` and `jobs get`.

use clap::Args;
use trigrun_client::Call;

use crate::{
    context::Context,
    exit::{BOLD, Exit, Failure, OrFail},
    globals::Format,
    node::{Node, Value},
    output,
    path::segment,
    rows::{ExecutionRow, JobRow},
    table::Cell,
};

const RECENT_EXECUTIONS: &str = "5";

/// How many items to list.
#[derive(Args)]
pub struct Limit {
    /// How many to list at most; 0 lists all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

impl Limit {
    pub const fn items(&self) -> usize {
        if self.limit == 0 { usize::MAX } else { self.limit }
    }
}

#[derive(Args)]
pub struct List {
    /// active, paused, draft or completed
    #[arg(long)]
    state: Option<String>,
    /// cron, recurring, scheduled or one_time
    #[arg(long)]
    kind: Option<String>,
    /// Jobs with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Jobs of this stack
    #[arg(long)]
    stack: Option<String>,
    /// Jobs that call this host
    #[arg(long)]
    host: Option<String>,
    /// Jobs that use this secret
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// failing, well, never_ran or will_fail
    #[arg(long)]
    health: Option<String>,
    /// Jobs whose name contains this text
    #[arg(short, long, value_name = "TEXT")]
    search: Option<String>,
    /// created_at, name, next_run_at or last_run_at; with a minus sign in front, reversed. attention: what needs it first
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

impl List {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let filters = [
            ("state", &self.state),
            ("kind", &self.kind),
            ("tag", &self.tag),
            ("stack", &self.stack),
            ("host", &self.host),
            ("secret", &self.secret),
            ("health", &self.health),
            ("q", &self.search),
            ("sort", &self.sort),
        ];
        let query: Vec<(&str, &str)> =
            filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let what = "the jobs cannot be listed";
        let jobs = context.client.list("/v1/jobs", &query, self.limit.items()).await.or_fail(what)?;
        let now = context.client.now().await.or_fail(what)?;
        context.output.list::<JobRow>(&jobs, now)?;
        Ok(Exit::Done)
    }
}

#[derive(Args)]
pub struct Get {
    /// The key or id of the job
    job: String,
}

impl Get {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let path = format!("/v1/jobs/{}", segment(&self.job));
        let answer = context.job_call("the job cannot be read", &self.job, Call::get(path)).await?;
        let row: JobRow = answer.json().or_fail("the job cannot be read")?;
        if context.output.is_data() {
            context.output.document(&answer.text)?;
            return Ok(Exit::Done);
        }
        if context.output.format == Format::Id {
            output::print(&format!("{}\n", row.handle()))?;
            return Ok(Exit::Done);
        }
        let now = context.client.now().await.or_fail("the job cannot be read")?;
        let job = Node::from_json(&answer.text).map_err(output::unreadable)?;
        context.output.table(&[], &fields(&row, &job), now)?;
        for warning in &row.warnings {
            context.output.warn(warning);
        }
        if !context.output.to_terminal {
            return Ok(Exit::Done);
        }
        // A token may read jobs and no executions.
        let path = format!("/v1/jobs/{}/executions", segment(&row.id));
        if let Ok(answer) = context.client.call(Call::get(path).query("limit", RECENT_EXECUTIONS)).await {
            let list: Executions = answer.json().or_fail("the executions cannot be read")?;
            output::print(&format!("\n{BOLD}Last executions{BOLD:#}\n"))?;
            context.output.list::<ExecutionRow>(&list.data, now)?;
        }
        Ok(Exit::Done)
    }
}

#[derive(serde::Deserialize)]
struct Executions {
    data: Vec<Box<trigrun_client::RawValue>>,
}

/// The fields of a job, one in each line.
fn fields(row: &JobRow, job: &Node) -> Vec<Vec<Cell>> {
    let text = |path: &[&str]| job.at(path).map_or_else(String::new, shown);
    let mut rows = vec![
        ("key", Cell::from(row.key.clone().unwrap_or_default())),
        ("id", row.id.clone().into()),
        ("name", row.name.clone().into()),
        ("state", Cell::Styled(row.state.clone(), crate::rows::style_of(&row.state))),
        ("paused because", text(&["paused", "note"]).into()),
        ("schedule", row.schedule_in_words.clone().into()),
        ("next run", Cell::Time(row.next_run_at)),
        ("request", format!("{} {}", text(&["request", "method"]), text(&["request", "url"])).into()),
    ];
    for header in job.at(&["request", "headers"]).map_or(&[][..], Node::entries) {
        rows.push(("header", format!("{}: {}", header.key, shown(&header.value)).into()));
    }
    for (name, path) in [
        ("body", &["request", "body"][..]),
        ("timeout (s)", &["request", "timeout_seconds"]),
        ("success", &["request", "success_statuses"]),
        ("attempts", &["retry_policy", "max_attempts"]),
        ("retried", &["retry_policy", "retry_on_statuses"]),
        ("concurrency", &["concurrency_limit"]),
        ("overlap", &["overlap_policy"]),
        ("misfire", &["misfire_policy"]),
        ("delivery", &["delivery"]),
        ("tags", &["tags"]),
        ("stack", &["stack"]),
        ("version", &["version"]),
        ("schedule error", &["schedule_error"]),
    ] {
        rows.push((name, text(path).into()));
    }
    let is_empty =
        |cell: &Cell| matches!(cell, Cell::Text(text) if text.is_empty()) || matches!(cell, Cell::Time(None));
    rows.into_iter().filter(|(_, cell)| !is_empty(cell)).map(|(name, cell)| vec![name.into(), cell]).collect()
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::List(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        _ => node.to_json(),
    }
}
