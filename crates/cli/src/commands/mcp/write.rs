//! The tools that change something: first the plan, then, with its confirmation, the change.

use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use trigrun_client::Call;

use super::{
    Tool,
    confirmation::{Decision, Plan},
    read::{definition, without_responses},
    value_of,
};
use crate::{
    context::Context,
    exit::{Failure, OrFail},
    path,
    plan::Plan as Application,
};

/// How long a tool waits for a run to end.
const WAIT_SECONDS: &str = "25";
const WAIT: Duration = Duration::from_secs(25);
/// An application of a thousand jobs takes some seconds.
const APPLY_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    stack: String,
    jobs: Value,
    prune: Option<String>,
    max_deletes: Option<u32>,
    confirm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfJob {
    job: String,
    confirm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    job: String,
    state: Wanted,
    confirm: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Active,
    Paused,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfExecution {
    execution: String,
    confirm: Option<String>,
}

pub async fn apply(context: &Context, arguments: Apply) -> Result<Value, Failure> {
    let Apply { stack, jobs, prune, max_deletes, confirm } = arguments;
    let mut body = json!({ "stack": stack, "jobs": jobs, "dry_run": true });
    if let Some(prune) = prune {
        body["prune"] = json!(prune);
    }
    if let Some(max_deletes) = max_deletes {
        body["max_deletes"] = json!(max_deletes);
    }
    let what = "the jobs cannot be applied";
    let mut shown = value_of(what, &context.call(what, apply_call(&body)).await?)?;
    let plan: Application =
        serde_json::from_value(shown.clone()).map_err(trigrun_client::Error::from).or_fail(what)?;
    if plan.summary.pending() == 0 {
        return Ok(
            json!({ "done": true, "next": "The jobs are already so: nothing had to change.", "summary": shown["summary"] }),
        );
    }
    let versions = plan.changes.iter().map(|change| (change.key.clone(), json!(change.version))).collect();
    body["expect"] = Value::Object(versions);
    without_unchanged(&mut shown);
    let plan = Plan { shown, basis: body.clone() };
    match plan.decide(context, Tool::ApplyJobs, confirm).await? {
        Decision::Planned(answer) => Ok(answer),
        Decision::Confirmed(_) => {
            body["dry_run"] = json!(false);
            let mut result = value_of(what, &context.call("nothing was applied", apply_call(&body)).await?)?;
            without_unchanged(&mut result);
            Ok(json!({ "done": true, "result": result }))
        }
    }
}

/// The versions of unchanged jobs are expected, too, but an agent need not read them.
fn without_unchanged(application: &mut Value) {
    if let Some(changes) = application["changes"].as_array_mut() {
        changes.retain(|change| change["action"] != "unchanged");
    }
}

/// The versions that the plan has found are expected, so a second effect does not differ from the first.
fn apply_call(body: &Value) -> Call {
    Call::post("/v1/jobs/apply").query("all", "true").body(body.to_string()).repeatable().waits(APPLY_TIMEOUT)
}

pub async fn run(context: &Context, arguments: OfJob) -> Result<Value, Failure> {
    let job = definition(context, &arguments.job).await?;
    let path = format!("/v1/jobs/{}/run-now", segment(&job, "id"));
    request_now(context, Tool::RunJob, Value::Null, &job, &path, arguments.confirm).await
}

pub async fn replay(context: &Context, arguments: OfExecution) -> Result<Value, Failure> {
    let what = "the execution cannot be read";
    let call = Call::get(format!("/v1/executions/{}", path::segment(&arguments.execution)));
    let execution = value_of(what, &context.call(what, call).await?)?;
    let job = definition(context, execution["job_id"].as_str().unwrap_or_default()).await?;
    let path = format!("/v1/executions/{}/replay", segment(&execution, "id"));
    let of = json!({ "id": execution["id"], "status": execution["status"], "scheduled_for": execution["scheduled_for"] });
    request_now(context, Tool::ReplayExecution, of, &job, &path, arguments.confirm).await
}

/// Makes the request of a job, once for each confirmation.
async fn request_now(
    context: &Context,
    tool: Tool,
    replay_of: Value,
    job: &Value,
    path: &str,
    confirm: Option<String>,
) -> Result<Value, Failure> {
    let mut shown = json!({ "job": brief(job), "request": job["request"] });
    let basis = json!({ "path": path, "version": job["version"] });
    if !replay_of.is_null() {
        shown["replay_of"] = replay_of;
    }
    match (Plan { shown, basis }).decide(context, tool, confirm).await? {
        Decision::Planned(answer) => Ok(answer),
        Decision::Confirmed(key) => {
            let call = Call::post(path).query("wait", WAIT_SECONDS).key(Some(&key)).waits(WAIT);
            let execution =
                value_of("the run cannot be read", &context.call("nothing was run", call).await?)?;
            let has_ended = execution["finished_at"].is_string();
            let mut result = json!({ "done": true, "execution": without_responses(execution, false) });
            if !has_ended {
                result["next"] = json!("The run has not ended yet: get_execution says how it ends.");
            }
            Ok(result)
        }
    }
}

pub async fn set_state(context: &Context, arguments: State) -> Result<Value, Failure> {
    let job = definition(context, &arguments.job).await?;
    let id = segment(&job, "id");
    let (path, becomes) = match arguments.state {
        Wanted::Active => (format!("/v1/jobs/{id}/resume"), "active"),
        Wanted::Paused => (format!("/v1/jobs/{id}/pause"), "paused"),
    };
    if job["state"] == becomes {
        return Ok(
            json!({ "done": true, "next": format!("The job is already {becomes}."), "job": brief(&job) }),
        );
    }
    let shown = json!({ "job": brief(&job), "state": { "before": job["state"], "after": becomes } });
    let basis = json!({ "job": job["id"], "version": job["version"], "state": becomes });
    match (Plan { shown, basis }).decide(context, Tool::SetJobState, arguments.confirm).await? {
        Decision::Planned(answer) => Ok(answer),
        Decision::Confirmed(_) => {
            let version = job["version"].as_i64().unwrap_or_default();
            let call = Call::post(path).if_version(version);
            let job =
                value_of("the job cannot be read", &context.call("the job has not changed", call).await?)?;
            Ok(json!({ "done": true, "job": brief(&job) }))
        }
    }
}

/// What identifies a job, and what a change of its state changes.
fn brief(job: &Value) -> Value {
    const FIELDS: [&str; 7] = ["id", "key", "name", "version", "state", "schedule_in_words", "next_run_at"];
    Value::Object(FIELDS.iter().map(|field| ((*field).to_owned(), job[*field].clone())).collect())
}

fn segment(object: &Value, field: &str) -> String {
    path::segment(object[field].as_str().unwrap_or_default())
}
