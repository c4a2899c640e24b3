//! The tools that change nothing.

use serde::Deserialize;
use serde_json::{Value, json};
use trigrun_client::Call;

use super::{page_of, value_of};
use crate::{
    context::Context,
    exit::{Failure, OrFail},
    path,
};

/// An agent reads each row.
const MAX_ROWS: &str = "20";
/// Of a response that an agent asks for.
const MAX_BODY_BYTES: usize = 2048;

/// A job, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfJob {
    job: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobFilter {
    state: Option<String>,
    health: Option<String>,
    tag: Option<String>,
    stack: Option<String>,
    host: Option<String>,
    q: Option<String>,
    cursor: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecutionFilter {
    job: Option<String>,
    status: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfExecution {
    execution: String,
    #[serde(default)]
    include_body: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtInstant {
    job: String,
    at: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    job: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

pub async fn jobs(context: &Context, filter: JobFilter) -> Result<Value, Failure> {
    let what = "the jobs cannot be listed";
    let call = filtered(
        Call::get("/v1/jobs").query("limit", MAX_ROWS),
        &[
            ("state", &filter.state),
            ("health", &filter.health),
            ("tag", &filter.tag),
            ("stack", &filter.stack),
            ("host", &filter.host),
            ("q", &filter.q),
            ("cursor", &filter.cursor),
        ],
    );
    Ok(page_of(value_of(what, &context.call(what, call).await?)?))
}

pub async fn job(context: &Context, of: OfJob) -> Result<Value, Failure> {
    definition(context, &of.job).await
}

/// A job with its whole definition.
pub async fn definition(context: &Context, job: &str) -> Result<Value, Failure> {
    let what = "the job cannot be read";
    let call = Call::get(format!("/v1/jobs/{}", path::segment(job)));
    value_of(what, &context.job_call(what, job, call).await?)
}

pub async fn executions(context: &Context, filter: ExecutionFilter) -> Result<Value, Failure> {
    let what = "the executions cannot be listed";
    let call = filtered(
        Call::get("/v1/executions").query("limit", MAX_ROWS),
        &[
            ("job_id", &filter.job),
            ("status", &filter.status),
            ("from", &filter.from),
            ("to", &filter.to),
            ("cursor", &filter.cursor),
        ],
    );
    Ok(page_of(value_of(what, &context.call(what, call).await?)?))
}

pub async fn execution(context: &Context, of: OfExecution) -> Result<Value, Failure> {
    let what = "the execution cannot be read";
    let call = Call::get(format!("/v1/executions/{}", path::segment(&of.execution)));
    Ok(without_responses(value_of(what, &context.call(what, call).await?)?, of.include_body))
}

pub async fn explanation(context: &Context, at: AtInstant) -> Result<Value, Failure> {
    let what = "the job cannot be explained";
    let call = Call::get(format!("/v1/jobs/{}/explain", path::segment(&at.job))).query("at", &at.at);
    value_of(what, &context.job_call(what, &at.job, call).await?)
}

pub async fn preview(context: &Context, body: Value) -> Result<Value, Failure> {
    let what = "the schedule cannot be explained";
    let call = Call::post("/v1/schedules/preview").body(body.to_string()).repeatable();
    value_of(what, &context.call(what, call).await?)
}

pub async fn ledger(context: &Context, window: Window) -> Result<Value, Failure> {
    let what = "the ledger cannot be read";
    let path = window
        .job
        .as_ref()
        .map_or_else(|| "/v1/ledger".to_owned(), |job| format!("/v1/jobs/{}/ledger", path::segment(job)));
    let call = filtered(Call::get(path), &[("from", &window.from), ("to", &window.to)]);
    let answer = match &window.job {
        Some(job) => context.job_call(what, job, call).await?,
        None => context.call(what, call).await?,
    };
    value_of(what, &answer)
}

/// No value of a credential gets into the text of an agent, also where the conversion quotes its source.
pub async fn conversion(context: &Context, body: Value) -> Result<Value, Failure> {
    let what = "the source cannot be converted";
    let call = Call::post("/v1/jobs/convert").body(body.to_string()).repeatable();
    let answer = context.call(what, call).await?;
    let Conversion { secrets } = answer.json().or_fail(what)?;
    let mut conversion = value_of(what, &answer)?;
    conversion["secrets"] = json!(secrets.iter().map(|secret| &secret.name).collect::<Vec<_>>());
    mask(&mut conversion, &secrets);
    Ok(conversion)
}

#[derive(Deserialize)]
struct Conversion {
    secrets: Vec<ConvertedSecret>,
}

#[derive(Deserialize)]
struct ConvertedSecret {
    name: String,
    value: String,
}

fn mask(value: &mut Value, secrets: &[ConvertedSecret]) {
    match value {
        Value::String(text) => {
            for secret in secrets.iter().filter(|secret| !secret.value.is_empty()) {
                *text = text.replace(&secret.value, &format!("secret://{}", secret.name));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|field| mask(field, secrets)),
        _ => {}
    }
}

fn filtered(call: Call, filters: &[(&str, &Option<String>)]) -> Call {
    filters.iter().fold(call, |call, (name, value)| match value {
        Some(value) => call.query(name, value),
        None => call,
    })
}

/// Leaves out what targets answered, or all but the beginning of it.
pub fn without_responses(mut execution: Value, include_body: bool) -> Value {
    let Some(attempts) = execution.get_mut("attempts").and_then(Value::as_array_mut) else {
        return execution;
    };
    for attempt in attempts.iter_mut().filter_map(Value::as_object_mut) {
        attempt.remove("response_headers");
        let body = attempt.remove("body_preview");
        let is_cut = attempt.remove("body_truncated").is_some_and(|cut| cut == true);
        let encoding = attempt.remove("body_encoding");
        if let Some(Value::String(text)) = body.filter(|_| include_body) {
            let end = (0..=MAX_BODY_BYTES.min(text.len()))
                .rev()
                .find(|end| text.is_char_boundary(*end))
                .unwrap_or(0);
            attempt.insert(
                "untrusted_body".to_owned(),
                json!({ "text": text[..end], "encoding": encoding, "truncated": is_cut || end < text.len() }),
            );
        }
    }
    execution
}
