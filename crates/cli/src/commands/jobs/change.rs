//! `jobs create`, `update`, `delete`, `pause` and `resume`.

use clap::Args;
use serde::Deserialize;
use trigrun_client::{Answer, Call, Method};

use super::definition::{self, Definition};
use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    node::Node,
    output::{self, Output},
    path::segment,
    prompt,
    rows::JobRow,
    yaml,
};

#[derive(Args)]
pub struct Create {
    /// Your name for the job, which can stand for its id: a-z, 0-9, . _ -
    key: Option<String>,
    #[command(flatten)]
    definition: Definition,
    /// Take the whole job from a file of JSON or YAML, or - for standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Create the job once, however often the command runs with this key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Create {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let options = self.definition.body(context).await?;
        let mut body = match &self.file {
            Some(file) => job_of_file(file)?.under(&options),
            None if !self.definition.has_schedule() => {
                return Err(Failure::new("the job has no schedule").line(
                    "Add one of --cron, --every, --at and --now, or take the job from a file with -f.",
                ));
            }
            None => options,
        };
        if let Some(key) = &self.key {
            body.set("key", Node::string(key));
        }
        if body.get("name").is_none() {
            body.set("name", Node::string(default_name(&body)));
        }
        let call = Call::post("/v1/jobs").body(body.to_json()).key(self.idempotency_key.as_deref());
        let answer = context.call("the job was not created", call).await?;
        let row: JobRow = answer.json().or_fail("the job was created, and the response cannot be read")?;
        let verb = if answer.header("idempotent-replayed").is_some() {
            "had been created before"
        } else {
            "created"
        };
        tell(context, &row, verb);
        context.output.changed(row.handle(), &answer.text)?;
        if let (Some(id), false) = (&row.execution_id, context.output.is_data()) {
            context.output.note(&format!("It runs now: {id}"));
        }
        Ok(Exit::Done)
    }
}

/// The key or, without one, what the job does.
fn default_name(body: &Node) -> String {
    let text = |path: &[&str]| body.at(path).and_then(Node::as_str);
    match text(&["key"]) {
        Some(key) => key.to_owned(),
        None => {
            let url = text(&["request", "url"]).unwrap_or_default();
            let shown = url.split(['?', '#']).next().unwrap_or_default();
            let shown = shown.split_once("://").map_or(shown, |(_, rest)| rest);
            format!("{} {shown}", text(&["request", "method"]).unwrap_or("GET")).chars().take(200).collect()
        }
    }
}

/// The only document of a file.
pub fn job_of_file(file: &str) -> Result<Node, Failure> {
    let text = prompt::file_or_stdin(file)?;
    let documents = yaml::documents(file, &text)
        .map_err(|error| Failure::new(format!("{}: {}", error.place, error.text)))?;
    match <[Node; 1]>::try_from(documents) {
        Ok([job]) => Ok(job),
        Err(documents) => {
            Err(Failure::new(format!("{file} has {} documents instead of one job", documents.len())))
        }
    }
}

fn tell(context: &Context, row: &JobRow, verb: &str) {
    for warning in &row.warnings {
        context.output.warn(warning);
    }
    let next = match (row.next_run_at, context.client.server_now()) {
        (Some(at), Some(now)) => format!("; next run {}", context.output.clock(now).show(at)),
        _ => String::new(),
    };
    let words =
        if row.schedule_in_words.is_empty() { String::new() } else { format!(": {}", row.schedule_in_words) };
    context.output.note(&format!("{} {verb}, version {}{words}{next}", row.handle(), row.version));
}

#[derive(Args)]
pub struct Update {
    /// The key or id of the job
    job: String,
    #[command(flatten)]
    definition: Definition,
    /// Set a field to its default, by the name of its option or its path (request.headers.X-Name)
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    unset: Vec<String>,
    /// Give the job another key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Change the job only if this is its version
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
    /// Take the fields to change from a file of JSON or YAML, or - for standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
}

impl Update {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let options = self.definition.body(context).await?;
        let mut body = match &self.file {
            Some(file) => job_of_file(file)?.under(&options),
            None => options,
        };
        definition::unset(&mut body, &self.unset)?;
        if let Some(key) = &self.key {
            body.set("key", Node::string(key));
        }
        if body.entries().is_empty() {
            return Err(Failure::new("nothing to change")
                .line("Name the fields to change: trigrun jobs update --help"));
        }
        let mut call =
            Call::new(Method::PATCH, format!("/v1/jobs/{}", segment(&self.job))).body(body.to_json());
        if let Some(version) = self.if_version {
            call = call.if_version(version);
        }
        let answer = context.job_call("the job was not changed", &self.job, call).await?;
        let row: JobRow = answer.json().or_fail("the job was changed, and the response cannot be read")?;
        tell(context, &row, "updated");
        context.output.changed(row.handle(), &answer.text)?;
        Ok(Exit::Done)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Delete,
    Pause,
    Resume,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Pause => "paused",
            Self::Resume => "resumed",
        }
    }

    fn call(self, job: &str) -> Call {
        let job = segment(job);
        match self {
            Self::Delete => Call::delete(format!("/v1/jobs/{job}")),
            Self::Pause => Call::post(format!("/v1/jobs/{job}/pause")).repeatable(),
            Self::Resume => Call::post(format!("/v1/jobs/{job}/resume")).repeatable(),
        }
    }
}

/// Jobs by their names, or by a filter.
#[derive(Args)]
pub struct Many {
    /// Keys or ids of jobs
    #[arg(value_name = "JOB", required_unless_present_any = ["tag", "stack"], conflicts_with_all = ["tag", "stack"])]
    jobs: Vec<String>,
    /// All jobs with this tag
    #[arg(long)]
    tag: Option<String>,
    /// All jobs of this stack
    #[arg(long)]
    stack: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Args)]
pub struct Pause {
    #[command(flatten)]
    many: Many,
    /// A note for other members
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["tag", "stack"])]
    note: Option<String>,
    /// Resume by itself at this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with_all = ["tag", "stack"])]
    until: Option<String>,
}

impl Pause {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let mut body = Node::map();
        for (name, value) in [("note", &self.note), ("until", &self.until)] {
            if let Some(value) = value {
                body.set(name, Node::string(value));
            }
        }
        let body = (!body.entries().is_empty()).then(|| body.to_json());
        self.many.run(context, Action::Pause, body).await
    }
}

impl Many {
    pub async fn run(
        &self,
        context: &Context,
        action: Action,
        body: Option<String>,
    ) -> Result<Exit, Failure> {
        if self.jobs.is_empty() {
            return self.run_filter(context, action).await;
        }
        if action == Action::Delete {
            let jobs = if let [job] = self.jobs.as_slice() {
                job.clone()
            } else {
                format!("{} jobs", self.jobs.len())
            };
            prompt::confirm_or_yes(
                &format!("Delete {jobs} and all executions?"),
                self.yes,
                context.no_input,
            )?;
        }
        let mut first_failure = None;
        for job in &self.jobs {
            let mut call = action.call(job);
            if let Some(body) = &body {
                call = call.body(body.clone());
            }
            match context.job_call(&format!("{job} was not {}", action.done()), job, call).await {
                Ok(answer) => tell_one(&context.output, job, action, &answer)?,
                // The others are still tried.
                Err(failure) if self.jobs.len() > 1 => {
                    anstream::eprintln!("{}", failure.for_people());
                    first_failure.get_or_insert(failure.exit);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(first_failure.unwrap_or(Exit::Done))
    }

    async fn run_filter(&self, context: &Context, action: Action) -> Result<Exit, Failure> {
        let mut body = Node::map();
        body.set("action", Node::string(action.word()));
        for (name, value) in [("tag", &self.tag), ("stack", &self.stack)] {
            if let Some(value) = value {
                body.set_at(&["filter", name], Node::string(value));
            }
        }
        let what = format!("the jobs were not {}", action.done());
        let mut dry = body.clone();
        dry.set("dry_run", Node::bool(true));
        let matched = bulk(context, &what, &dry).await?;
        let and_more = if matched.more { "at least " } else { "" };
        let sample: Vec<&str> = matched.jobs.iter().take(5).map(BulkJob::handle).collect();
        if matched.matched == 0 {
            context.output.note("no job matches");
            return Ok(Exit::Done);
        }
        context.output.note(&format!(
            "{and_more}{} match: {}",
            output::counted(matched.matched, "job"),
            sample.join(", ")
        ));
        let question =
            format!("{} {and_more}{}?", capitalised(action.word()), output::counted(matched.matched, "job"));
        prompt::confirm_or_yes(&question, self.yes, context.no_input)?;
        let mut is_complete = true;
        loop {
            let result = bulk(context, &what, &body).await?;
            for job in &result.jobs {
                crate::output::print(&format!("{}\n", job.handle()))?;
            }
            for failed in &result.failed {
                context.output.warn(&format!("{}: {}", failed.id, failed.detail));
                is_complete = false;
            }
            context.output.note(&format!("{} {}", result.done, action.done()));
            match result.next_cursor {
                Some(cursor) if result.more => body.set("cursor", Node::string(cursor)),
                _ => return Ok(if is_complete { Exit::Done } else { Exit::Failed }),
            }
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn tell_one(output: &Output, job: &str, action: Action, answer: &Answer) -> Result<(), Failure> {
    output.note(&format!("{job} {}", action.done()));
    output.changed(job, &answer.text)
}

async fn bulk(context: &Context, what: &str, body: &Node) -> Result<Bulk, Failure> {
    let call = Call::post("/v1/jobs/bulk").body(body.to_json()).key(None);
    context.call(what, call).await?.json().or_fail(what)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bulk {
    matched: u64,
    done: u64,
    jobs: Vec<BulkJob>,
    failed: Vec<BulkFailure>,
    more: bool,
    next_cursor: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BulkJob {
    id: String,
    key: Option<String>,
}

impl BulkJob {
    fn handle(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.id)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BulkFailure {
    id: String,
    detail: String,
}
