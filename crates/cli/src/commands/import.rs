//! `trigrun import`: the server converts, this prints the file and what is different.

use clap::{Args, FromArgMatches};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trigrun_client::Call;

use super::{
    apply::{self, Sources},
    export, secrets,
};
use crate::{
    context::Context,
    exit::{DIM, Exit, Failure, OrFail, RED, YELLOW},
    files::Stack,
    node::{Node, Value},
    output, prompt, yaml,
};

const DEFAULT_STACK: &str = "imported";

#[derive(Args)]
pub struct Import {
    /// The file, or - for standard input
    #[arg(default_value = "-")]
    file: String,
    /// curl, crontab, url, http, cron-job-org, gcp, eventbridge, qstash, vercel or kubernetes; by the content unless it is given
    #[arg(long, value_name = "FORMAT")]
    from: Option<String>,
    /// For vercel: the URL to which the paths belong
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// For eventbridge: the URL to call for an ARN; can be given several times
    #[arg(long = "map", value_name = "ARN=URL", value_parser = mapping)]
    maps: Vec<(String, String)>,
    /// The time zone of a crontab that names none
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// The beginning of all keys
    #[arg(long)]
    prefix: Option<String>,
    /// Fail if anything is not as in the source
    #[arg(long)]
    strict: bool,
    /// Show the values of the secrets to create
    #[arg(long)]
    show_secrets: bool,
    /// Create the secrets that do not exist, and apply the file
    #[arg(long)]
    apply: bool,
    /// The stack of the file
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// With --apply: do not ask
    #[arg(short, long, requires = "apply")]
    yes: bool,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Finding {
    pub level: String,
    pub key: Option<String>,
    pub place: String,
    pub code: String,
    pub detail: String,
    pub hint: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Secret {
    pub name: String,
    pub value: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct LeftOut {
    pub place: String,
    pub text: String,
    pub why: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conversion {
    format: String,
    findings: Vec<Finding>,
    secrets: Vec<Secret>,
    jobs: BTreeMap<String, Job>,
    left_out: Vec<LeftOut>,
    meaningless: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Job {
    left_out: Vec<LeftOut>,
}

impl Conversion {
    /// What has no meaning here, of all jobs and of none.
    fn parts(&self) -> impl Iterator<Item = &LeftOut> {
        self.jobs.values().flat_map(|job| &job.left_out).chain(&self.left_out)
    }
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let at = text.find("=http").ok_or_else(|| format!("{text} is not ARN=URL"))?;
    Ok((text[..at].to_owned(), text[at + 1..].to_owned()))
}

impl Import {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let text = prompt::file_or_stdin(&self.file)?;
        let call = Call::post("/v1/jobs/convert").body(self.body(&text)?.to_json()).repeatable();
        let answer = context.call("the source was not converted", call).await?;
        let conversion: Conversion = answer.json().or_fail("the conversion cannot be read")?;
        let node = Node::from_json(&answer.text).map_err(output::unreadable)?;
        let (jobs, once) = jobs_of(&node);
        let name = if self.file == "-" { "stdin" } else { &self.file };
        self.review(context, &conversion, name, jobs.entries().len(), &once);
        let has_refused =
            conversion.findings.iter().any(|finding| finding.level == "refused") || !once.is_empty();
        let is_incomplete = has_refused || (self.strict && !conversion.findings.is_empty());
        let exit = if is_incomplete { Exit::Failed } else { Exit::Done };
        let stack = self.stack.as_deref().unwrap_or(DEFAULT_STACK);
        if !self.apply {
            export::print_file(context, vec![(stack.to_owned(), jobs)])?;
            return Ok(exit);
        }
        if self.strict && exit != Exit::Done {
            return Err(Failure::new(
                "nothing was applied: the conversion is not complete, and --strict was given",
            ));
        }
        let applied =
            self.apply_jobs(context, Stack { name: stack.to_owned(), jobs }, &conversion.secrets).await?;
        Ok(if applied == Exit::Done { exit } else { applied })
    }

    fn body(&self, text: &str) -> Result<Node, Failure> {
        let mut body = Node::map();
        if let Some(format) = &self.from {
            body.set("format", Node::string(format));
        }
        body.set("source", source(&self.file, text, self.from.as_deref())?);
        for (name, value) in [("timezone", &self.tz), ("base_url", &self.base_url), ("prefix", &self.prefix)]
        {
            if let Some(value) = value {
                body.set_at(&["options", name], Node::string(value));
            }
        }
        for (arn, url) in &self.maps {
            body.set_at(&["options", "map", arn], Node::string(url));
        }
        Ok(body)
    }

    /// Says on standard error what is not as in the source.
    fn review(&self, context: &Context, conversion: &Conversion, name: &str, count: usize, once: &[String]) {
        let output = &context.output;
        output.note(&format!(
            "{name}: {}, {}",
            conversion.format,
            crate::output::counted(count as u64, "job")
        ));
        for finding in &conversion.findings {
            let style = match finding.level.as_str() {
                "refused" => RED,
                "lost" | "secret" => YELLOW,
                _ => DIM,
            };
            let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!(" {hint}"));
            output.note(&format!(
                "  {style}{:<8}{style:#} {}: {}{hint}",
                finding.level, finding.place, finding.detail
            ));
        }
        for key in once {
            output.note(&format!(
                "  {RED}refused{RED:#}  {key} has no schedule, which a file of jobs needs: trigrun jobs create {key} --curl FILE --cron EXPRESSION"
            ));
        }
        for secret in conversion.secrets.iter().filter(|_| !self.apply) {
            let value = if self.show_secrets { format!("   # {}", secret.value) } else { String::new() };
            output.note(&format!("  trigrun secrets set {}{value}", secret.name));
        }
        if conversion.meaningless > 0 {
            let parts = crate::output::counted(conversion.meaningless, "part");
            let hint = if output.is_verbose { "" } else { " (-v shows them)" };
            output.note(&format!("  {parts} without a meaning here{hint}"));
        }
        for part in conversion.parts().filter(|_| output.is_verbose) {
            output.note(&format!("    {DIM}{}: {}: {}{DIM:#}", part.place, part.text, part.why));
        }
    }

    async fn apply_jobs(&self, context: &Context, stack: Stack, values: &[Secret]) -> Result<Exit, Failure> {
        let existing = context
            .client
            .list("/v1/secrets", &[], usize::MAX)
            .await
            .or_fail("the secrets cannot be listed")?;
        let existing: Vec<crate::rows::SecretRow> =
            existing.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
        let sources = sources();
        let planned = apply::plan_of(context, &sources, vec![stack]).await?;
        let new: Vec<&Secret> =
            values.iter().filter(|secret| !existing.iter().any(|row| row.name == secret.name)).collect();
        if !new.is_empty() {
            let names: Vec<&str> = new.iter().map(|secret| secret.name.as_str()).collect();
            prompt::confirm_or_yes(
                &format!("Create the secrets {}?", names.join(", ")),
                self.yes,
                context.no_input,
            )?;
        }
        for secret in new {
            secrets::store(context, &secret.name, &secret.value).await?;
        }
        apply::apply(context, &sources, &planned, self.yes).await
    }
}

/// The options of `apply`, at their defaults.
fn sources() -> Sources {
    let command = Sources::augment_args(clap::Command::new("apply"));
    let matches = command.try_get_matches_from(["apply"]).unwrap_or_default();
    Sources::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// What the server reads: JSON for the formats that are JSON. Kubernetes' YAML becomes JSON here.
fn source(file: &str, text: &str, from: Option<&str>) -> Result<Node, Failure> {
    if let (true, Ok(json)) = (text.trim_start().starts_with(['{', '[']), Node::from_json(text)) {
        return Ok(json);
    }
    let is_kubernetes = from.map_or_else(
        || text.lines().any(|line| line.trim_end() == "kind: CronJob" || line.trim_end() == "kind: List"),
        |from| from == "kubernetes",
    );
    if !is_kubernetes {
        return Ok(Node::string(text));
    }
    let documents = yaml::documents(file, text)
        .map_err(|error| Failure::new(format!("{}: {}", error.place, error.text)))?;
    let is_one = documents.len() == 1;
    let mut list = Node::map();
    list.set("kind", Node::string("List"));
    let documents = documents.into_iter().filter(|document| is_one || document.get("kind").is_some());
    let mut documents: Vec<Node> = documents.collect();
    if is_one {
        return Ok(documents.remove(0));
    }
    list.set("items", Node::list(documents));
    Ok(list)
}

/// The jobs for a file, and the keys of those that run once.
fn jobs_of(conversion: &Node) -> (Node, Vec<String>) {
    let (mut jobs, mut once) = (Node::map(), Vec::new());
    for entry in conversion.get("jobs").map_or(&[][..], Node::entries) {
        let Some(job) = entry.value.get("job") else { continue };
        if job.get("kind").and_then(Node::as_str) == Some("one_time") {
            once.push(entry.key.clone());
            continue;
        }
        let mut job = job.clone();
        job.remove("key");
        let is_default = |node: &Node| matches!(node.value, Value::Null);
        let empty: Vec<String> = job
            .entries()
            .iter()
            .filter(|entry| is_default(&entry.value))
            .map(|entry| entry.key.clone())
            .collect();
        for field in empty {
            job.remove(&field);
        }
        jobs.set(&entry.key, job);
    }
    (jobs, once)
}
