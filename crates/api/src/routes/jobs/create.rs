//! Creates a job: once per idempotency key, even when two requests arrive together.

use chrono::{DateTime, SubsecRound, Utc};
use trigrun_core::{
    domain::{
        chain::Depth,
        execution::Source,
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job::{
            Definition, Job, JobState,
            change::{ChangeError, first_fire},
        },
        page::Page,
    },
    store::{
        executions::{self, Filter},
        jobs::{self, NewJob},
    },
    telemetry::trace,
};

use super::{
    body::JobBody,
    define::{Context, in_the_past},
};
use crate::{
    extract::key::Earlier,
    problem::{Problem, ProblemCode},
    result::ApiResult,
    state::State,
};

pub struct Created {
    pub id: JobId,
    /// The job, if it is exactly what was just written.
    pub job: Option<Job>,
    pub execution: Option<ExecutionId>,
    /// An earlier request with this key created the job.
    pub earlier: Option<Earlier>,
}

/// What the headers of the request say.
pub struct Requested {
    pub key: Option<String>,
    /// Of its body, if it has a key.
    pub digest: Option<Vec<u8>>,
    pub depth: Depth,
}

/// The key comes first: the job that it created was valid then, even if its run_at has passed since.
pub async fn create(
    state: &State,
    workspace: WorkspaceId,
    mut body: JobBody,
    Requested { key, digest, depth }: Requested,
    mut errors: FieldErrors,
) -> ApiResult<Created> {
    if let Some(created) = created_before(state, workspace, key.as_deref(), digest.as_deref()).await? {
        return Ok(created);
    }
    // A copy of a job that TrigRun has completed.
    if body.id.is_some() && body.state.as_deref() == Some(JobState::Completed.as_str()) {
        body.state = None;
    }
    let context = Context { policy: &state.policy, now: state.clock.now(), before: None };
    let definition = body.define(&context, &mut errors);
    let definition = errors.finish(definition)?;
    if definition.requests_run() {
        state.quotas.run(state.connections.unshared(), workspace).await?;
    }
    let plan = state.quotas.plan(state.connections.unshared(), workspace).await?;
    let traceparent = trace::current();
    let created = state.run(async move |state| {
        // The precision that Postgres stores.
        let now = state.clock.now().trunc_subsecs(6);
        let new = NewJob {
            id: JobId::at(now),
            definition: &definition,
            idempotency_key: key.as_deref(),
            request_digest: digest.as_deref(),
            now,
            first_fire: first_fire(&definition, now, now).map_err(refused)?,
            traceparent: traceparent.as_deref(),
            depth,
        };
        let inserted = jobs::insert(&mut *state.conn().await?, workspace, &new, plan.jobs()).await;
        match (inserted, &key) {
            (Ok(execution), _) => {
                let (id, next_run_at) = (new.id, new.first_fire);
                let job = execution.is_none().then(|| fresh(id, workspace, definition, next_run_at, now));
                Ok(Created { id, job, execution, earlier: None })
            }
            (Err(error), Some(key)) if error.is_conflict("jobs_idempotency_key") => {
                // Deleted in between: as if the key had never been used.
                created_before(&state, workspace, Some(key), digest.as_deref()).await?.ok_or_else(|| {
                    Problem::new(ProblemCode::JobChanges, "The job of this key was just deleted; try again.")
                })
            }
            (Err(error), _) => Err(plan.exceeded(error)),
        }
    });
    let created = created.await?;
    state.waker.wake();
    Ok(created)
}

fn refused(error: ChangeError) -> Problem {
    match error {
        // It was in the future when the body was checked.
        ChangeError::RunAtPast => Problem::of_field("/schedule/run_at", in_the_past()),
        error => error.into(),
    }
}

/// The job as it was just written. It has not run, and no other client knows its id yet.
fn fresh(
    id: JobId,
    workspace: WorkspaceId,
    definition: Definition,
    next_run_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Job {
    Job {
        id,
        workspace,
        version: 1,
        state: definition.state,
        definition,
        next_run_at,
        schedule_error: None,
        last_execution: None,
        created_at: now,
        updated_at: now,
    }
}

/// The job that this key has created before, and its execution if it ran at once.
async fn created_before(
    state: &State,
    workspace: WorkspaceId,
    key: Option<&str>,
    digest: Option<&[u8]>,
) -> ApiResult<Option<Created>> {
    let Some(key) = key else { return Ok(None) };
    let mut conn = state.conn().await?;
    let Some(found) = jobs::find_by_idempotency_key(&mut conn, workspace, key).await? else {
        return Ok(None);
    };
    let id = found.id;
    let at_once = Filter { job: Some(id), source: Some(Source::OneTime), ..Filter::default() };
    let page = Page { limit: 1, before: None };
    let runs = executions::list(&mut conn, workspace, &at_once, page).await?.data;
    let earlier = Some(Earlier { differs: found.request_digest.as_deref() != digest });
    Ok(Some(Created { id, job: None, execution: runs.first().map(|run| run.id), earlier }))
}
