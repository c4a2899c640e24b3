//! `trigrun apply` and `trigrun diff`: the server plans, this prints.

use clap::{Args, ValueEnum};
use std::collections::HashSet;
use trigrun_client::{Answer, Call};

use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    files::{self, Stack},
    globals::Format,
    node::{Node, Value},
    output,
    plan::{self, Plan, Summary},
    prompt,
    rows::SecretRow,
};

/// An application of a thousand jobs takes some seconds.
const APPLY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// Which jobs, and what may happen to others.
#[derive(Args)]
pub struct Sources {
    /// A file or a directory of files, or - for standard input; ./trigrun.yaml unless it is given
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    files: Vec<String>,
    /// Read directories below directories, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The stack, instead of that of the files
    #[arg(long)]
    pub stack: Option<String>,
    /// Delete, or pause, the jobs of the stack that are no longer in the files
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "delete", value_name = "HOW")]
    prune: Option<Prune>,
    /// How many jobs may be deleted; 10 unless it is given
    #[arg(long, value_name = "NUMBER")]
    max_deletes: Option<u32>,
    /// Accept files without jobs
    #[arg(long)]
    allow_empty: bool,
    /// Take over jobs with the same keys that belong to another stack, or to none
    #[arg(long)]
    adopt: bool,
    /// Refuse files with credentials
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Prune {
    Delete,
    Pause,
}

#[derive(Args)]
pub struct Apply {
    #[command(flatten)]
    sources: Sources,
    /// Show the plan, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Args)]
pub struct Diff {
    #[command(flatten)]
    sources: Sources,
}

impl Diff {
    /// Exit code 2 means that there are changes.
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let planned = plan_of_files(context, &self.sources).await?;
        show(context, &planned).await?;
        Ok(if total(&planned).pending() > 0 { Exit::ChangesPending } else { Exit::Done })
    }
}

impl Apply {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let planned = plan_of_files(context, &self.sources).await?;
        if self.dry_run {
            show(context, &planned).await?;
            return Ok(Exit::Done);
        }
        apply(context, &self.sources, &planned, self.yes).await
    }
}

/// A stack, and what the server would do with it.
pub struct Planned {
    stack: Stack,
    plan: Plan,
    json: String,
}

async fn plan_of_files(context: &Context, sources: &Sources) -> Result<Vec<Planned>, Failure> {
    let options = files::Options {
        files: &sources.files,
        is_recursive: sources.recursive,
        stack: sources.stack.as_deref(),
        is_strict: sources.strict,
    };
    let loaded = files::load(&options)?;
    for warning in &loaded.warnings {
        context.output.warn(warning);
    }
    plan_of(context, sources, loaded.stacks).await
}

/// Asks the server what it would do.
pub async fn plan_of(
    context: &Context,
    sources: &Sources,
    stacks: Vec<Stack>,
) -> Result<Vec<Planned>, Failure> {
    let mut planned = Vec::new();
    for stack in stacks {
        let answer = send(context, sources, &stack, None).await?;
        let plan = answer.json().or_fail("the plan cannot be read")?;
        planned.push(Planned { stack, plan, json: answer.text });
    }
    Ok(planned)
}

/// Shows the plan, asks, and does exactly what was shown.
pub async fn apply(
    context: &Context,
    sources: &Sources,
    planned: &[Planned],
    yes: bool,
) -> Result<Exit, Failure> {
    let is_for_people = !context.output.is_data() && context.output.format != Format::Id;
    let pending = total(planned);
    if is_for_people {
        show(context, planned).await?;
    }
    if pending.pending() == 0 {
        if !is_for_people {
            show(context, planned).await?;
        }
        return Ok(Exit::Done);
    }
    prompt::confirm_or_yes(&format!("{}. Apply?", pending.words(false)), yes, context.no_input)?;
    let (mut done, mut documents) = (Summary::default(), Vec::new());
    for planned in planned.iter().filter(|planned| planned.plan.summary.pending() > 0) {
        let answer = send(context, sources, &planned.stack, Some(&planned.plan)).await?;
        let result: Plan = answer.json().or_fail("the jobs were applied, and the response cannot be read")?;
        done.add(result.summary);
        for change in &result.changes {
            if let Some(problem) = &change.problem {
                context
                    .output
                    .warn(&format!("{} was not changed: {} ({})", change.key, problem.detail, problem.code));
            }
            if context.output.format == Format::Id && change.action != "unchanged" && change.problem.is_none()
            {
                output::print(&format!("{}\n", change.key))?;
            }
        }
        documents.push(answer.text);
    }
    match (is_for_people, context.output.is_data()) {
        (true, _) => output::print(&format!("{}\n", done.words(true)))?,
        (_, true) => print_documents(context, &documents)?,
        _ => {}
    }
    Ok(if done.failed > 0 { Exit::Failed } else { Exit::Done })
}

fn total(planned: &[Planned]) -> Summary {
    let mut total = Summary::default();
    planned.iter().for_each(|planned| total.add(planned.plan.summary));
    total
}

/// With a plan, changes exactly what it says; without one, asks for it.
async fn send(
    context: &Context,
    sources: &Sources,
    stack: &Stack,
    plan: Option<&Plan>,
) -> Result<Answer, Failure> {
    let mut body = Node::map();
    body.set("stack", Node::string(&stack.name));
    body.set("jobs", stack.jobs.clone());
    match sources.prune {
        Some(Prune::Delete) => body.set("prune", Node::string("delete")),
        Some(Prune::Pause) => body.set("prune", Node::string("pause")),
        None => {}
    }
    if let Some(deletes) = sources.max_deletes {
        body.set("max_deletes", Node::number(deletes));
    }
    for (name, is_set) in
        [("allow_empty", sources.allow_empty), ("take_over", sources.adopt), ("dry_run", plan.is_none())]
    {
        if is_set {
            body.set(name, Node::bool(true));
        }
    }
    if let Some(plan) = plan {
        let mut expect = Node::map();
        for change in &plan.changes {
            expect.set(&change.key, change.version.map_or(Node::new(Value::Null), Node::number));
        }
        body.set("expect", expect);
    }
    let what = if plan.is_some() { "nothing was applied" } else { "the jobs cannot be applied" };
    let call = Call::post("/v1/jobs/apply")
        .query("all", "true")
        .body(body.to_json())
        .repeatable()
        .waits(APPLY_TIMEOUT);
    context.call(what, call).await.map_err(|failure| placed(failure, &body))
}

/// Names the places in the files instead of those in the request.
fn placed(mut failure: Failure, body: &Node) -> Failure {
    let Some(problem) = &failure.problem else { return failure };
    let lines: Vec<String> = problem
        .errors
        .iter()
        .map(|error| {
            let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" {hint}"));
            match body.place_of(&error.pointer) {
                Some(place) => {
                    format!("{place}  {}: {}{hint}", error.pointer.trim_start_matches("/jobs/"), error.detail)
                }
                None => format!("{}  {}{hint}", error.pointer, error.detail),
            }
        })
        .collect();
    let others = failure.lines.split_off(problem.errors.len().min(failure.lines.len()));
    failure.lines = lines.into_iter().chain(others).collect();
    match problem.code.as_str() {
        "stack_conflict" => failure.line("Add --adopt to take these jobs over."),
        "too_many_deletes" => failure.line("Raise the limit with --max-deletes NUMBER."),
        "plan_stale" => failure.line("Run the command again to see the new plan."),
        "validation_failed" if problem.errors.iter().any(|error| error.pointer == "/jobs") => {
            failure.line("--allow-empty accepts files without jobs.")
        }
        _ => failure,
    }
}

fn print_documents(context: &Context, documents: &[String]) -> Result<(), Failure> {
    match (documents, context.output.format) {
        ([document], _) => context.output.document(document),
        (documents, Format::Ndjson) => {
            documents.iter().try_for_each(|document| context.output.document(document))
        }
        (documents, _) => context.output.document(&format!("[{}]", documents.join(","))),
    }
}

async fn show(context: &Context, planned: &[Planned]) -> Result<(), Failure> {
    if context.output.is_data() {
        let documents: Vec<String> = planned.iter().map(|planned| planned.json.clone()).collect();
        return print_documents(context, &documents);
    }
    if context.output.format == Format::Id {
        let changes = planned.iter().flat_map(|planned| &planned.plan.changes);
        let mut changes = changes.filter(|change| !matches!(change.action.as_str(), "unchanged" | "orphan"));
        return changes.try_for_each(|change| output::print(&format!("{}\n", change.key)));
    }
    let clock = context.output.clock(context.client.now().await.or_fail("the plan cannot be shown")?);
    let workspace = workspace(context).await;
    let missing = MissingSecrets::new(context, planned).await;
    for Planned { stack, plan, .. } in planned {
        let title =
            format!("{}{workspace}, {}", plan.stack, context.client.url().as_str().trim_end_matches('/'));
        output::print(&plan::show(plan, &title, &stack.jobs, &clock))?;
        for line in missing.lines(stack) {
            output::print(&format!("  ! {line}\n"))?;
        }
    }
    output::print(&format!("{}\n", total(planned).words(false)))
}

/// ` in NAME`, if the server says it.
async fn workspace(context: &Context) -> String {
    let Ok(answer) = context.client.call(Call::get("/v1/me")).await else { return String::new() };
    let me = Node::from_json(&answer.text).ok();
    let name = me.as_ref().and_then(|me| me.at(&["workspace", "name"])).and_then(Node::as_str);
    name.map_or_else(String::new, |name| format!(" in {name}"))
}

/// The names of secrets that exist; `None` if the token may not read them.
struct MissingSecrets(Option<HashSet<String>>);

impl MissingSecrets {
    async fn new(context: &Context, planned: &[Planned]) -> Self {
        let mut jobs = planned.iter().flat_map(|planned| planned.stack.jobs.entries());
        if !jobs.any(|job| !files::secrets_of(&job.value).is_empty()) {
            return Self(None);
        }
        let secrets = context.client.list("/v1/secrets", &[], usize::MAX).await.ok();
        Self(secrets.map(|secrets| {
            let rows = secrets.iter().filter_map(|row| serde_json::from_str::<SecretRow>(row.get()).ok());
            rows.map(|row| row.name).collect()
        }))
    }

    fn lines(&self, stack: &Stack) -> Vec<String> {
        let Some(existing) = &self.0 else { return Vec::new() };
        let of_job = |job: &crate::node::Entry| {
            let names =
                files::secrets_of(&job.value).into_iter().filter(|(name, _)| !existing.contains(name));
            let line = |(name, place): (String, Option<crate::node::Place>)| {
                let place = place.map_or_else(String::new, |place| format!("{place}  "));
                format!(
                    "{place}{} names secret://{name}, which does not exist yet: trigrun secrets set {name}",
                    job.key
                )
            };
            names.map(line).collect::<Vec<_>>()
        };
        stack.jobs.entries().iter().flat_map(of_job).collect()
    }
}
