//! `executions replay`: by ids, or all that match a filter.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::time::Duration;
use trigrun_client::{Call, RawValue};

use crate::{
    commands::jobs::finish,
    context::Context,
    exit::{Exit, Failure, OrFail},
    node::Node,
    output,
    path::segment,
    prompt,
    rows::ExecutionRow,
    times::{self, When},
};

const SAMPLE: usize = 5;

#[derive(Args)]
pub struct Replay {
    /// The ids of executions
    #[arg(value_name = "EXECUTION", required_unless_present = "since", conflicts_with_all = ["since", "until", "job", "failed", "status", "tag", "host"])]
    executions: Vec<String>,
    /// All executions since this time (RFC 3339), or of this last duration, such as 2h
    #[arg(long, value_parser = When::parse, value_name = "TIME")]
    since: Option<When>,
    /// Only those before this time (RFC 3339), or so long ago
    #[arg(long, value_parser = When::parse, value_name = "TIME", requires = "since")]
    until: Option<When>,
    /// Only those of this job
    #[arg(short, long, requires = "since")]
    job: Option<String>,
    /// Only those that failed
    #[arg(long, requires = "since", conflicts_with = "status")]
    failed: bool,
    /// Only those with this status; several with commas
    #[arg(long, requires = "since", value_delimiter = ',')]
    status: Vec<String>,
    /// Only those of jobs with this tag
    #[arg(long, requires = "since")]
    tag: Option<String>,
    /// Only those that called this host
    #[arg(long, requires = "since")]
    host: Option<String>,
    /// Show what would be replayed
    #[arg(long, requires = "since")]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Wait until the run has ended: exit code 10 if it failed, 11 if it has not ended in time
    #[arg(short, long, conflicts_with = "since")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = times::seconds, default_value = "5m", value_name = "DURATION", requires = "wait")]
    timeout: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome {
    matched: u64,
    done: u64,
    failed: Vec<Failed>,
    executions: Vec<Box<RawValue>>,
    more: bool,
    next_cursor: Option<String>,
    retry_after_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failed {
    id: String,
    code: String,
}

impl Replay {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match &self.since {
            Some(since) => self.by_filter(context, since).await,
            None => self.by_ids(context).await,
        }
    }

    async fn by_ids(&self, context: &Context) -> Result<Exit, Failure> {
        let mut exit = Exit::Done;
        for id in &self.executions {
            let call = Call::post(format!("/v1/executions/{}/replay", segment(id))).key(None);
            let answer = context.call(&format!("{id} was not replayed"), call).await?;
            let row: ExecutionRow =
                answer.json().or_fail("the replay runs, and the response cannot be read")?;
            if !self.wait {
                context.output.changed(&row.id, &answer.text)?;
                continue;
            }
            if !context.output.is_data() {
                output::print(&format!("{}\n", row.id))?;
            }
            let ended = finish(context, &row.id, Duration::from_secs(self.timeout)).await?;
            exit = if exit == Exit::Done { ended } else { exit };
        }
        Ok(exit)
    }

    async fn by_filter(&self, context: &Context, since: &When) -> Result<Exit, Failure> {
        let what = "the executions were not replayed";
        let now = context.client.now().await.or_fail(what)?;
        let mut body = self.body(since, now);
        let mut dry = body.clone();
        dry.set("dry_run", Node::bool(true));
        let answer =
            context.call(what, Call::post("/v1/executions/bulk").body(dry.to_json()).repeatable()).await?;
        let found: Outcome = answer.json().or_fail(what)?;
        if self.dry_run && context.output.is_data() {
            context.output.document(&answer.text)?;
            return Ok(Exit::Done);
        }
        let at_least = if found.more { "at least " } else { "" };
        if self.dry_run {
            output::print(&format!("matched: {at_least}{}\n", found.matched))?;
        } else {
            context.output.note(&format!("{at_least}{} match", output::counted(found.matched, "execution")));
        }
        let sample: Vec<ExecutionRow> = found
            .executions
            .iter()
            .take(SAMPLE)
            .filter_map(|row| serde_json::from_str(row.get()).ok())
            .collect();
        for row in &sample {
            let at = row.scheduled_for.map(|at| context.output.clock(now).show(at)).unwrap_or_default();
            context.output.note(&format!("  {} {} {} {at}", row.id, row.job_name, row.status));
        }
        if self.dry_run || found.matched == 0 {
            return Ok(Exit::Done);
        }
        let question = format!("Replay {at_least}{}?", output::counted(found.matched, "execution"));
        prompt::confirm_or_yes(&question, self.yes, context.no_input)?;
        self.replay_all(context, &mut body, found.matched).await
    }

    fn body(&self, since: &When, now: jiff::Timestamp) -> Node {
        let mut body = Node::map();
        body.set("action", Node::string("replay"));
        body.set_at(&["filter", "from"], Node::string(since.instant(now).to_string()));
        // Without an end, the time of the first call ends the search.
        if let Some(until) = &self.until {
            body.set_at(&["filter", "to"], Node::string(until.instant(now).to_string()));
        }
        for (name, value) in [("job_id", &self.job), ("tag", &self.tag), ("host", &self.host)] {
            if let Some(value) = value {
                body.set_at(&["filter", name], Node::string(value));
            }
        }
        let status = if self.failed { vec!["failed".to_owned()] } else { self.status.clone() };
        if !status.is_empty() {
            body.set_at(&["filter", "status"], Node::list(status.iter().map(Node::string)));
        }
        body
    }

    async fn replay_all(&self, context: &Context, body: &mut Node, matched: u64) -> Result<Exit, Failure> {
        let what = "the executions were not replayed";
        // One key for all calls: each execution is replayed once, however often a call is repeated.
        let key = trigrun_client::new_key();
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = if context.output.is_quiet { ProgressBar::hidden() } else { ProgressBar::new(matched) }
            .with_style(style);
        let (mut done, mut failed) = (0, 0);
        let stopped = loop {
            let call = Call::post("/v1/executions/bulk")
                .body(body.to_json())
                .key(Some(&key))
                .waits(Duration::from_secs(30));
            let result: Outcome = context.call(what, call).await?.json().or_fail(what)?;
            bar.inc(result.done);
            done += result.done;
            failed += result.failed.len();
            bar.suspend(|| {
                for Failed { id, code } in &result.failed {
                    context.output.warn(&format!("{id} was not replayed: {code}"));
                }
            });
            for execution in &result.executions {
                let row: ExecutionRow = serde_json::from_str(execution.get()).map_err(output::unreadable)?;
                context.output.changed(&row.id, execution.get())?;
            }
            match result.next_cursor {
                Some(_) if result.retry_after_seconds.is_some() => break result.retry_after_seconds,
                Some(cursor) if result.more => body.set("cursor", Node::string(cursor)),
                _ => break None,
            }
        };
        bar.finish_and_clear();
        context.output.note(&format!("{done} replayed, {failed} not"));
        match stopped {
            Some(seconds) => {
                Err(Failure::with(Exit::Busy, "the plan of the workspace allows no more replays now").line(
                    format!("Go on in {seconds} s with --since and --until of the executions that are left."),
                ))
            }
            None if failed > 0 => Ok(Exit::Failed),
            None => Ok(Exit::Done),
        }
    }
}
