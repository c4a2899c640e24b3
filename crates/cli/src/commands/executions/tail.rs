//! `executions tail`: follows the server's stream of executions that end.

use clap::Args;
use std::{collections::HashSet, time::Duration};
use trigrun_client::{Call, Error, RawValue, StreamEvent};

use crate::{
    context::Context,
    exit::{DIM, Exit, Failure, OrFail},
    globals::Format,
    output::{self, Row},
    rows::{ExecutionRow, style_of},
    table::one_line,
    times::{self, Clock, When},
};

/// How long to wait before connecting again after a failure.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(2);
const MAX_RECONNECTS: u32 = 30;
/// Names of jobs are cut to this width.
const JOB_COLUMN: usize = 28;
/// Ids are remembered up to this number, because an execution may come twice around a reconnection.
const MAX_SEEN: usize = 10_000;

#[derive(Args)]
pub struct Tail {
    /// Only executions of this job
    #[arg(short, long)]
    job: Option<String>,
    /// Only failed executions
    #[arg(long)]
    failed: bool,
    /// Begin with those that ended since this time (RFC 3339), or of this last duration, such as 2h
    #[arg(long, value_parser = When::parse, value_name = "TIME")]
    since: Option<When>,
}

impl Tail {
    /// Ctrl-C is the normal end.
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        tokio::select! {
            result = self.follow(context) => result,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
        }
    }

    async fn follow(&self, context: &Context) -> Result<Exit, Failure> {
        let mut printer = Printer { context, seen: HashSet::new() };
        let mut last_id: Option<String> = None;
        let mut failures = 0;
        let mut past = self.since.as_ref();
        loop {
            let mut events = match context.client.stream(self.call(last_id.as_deref())).await {
                Ok(events) => events,
                Err(error) => {
                    failures += 1;
                    self.pause(context, error, failures).await?;
                    continue;
                }
            };
            failures = 0;
            // After the stream has begun, so that nothing is lost in between.
            if let Some(since) = past.take() {
                self.print_past(&mut printer, since).await?;
            }
            loop {
                match events.next().await {
                    Ok(Some(event)) => {
                        last_id = event.id.clone().or(last_id);
                        printer.event(&event)?;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        failures += 1;
                        self.pause(context, error, failures).await?;
                        break;
                    }
                }
            }
        }
    }

    fn call(&self, last_id: Option<&str>) -> Call {
        let mut call = Call::get("/v1/stream");
        if let Some(job) = &self.job {
            call = call.query("job_id", job);
        }
        if self.failed {
            call = call.query("status", "failed");
        }
        match last_id {
            Some(id) => call.header("last-event-id", id),
            None => call,
        }
    }

    /// What a retry cannot mend ends the command.
    async fn pause(&self, context: &Context, error: Error, failures: u32) -> Result<(), Failure> {
        let failure = Failure::of_call("the executions cannot be followed", error);
        if failure.exit != Exit::Busy || failures > MAX_RECONNECTS {
            return Err(failure);
        }
        if failures == 1 {
            context.output.note("the connection ended, connecting again");
        }
        tokio::time::sleep(RECONNECT_INTERVAL).await;
        Ok(())
    }

    async fn print_past(&self, printer: &mut Printer<'_>, since: &When) -> Result<(), Failure> {
        let what = "the executions cannot be listed";
        let client = &printer.context.client;
        let from = since.instant(client.now().await.or_fail(what)?).to_string();
        let ended = if self.failed { "failed" } else { "succeeded,failed,cancelled,skipped" };
        let mut query = vec![("from", from.as_str()), ("status", ended)];
        if let Some(job) = &self.job {
            query.push(("job_id", job));
        }
        let past = client.list("/v1/executions", &query, usize::MAX).await.or_fail(what)?;
        past.iter().rev().try_for_each(|execution| printer.execution(execution))
    }
}

struct Printer<'a> {
    context: &'a Context,
    seen: HashSet<String>,
}

impl Printer<'_> {
    fn event(&mut self, event: &StreamEvent) -> Result<(), Failure> {
        match event.name.as_str() {
            "execution" => {
                let execution: Box<RawValue> =
                    serde_json::from_str(&event.data).map_err(output::unreadable)?;
                self.execution(&execution)
            }
            "lost" => {
                self.context.output.warn("Some executions were not received. `executions list` has them.");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn execution(&mut self, execution: &RawValue) -> Result<(), Failure> {
        let row: ExecutionRow = serde_json::from_str(execution.get()).map_err(output::unreadable)?;
        if self.seen.len() >= MAX_SEEN {
            self.seen.clear();
        }
        if !self.seen.insert(row.id.clone()) {
            return Ok(());
        }
        let output = &self.context.output;
        match (output.format, self.context.client.server_now()) {
            (Format::Id, _) => output::print(&format!("{}\n", row.id())),
            (Format::Table, Some(now)) if output.to_terminal => {
                output::print(&line(&row, &output.clock(now)))
            }
            (Format::Table, Some(now)) => output.table(&[], &[row.cells()], now),
            (Format::Yaml, _) => {
                output::print("---\n")?;
                output.document(execution.get())
            }
            // A document for each: an array would never end.
            _ => output::print(&(output::compact(execution.get()) + "\n")),
        }
    }
}

/// A line for a terminal. Its columns have the same width on all lines.
fn line(row: &ExecutionRow, clock: &Clock) -> String {
    let at = row.finished_at.map(|at| at.to_zoned(clock.zone.clone()).strftime("%H:%M:%S").to_string());
    let (style, dim) = (style_of(&row.status), DIM);
    format!(
        "{}  {style}{:<9}{style:#}  {}  {:<3}  {:>9}  {dim}{}{dim:#}  {}\n",
        at.unwrap_or_default(),
        row.status,
        console::pad_str(&one_line(&row.job_name), JOB_COLUMN, console::Alignment::Left, Some("…")),
        row.status_code.map(|code| code.to_string()).unwrap_or_default(),
        row.duration_ms.map(times::milliseconds).unwrap_or_default(),
        row.id,
        one_line(row.error.as_deref().unwrap_or_default()),
    )
}
