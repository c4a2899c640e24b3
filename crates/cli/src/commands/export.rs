//! `trigrun export` and `trigrun schema`.

use clap::Args;
use std::collections::HashMap;
use trigrun_client::Call;

use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    files,
    globals::Format,
    node::{Entry, Node, Value},
    output,
    rows::JobRow,
    yaml,
};

const DEFAULT_STACK: &str = "exported";

#[derive(Args)]
pub struct Export {
    /// Only jobs of this stack
    #[arg(long)]
    stack: Option<String>,
    /// Only jobs with this tag
    #[arg(long)]
    tag: Option<String>,
}

impl Export {
    /// Prints a file of jobs that, applied, changes nothing.
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the jobs were not exported";
        let mut body = Node::map();
        for (name, value) in [("stack", &self.stack), ("tag", &self.tag)] {
            if let Some(value) = value {
                body.set(name, Node::string(value));
            }
        }
        let (mut jobs, mut left_out) = (Node::map(), Vec::<(String, u64)>::new());
        loop {
            let answer =
                context.call(what, Call::post("/v1/jobs/export").body(body.to_json()).repeatable()).await?;
            let page = Node::from_json(&answer.text).map_err(output::unreadable)?;
            for job in page.get("jobs").map_or(&[][..], Node::entries) {
                jobs.set(&job.key, job.value.clone());
            }
            for reason in page.get("left_out").map_or(&[][..], Node::entries) {
                add(&mut left_out, &reason.key, &reason.value);
            }
            match page.get("next_cursor").and_then(Node::as_str) {
                Some(cursor) => body.set("cursor", Node::string(cursor)),
                None => break,
            }
        }
        for (reason, count) in left_out {
            context.output.note(&format!("left out: {count} {} jobs", reason.replace('_', "-")));
        }
        let stacks = self.by_stack(context, jobs).await?;
        print_file(context, stacks)?;
        Ok(Exit::Done)
    }

    /// A file for each stack. A job without a stack is adopted by the one that it gets, so that no second job is made.
    async fn by_stack(&self, context: &Context, jobs: Node) -> Result<Vec<(String, Node)>, Failure> {
        if let Some(stack) = &self.stack {
            return Ok(vec![(stack.clone(), jobs)]);
        }
        let query: Vec<(&str, &str)> = self.tag.iter().map(|tag| ("tag", tag.as_str())).collect();
        let listed = context
            .client
            .list("/v1/jobs", &query, usize::MAX)
            .await
            .or_fail("the jobs were not exported")?;
        let rows: Vec<JobRow> =
            listed.iter().filter_map(|row| serde_json::from_str(row.get()).ok()).collect();
        let by_key: HashMap<&str, &JobRow> =
            rows.iter().filter_map(|row| Some((row.key.as_deref()?, row))).collect();
        let mut stacks: Vec<(String, Node)> = Vec::new();
        for Entry { key, value: mut job, .. } in jobs.entries().iter().cloned() {
            let row = by_key.get(key.as_str());
            let stack = row.and_then(|row| row.stack.clone());
            if let (None, Some(row)) = (&stack, row) {
                job.set("adopt", Node::string(&row.id));
            }
            let stack = stack.unwrap_or_else(|| DEFAULT_STACK.to_owned());
            match stacks.iter_mut().find(|(known, _)| *known == stack) {
                Some((_, jobs)) => jobs.set(&key, job),
                None => {
                    let mut jobs = Node::map();
                    jobs.set(&key, job);
                    stacks.push((stack, jobs));
                }
            }
        }
        Ok(stacks)
    }
}

fn add(left_out: &mut Vec<(String, u64)>, reason: &str, count: &Node) {
    let count = if let Value::Number(count) = &count.value { count.parse().unwrap_or(0) } else { 0 };
    match left_out.iter_mut().find(|(known, _)| known == reason) {
        Some((_, sum)) => *sum += count,
        None => left_out.push((reason.to_owned(), count)),
    }
}

/// Prints files of jobs, one after the other.
pub fn print_file(context: &Context, stacks: Vec<(String, Node)>) -> Result<(), Failure> {
    let file = |(stack, mut jobs): (String, Node)| {
        files::escape(&mut jobs);
        let mut file = Node::map();
        file.set("stack", Node::string(stack));
        file.set("jobs", jobs);
        file
    };
    let files: Vec<Node> = stacks.into_iter().map(file).collect();
    match (context.output.format, files.as_slice()) {
        (Format::Json, [file]) => context.output.document(&file.to_json()),
        (Format::Json, _) => context.output.document(&Node::list(files).to_json()),
        (Format::Ndjson, _) => files.iter().try_for_each(|file| context.output.document(&file.to_json())),
        _ => {
            let schema = context.client.url_of("/schema/jobs.json");
            let texts: Vec<String> = files.iter().map(yaml::to_yaml).collect();
            output::print(&format!("# yaml-language-server: $schema={schema}\n{}", texts.join("---\n")))
        }
    }
}

/// Prints the JSON Schema of a file of jobs.
pub async fn schema(context: &Context) -> Result<Exit, Failure> {
    let answer = context.call("the schema cannot be read", Call::get("/schema/jobs.json")).await?;
    context.output.document(&answer.text)?;
    Ok(Exit::Done)
}
