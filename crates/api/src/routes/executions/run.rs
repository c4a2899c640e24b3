//! Runs that a client requests: recorded once per idempotency key, and returned at once or when they have ended.

use actix_web::{HttpRequest, HttpResponse, http::header};
use std::time::Duration;
use trigrun_core::{
    domain::{
        execution::{Execution, Source},
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
    },
    store::{
        StoreError,
        executions::{self, NewRun},
    },
    telemetry::trace,
};

use super::ExecutionView;
use crate::{
    extract::{
        depth::depth,
        key::{Earlier, idempotency_key},
    },
    problem::{Problem, ProblemCode},
    quotas::Plan,
    result::ApiResult,
    state::State,
};

/// What to run immediately.
#[derive(Clone, Copy)]
pub enum RunRequest {
    Run(JobId),
    Replay(ExecutionId),
}

/// Records an execution, once per idempotency key of the request, and returns it: at once, or when it has ended.
pub async fn run(
    state: &State,
    (workspace, plan): (WorkspaceId, Plan),
    run: RunRequest,
    request: &HttpRequest,
    wait: Duration,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let key = idempotency_key(request, &mut errors);
    let key = errors.finish(Ok(key))?;
    let depth = depth(request, workspace)?;
    // The key is checked first: its execution was allowed when it was created.
    if let Some(earlier) = created_before(state, workspace, key.as_deref(), run).await? {
        return respond(state, workspace, earlier, wait).await;
    }
    let (job, source, replay_of) = match run {
        RunRequest::Run(job) => (job, Source::Manual, None),
        RunRequest::Replay(original) => {
            let job = executions::get(&mut *state.conn().await?, workspace, original).await?.job;
            (job, Source::Replay, Some(original))
        }
    };
    state.quotas.run(plan, workspace, 1).await?;
    let traceparent = trace::current();
    let recorded = state.run(async move |state| {
        let now = state.clock.now();
        let (traceparent, key) = (traceparent.as_deref(), key.as_deref());
        let new = NewRun { source, replay_of, traceparent, depth, key, now };
        // Releases the connection before another is acquired: requests that hold one each would wait for each other.
        let inserted = executions::insert_now(&mut *state.conn().await?, workspace, job, new).await;
        match inserted {
            // A concurrent request with the same key was faster.
            Err(error) if error.is_conflict("run_keys_pkey") => {
                let earlier = created_before(&state, workspace, key, run).await?;
                // Its job was deleted in the meantime.
                earlier.ok_or_else(Problem::not_found)
            }
            inserted => Ok(Recorded { id: inserted.map_err(not_run)?, earlier: None }),
        }
    });
    let recorded = recorded.await?;
    state.waker.wake();
    respond(state, workspace, recorded, wait).await
}

/// Why a job does not run.
pub fn not_run(error: StoreError) -> Problem {
    if error.is_conflict("draft") {
        return Problem::new(ProblemCode::JobIsDraft, "The job is a draft. Activate it first.");
    }
    if error.is_conflict("paused") {
        let detail = "The job is paused, and this request comes from a run of TrigRun. Only other clients can run a paused job.";
        return Problem::new(ProblemCode::JobIsPaused, detail);
    }
    error.into()
}

/// The execution of a request to run.
struct Recorded {
    id: ExecutionId,
    /// An earlier request with this key created it.
    earlier: Option<Earlier>,
}

/// The execution that this key created.
async fn created_before(
    state: &State,
    workspace: WorkspaceId,
    key: Option<&str>,
    run: RunRequest,
) -> ApiResult<Option<Recorded>> {
    let Some(key) = key else { return Ok(None) };
    let found = executions::find_run(&mut *state.conn().await?, workspace, key).await?;
    let recorded = |found: executions::IdempotentRun| {
        let is_same = match run {
            RunRequest::Run(job) => found.replay_of.is_none() && found.job == job,
            RunRequest::Replay(original) => found.replay_of == Some(original),
        };
        Recorded { id: found.execution, earlier: Some(Earlier { differs: !is_same }) }
    };
    Ok(found.map(recorded))
}

async fn respond(
    state: &State,
    workspace: WorkspaceId,
    Recorded { id, earlier }: Recorded,
    wait: Duration,
) -> ApiResult<HttpResponse> {
    let execution = read(state, workspace, id, wait).await?;
    let mut response = if earlier.is_some() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    let warning = earlier.and_then(|earlier| earlier.describe(&mut response));
    response.insert_header((header::LOCATION, format!("/v1/executions/{id}")));
    Ok(response.json(ExecutionView::with_attempts(&execution).with_warning(warning)))
}

/// The execution with its attempts: when it has ended, or as it is after this time.
pub async fn read(
    state: &State,
    workspace: WorkspaceId,
    id: ExecutionId,
    wait: Duration,
) -> ApiResult<Execution> {
    let execution = executions::get(&mut *state.conn().await?, workspace, id).await?;
    if wait.is_zero() || execution.status.is_terminal() {
        return Ok(execution);
    }
    state.waiting.until_ended(id, wait).await;
    Ok(executions::get(&mut *state.conn().await?, workspace, id).await?)
}
