//! `jobs run`, `next`, `ledger` and `explain`.

use clap::Args;
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;
use trigrun_client::Call;

use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    globals::Format,
    output,
    path::segment,
    rows::{ExecutionRow, JobRow},
    table::Cell,
    times::{self, When},
    view::{self, Detail},
    waiting,
};

#[derive(Args)]
pub struct Run {
    /// The key or id of the job
    job: String,
    /// Wait until the run has ended: exit code 10 if it failed, 11 if it has not ended in time
    #[arg(short, long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = times::seconds, default_value = "5m", value_name = "DURATION", requires = "wait")]
    timeout: u64,
    /// Run the job once, however often the command runs with this key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Run {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let call = Call::post(format!("/v1/jobs/{}/run-now", segment(&self.job)))
            .key(self.idempotency_key.as_deref());
        let answer = context.job_call("the job was not run", &self.job, call).await?;
        let row: ExecutionRow = answer.json().or_fail("the job runs, and the response cannot be read")?;
        if !self.wait {
            context.output.changed(&row.id, &answer.text)?;
            return Ok(Exit::Done);
        }
        if !context.output.is_data() {
            output::print(&format!("{}\n", row.id))?;
        }
        finish(context, &row.id, Duration::from_secs(self.timeout)).await
    }
}

/// Waits for the end, and prints how it was.
pub async fn finish(context: &Context, id: &str, timeout: Duration) -> Result<Exit, Failure> {
    let ended = waiting::for_end(context, id, timeout).await?;
    if context.output.is_data() {
        context.output.document(&ended.json)?;
    } else if let (Format::Table, Some(now)) = (context.output.format, context.client.server_now()) {
        let detail = Detail { headers: false, whole_body: false };
        context.output.note(view::execution(&ended.row, &context.output.clock(now), detail).trim_end());
    }
    ended.tell(context);
    Ok(ended.exit())
}

#[derive(Args)]
pub struct Next {
    /// The key or id of the job
    job: String,
    /// How many fires
    #[arg(short = 'n', long, default_value_t = 5, value_name = "NUMBER")]
    count: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Upcoming {
    at: Option<Timestamp>,
    local: String,
    note: Option<String>,
}

impl output::Row for Upcoming {
    const HEADER: &'static [&'static str] = &["AT", "LOCAL", "NOTE"];

    fn id(&self) -> &str {
        &self.local
    }

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::Time(self.at), self.local.clone().into(), self.note.clone().unwrap_or_default().into()]
    }
}

impl Next {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the next fires cannot be listed";
        let path = format!("/v1/jobs/{}", segment(&self.job));
        let job: JobRow = context.job_call(what, &self.job, Call::get(path)).await?.json().or_fail(what)?;
        let query = [("job_id", job.id.as_str())];
        let fires = context.client.list("/v1/upcoming", &query, self.count).await.or_fail(what)?;
        let now = context.client.now().await.or_fail(what)?;
        if fires.is_empty() {
            context.output.note(&format!("{} is {}: no run is planned", job.handle(), job.state));
        }
        context.output.list::<Upcoming>(&fires, now)?;
        Ok(Exit::Done)
    }
}

#[derive(Args)]
pub struct Ledger {
    /// The key or id of the job
    job: String,
    /// From this time (RFC 3339), or so long ago
    #[arg(long, value_parser = When::parse, default_value = "24h", value_name = "TIME")]
    from: When,
    /// To this time (RFC 3339), or so long ago
    #[arg(long, value_parser = When::parse, value_name = "TIME")]
    to: Option<When>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    due: u64,
    executed: u64,
    skipped: std::collections::BTreeMap<String, u64>,
    pending: u64,
    gaps: u64,
    duplicates: u64,
    mismatches: Vec<Mismatch>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mismatch {
    kind: String,
    scheduled_for: Option<Timestamp>,
    execution_id: Option<String>,
}

impl Ledger {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the ledger cannot be read";
        let now = context.client.now().await.or_fail(what)?;
        let path = format!("/v1/jobs/{}/ledger", segment(&self.job));
        let mut call = Call::get(path).query("from", &self.from.instant(now).to_string());
        if let Some(to) = &self.to {
            call = call.query("to", &to.instant(now).to_string());
        }
        let answer = context.job_call(what, &self.job, call).await?;
        let report: Report = answer.json().or_fail(what)?;
        let exit = if report.gaps == 0 && report.duplicates == 0 { Exit::Done } else { Exit::Failed };
        if context.output.is_data() {
            context.output.document(&answer.text)?;
            return Ok(exit);
        }
        let counts = [("due", report.due), ("executed", report.executed), ("pending", report.pending)];
        let mut rows: Vec<Vec<Cell>> =
            counts.iter().map(|(name, count)| vec![(*name).into(), count.to_string().into()]).collect();
        for (reason, count) in &report.skipped {
            rows.push(vec![format!("skipped: {reason}").into(), count.to_string().into()]);
        }
        for (name, count) in [("gaps", report.gaps), ("duplicates", report.duplicates)] {
            rows.push(vec![name.into(), count.to_string().into()]);
        }
        context.output.table(&[], &rows, now)?;
        for mismatch in &report.mismatches {
            let at = mismatch.scheduled_for.map(|at| context.output.clock(now).show(at)).unwrap_or_default();
            context.output.warn(&format!(
                "{} {at} {}",
                mismatch.kind,
                mismatch.execution_id.as_deref().unwrap_or_default()
            ));
        }
        Ok(exit)
    }
}

#[derive(Args)]
pub struct Explain {
    /// The key or id of the job
    job: String,
    /// This time (RFC 3339), or so long ago
    #[arg(long, value_parser = When::parse, value_name = "TIME")]
    at: When,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Explanation {
    verdict: String,
    sentence: String,
    execution_id: Option<String>,
    note: Option<String>,
}

impl Explain {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "this cannot be explained";
        let now = context.client.now().await.or_fail(what)?;
        let path = format!("/v1/jobs/{}/explain", segment(&self.job));
        let call = Call::get(path).query("at", &self.at.instant(now).to_string());
        let answer = context.job_call(what, &self.job, call).await?;
        if context.output.is_data() {
            context.output.document(&answer.text)?;
            return Ok(Exit::Done);
        }
        let why: Explanation = answer.json().or_fail(what)?;
        let rest =
            [why.execution_id, why.note].into_iter().flatten().map(|text| text + "\n").collect::<String>();
        output::print(&format!("{}\n{}\n{rest}", why.verdict, why.sentence))?;
        Ok(Exit::Done)
    }
}
