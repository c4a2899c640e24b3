//! `jobs test`: sends the request of a job once, without saving anything.

use clap::Args;
use serde::Deserialize;
use std::time::{Duration, Instant};
use trigrun_client::Call;

use super::change::job_of_file;
use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    node::Node,
    output,
    path::segment,
    rows::{AttemptRow, style_of},
    table::one_line,
    times, view,
    waiting::{MAX_WAIT, MIN_INTERVAL},
};

#[derive(Args)]
pub struct Test {
    /// The key or id of a job
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    job: Option<String>,
    /// Take the job from a file of JSON or YAML, or - for standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// How long to wait
    #[arg(long, value_parser = times::seconds, default_value = "5m", value_name = "DURATION")]
    timeout: u64,
}

/// The fields of a test that are shown.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TestRow {
    id: String,
    status: String,
    error: Option<String>,
    attempt: Option<AttemptRow>,
}

impl Test {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the request was not tested";
        let mut body = Node::map();
        let job = match (&self.job, &self.file) {
            (Some(job), _) => {
                let path = format!("/v1/jobs/{}", segment(job));
                let answer = context.job_call(what, job, Call::get(path)).await?;
                body.set("job_id", Node::string(job.clone()));
                Node::from_json(&answer.text).map_err(output::unreadable)?
            }
            (None, file) => job_of_file(file.as_deref().unwrap_or("-"))?,
        };
        if let Some(request) = job.get("request") {
            body.set("request", request.clone());
        }
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        // It has no idempotency key: what may have been sent is not sent again.
        let mut answer = context.call(what, Call::post("/v1/tests").body(body.to_json())).await?;
        loop {
            let row: TestRow =
                answer.json().or_fail("the request is tested, and the response cannot be read")?;
            let is_ended = matches!(row.status.as_str(), "succeeded" | "failed");
            if is_ended || Instant::now() >= deadline {
                return row.show(context, &answer.text);
            }
            let start = Instant::now();
            let wait = deadline.saturating_duration_since(start).min(MAX_WAIT).as_secs().max(1);
            let path = format!("/v1/tests/{}", segment(&row.id));
            let call = Call::get(path).query("wait", &wait.to_string()).waits(MAX_WAIT);
            answer = context.call("the test cannot be read", call).await?;
            tokio::time::sleep(MIN_INTERVAL.saturating_sub(start.elapsed())).await;
        }
    }
}

impl TestRow {
    fn show(&self, context: &Context, json: &str) -> Result<Exit, Failure> {
        if context.output.is_data() {
            context.output.document(json)?;
        } else if let Some(attempt) = &self.attempt {
            output::print(view::attempt_of_test(attempt).trim_start())?;
        }
        let style = style_of(&self.status);
        context.output.note(&format!("{style}{}{style:#}", self.status));
        if let Some(error) = &self.error {
            context.output.note(&one_line(error));
        }
        Ok(match self.status.as_str() {
            "succeeded" => Exit::Done,
            "failed" => Exit::RunFailed,
            _ => Exit::RunNotEnded,
        })
    }
}
