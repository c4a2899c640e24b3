//! Creates a job: once per idempotency key, even when two requests arrive together.

use chrono::SubsecRound;
use trigrun_core::{
    domain::{
        audit::Author,
        chain::Depth,
        execution::Source,
        id::{AccountId, ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job::{
            Definition, Job, JobState,
            change::{ChangeError, first_fire},
            pause::{Pause, PauseTerms},
        },
        page::Page,
        statistics::JobHealth,
    },
    store::{
        StoreError,
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
    auth, connections,
    extract::key::Earlier,
    job_writer::{PendingJob, Written},
    problem::{Problem, ProblemCode},
    quotas::{Plan, Quota},
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
#[derive(Clone)]
pub struct Requested {
    pub key: Option<String>,
    /// Of its body, if it has a key.
    pub digest: Option<Vec<u8>>,
    pub depth: Depth,
    /// Of the token that makes the request. The jobs are only created while it is valid.
    pub token_hash: Option<Vec<u8>>,
    pub author: Author,
    /// What the workspace may have.
    pub plan: Plan,
}

impl Requested {
    /// Why the store has not created the jobs.
    pub fn not_written(&self, error: StoreError) -> Problem {
        match error {
            // The token was deleted or rotated after the request was authenticated. Deleting a workspace deletes its tokens.
            StoreError::NotFound if self.token_hash.is_some() => auth::unknown(),
            error if error.is_conflict("jobs_key") => key_taken(),
            error => self.plan.exceeded(Quota::Jobs, error),
        }
    }
}

/// The key comes first: the job that it created was valid then, even if its run_at has passed since.
pub async fn create(
    state: &State,
    workspace: WorkspaceId,
    mut body: JobBody,
    by: Requested,
    mut errors: FieldErrors,
) -> ApiResult<Created> {
    if let Some(created) = created_before(state, workspace, &by).await? {
        return Ok(created);
    }
    body.copy();
    let context = Context { policy: &state.policy, now: state.clock.now(), before: None };
    let definition = body.define(&context, &mut errors);
    let definition = errors.finish(definition)?;
    create_defined(state, workspace, definition, by).await
}

/// Creates a job that has been checked.
pub async fn create_defined(
    state: &State,
    workspace: WorkspaceId,
    definition: Definition,
    by: Requested,
) -> ApiResult<Created> {
    if definition.requests_run() {
        state.quotas.run(by.plan, workspace, 1).await?;
    }
    // The precision that Postgres stores.
    let now = state.clock.now().trunc_subsecs(6);
    let job = PendingJob {
        workspace,
        id: JobId::at(now),
        first_fire: first_fire(&definition, now, now).map_err(refused)?,
        definition,
        now,
        traceparent: trace::current(),
        depth: by.depth,
        by: by.author.clone(),
        token_hash: by.token_hash.clone(),
    };
    let may_share = by.key.is_none() && job.definition.key.is_none() && by.plan.jobs().is_none();
    let created = if may_share { write(state, job, by).await? } else { write_alone(state, job, by).await? };
    state.waker.wake();
    Ok(created)
}

/// In one transaction with the jobs of other requests, if possible.
async fn write(state: &State, job: PendingJob, by: Requested) -> ApiResult<Created> {
    let account = connections::account().unwrap_or(AccountId::from_uuid(job.workspace.uuid()));
    match state.job_writer.write(account, job).await? {
        Written::Created(job, execution) => Ok(Created::new(job, execution)),
        Written::LeftOut(job) => write_alone(state, job, by).await,
    }
}

async fn write_alone(state: &State, job: PendingJob, by: Requested) -> ApiResult<Created> {
    let written = state.run(async move |state| {
        let key = by.key.as_deref();
        let new = NewJob { idempotency_key: key, request_digest: by.digest.as_deref(), ..job.new_job() };
        let inserted = jobs::insert(&mut *state.conn().await?, job.workspace, &new, by.plan.jobs()).await;
        match inserted {
            Ok(execution) => Ok(Created::new(job, execution)),
            Err(error) if key.is_some() && error.is_conflict("jobs_idempotency_key") => {
                // Deleted in between: as if the key had never been used.
                created_before(&state, job.workspace, &by).await?.ok_or_else(|| {
                    Problem::new(ProblemCode::JobChanges, "The job of this key was just deleted; try again.")
                })
            }
            Err(error) => Err(by.not_written(error)),
        }
    });
    written.await
}

impl Created {
    fn new(new: PendingJob, execution: Option<ExecutionId>) -> Self {
        let id = new.id;
        Self { id, job: execution.is_none().then(|| fresh(new)), execution, earlier: None }
    }
}

/// Another job of the workspace has the key.
pub fn key_taken() -> Problem {
    let detail = "Another job of this workspace has this key. Use another key, or change that job with PUT.";
    Problem::new(ProblemCode::KeyTaken, detail)
}

pub fn refused(error: ChangeError) -> Problem {
    match error {
        // It was in the future when the body was checked.
        ChangeError::RunAtPast => Problem::of_field("/schedule/run_at", in_the_past()),
        error => error.into(),
    }
}

/// The job as it was just written. It has not run, and no other client knows its id yet.
pub fn fresh(new: PendingJob) -> Job {
    let PendingJob { workspace, id, definition, now, first_fire, by, .. } = new;
    Job {
        id,
        workspace,
        version: 1,
        applied_version: None,
        state: definition.state,
        pause: (definition.state == JobState::Paused).then(|| Pause {
            at: now,
            by: by.actor,
            terms: PauseTerms::default(),
            depth: 0,
        }),
        definition,
        next_run_at: first_fire,
        schedule_error: None,
        last_execution: None,
        health: JobHealth::default(),
        created_at: now,
        updated_at: now,
    }
}

/// The job that this key has created before, and its execution if it ran at once.
async fn created_before(state: &State, workspace: WorkspaceId, by: &Requested) -> ApiResult<Option<Created>> {
    let Some(key) = &by.key else { return Ok(None) };
    let mut conn = state.conn().await?;
    let Some(found) = jobs::find_by_idempotency_key(&mut conn, workspace, key).await? else {
        return Ok(None);
    };
    let id = found.id;
    let at_once = Filter { job: Some(id), source: Some(Source::OneTime), ..Filter::default() };
    let page = Page { limit: 1, before: None };
    let runs = executions::list(&mut conn, workspace, &at_once, page).await?.data;
    let earlier = Some(Earlier { differs: found.request_digest != by.digest });
    Ok(Some(Created { id, job: None, execution: runs.first().map(|run| run.id), earlier }))
}
