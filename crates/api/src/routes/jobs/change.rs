//! Changes of a job: read, decide, and write against the version that was read. Of two concurrent changes, the second reads again.

use actix_web::{HttpRequest, http::header::HeaderMap};
use std::{sync::Arc, time::Duration};
use trigrun_core::{
    crypto,
    domain::{
        audit::Author,
        chain::Depth,
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job::{
            Job, JobState,
            change::{self, ChangeError, JobChange},
            pause::PauseTerms,
        },
        notification::ChannelRule,
    },
    store::jobs::{self, Origin},
    telemetry::trace,
};

use super::{
    body::JobBody, create::key_taken, define::Context, etag::IfMatch, patch::Patch, read_only, view::JobView,
};
use crate::{
    capacity::SMALL_BODY_BYTES,
    extract::{body::JsonText, json::read},
    problem::{Problem, ProblemCode},
    quotas::Plan,
    result::ApiResult,
    routes::rules::channel_gone,
    state::State,
};

/// For a job that other clients change at the same time.
const MAX_ATTEMPTS: usize = 40;
/// Before the next attempt there is a random pause, so that concurrent changes do not collide again.
const MAX_PAUSE: Duration = Duration::from_millis(50);

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let code = match error {
            ChangeError::Completed => ProblemCode::JobCompleted,
            ChangeError::Draft => ProblemCode::JobIsDraft,
            ChangeError::RunAtPast => ProblemCode::RunAtPast,
            ChangeError::Schedule(_) => ProblemCode::ScheduleUnreadable,
        };
        Self::new(code, error.to_string())
    }
}

/// What came of a request for a change.
pub struct Changed {
    pub job: Job,
    /// That the change has created.
    pub execution: Option<ExecutionId>,
    /// `false` if the job was like that already.
    pub is_changed: bool,
}

/// Which job changes, and what the headers of the request say.
pub struct Change {
    pub workspace: WorkspaceId,
    /// What the workspace may have.
    pub plan: Plan,
    pub job: JobId,
    /// Which representations may change; `None` for any.
    pub if_match: Option<IfMatch>,
    pub depth: Depth,
    pub by: Author,
    /// The notification rules that the job gets with the change; `None` if they stay as they are.
    pub rules: Option<Vec<ChannelRule>>,
}

/// Applies a merge patch to the job.
pub async fn patch(state: &State, of: Change, request: &HttpRequest, text: &JsonText) -> ApiResult<Changed> {
    let (patch, bytes) =
        text.read_with(|text| Ok((Patch::read(text).map_err(|error| internal(&error))?, text.len()))).await?;
    let patch = Arc::new(patch);
    let decide = async |job: &Job| decide_patch(state, request.headers(), job, (&patch, bytes)).await;
    retrying(state, of, decide).await
}

/// The change that a patch of so many bytes makes: if it is large, computed on a blocking thread. `None` if it changes nothing.
pub async fn decide_patch(
    state: &State,
    headers: &HeaderMap,
    job: &Job,
    (patch, bytes): (&Arc<Patch>, usize),
) -> ApiResult<Option<JobChange>> {
    let bytes = bytes + job.definition.request.body.as_ref().map_or(0, |body| body.as_str().len());
    if bytes <= SMALL_BODY_BYTES {
        return patched(state, job, patch);
    }
    let (owned, job, patch) = (state.clone(), job.clone(), patch.clone());
    state.capacity.compute(headers, move || patched(&owned, &job, &patch)).await?
}

/// Pauses or resumes. A job that already has the state is unchanged.
pub async fn set_state(state: &State, of: Change, wanted: JobState) -> ApiResult<Changed> {
    let decide = async |job: &Job| Ok(change::set_state(job, wanted, state.clock.now())?);
    retrying(state, of, decide).await
}

/// Pauses, or changes the terms of a pause. A job that is paused like that already is unchanged.
pub async fn pause(state: &State, of: Change, terms: Option<PauseTerms>) -> ApiResult<Changed> {
    let decide = async |job: &Job| Ok(change::pause(job, terms.clone(), state.clock.now())?);
    retrying(state, of, decide).await
}

/// Applies what `decide` says, again if another client was faster. `None` leaves the job as it is.
pub async fn retrying(
    state: &State,
    of: Change,
    decide: impl AsyncFn(&Job) -> ApiResult<Option<JobChange>>,
) -> ApiResult<Changed> {
    let Change { workspace, plan, job: id, ref if_match, depth, ref by, ref rules } = of;
    let mut counted = false;
    for _ in 0..MAX_ATTEMPTS {
        let job = jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?;
        if if_match.as_ref().is_some_and(|tags| !tags.allows(&job)) {
            return Err(stale());
        }
        let Some(change) = decide(&job).await? else {
            return Ok(Changed { job, execution: None, is_changed: false });
        };
        // Once, however often others are faster.
        if change.requests_run() && !std::mem::replace(&mut counted, true) {
            state.quotas.run(plan, workspace, 1).await?;
        }
        if let Some(execution) =
            write(state, (workspace, id), (change, rules.clone()), (depth, by.clone())).await?
        {
            state.waker.wake();
            let job = jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?;
            return Ok(Changed { job, execution, is_changed: true });
        }
        tokio::time::sleep(MAX_PAUSE.mul_f64(crypto::unit())).await;
    }
    Err(Problem::new(ProblemCode::JobChanges, "Others keep changing this job; try again."))
}

pub fn stale() -> Problem {
    let detail = "The job is no longer as If-Match says; read it again.";
    Problem::new(ProblemCode::VersionMismatch, detail)
}

/// `None` when another client changed the job first.
async fn write(
    state: &State,
    (workspace, id): (WorkspaceId, JobId),
    (change, rules): (JobChange, Option<Vec<ChannelRule>>),
    (depth, by): (Depth, Author),
) -> ApiResult<Option<Option<ExecutionId>>> {
    let traceparent = trace::current();
    state
        .run(async move |state| {
            let mut conn = state.conn().await?;
            let origin = Origin { by: &by, traceparent: traceparent.as_deref(), depth };
            let change = (&change, rules.as_deref());
            match jobs::change_with_rules(&mut conn, workspace, id, change, origin).await {
                Ok(execution) => Ok(Some(execution)),
                // The next attempt reads the job again and reports its schedule error.
                Err(error) if error.is_conflict("version") || error.is_conflict("schedule_unreadable") => {
                    Ok(None)
                }
                // It was in the future when the request was read.
                Err(error) if error.is_conflict(ChangeError::RunAtPast.code()) => {
                    Err(ChangeError::RunAtPast.into())
                }
                Err(error) if error.is_conflict("jobs_key") => Err(key_taken()),
                Err(error) if error.is_conflict("channel") => Err(channel_gone(error)),
                Err(error) => Err(error.into()),
            }
        })
        .await
}

/// Deletes the job, if it is still one that If-Match allows.
pub async fn delete(
    state: &State,
    workspace: WorkspaceId,
    id: JobId,
    if_match: Option<IfMatch>,
    by: Author,
) -> ApiResult<()> {
    let version = match if_match {
        None => None,
        Some(tags) => {
            let job = jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?;
            if !tags.allows(&job) {
                return Err(stale());
            }
            Some(job.version)
        }
    };
    delete_version(state, workspace, id, version, by).await
}

/// Deletes the job, if it still has this version.
pub async fn delete_version(
    state: &State,
    workspace: WorkspaceId,
    id: JobId,
    version: Option<i32>,
    by: Author,
) -> ApiResult<()> {
    let delete =
        async move |state: State| match jobs::delete(&mut *state.conn().await?, workspace, id, version, &by)
            .await
        {
            Err(error) if error.is_conflict("version") => Err(stale()),
            deleted => Ok(deleted?),
        };
    state.run(delete).await
}

/// `None` if the patch changes nothing.
fn patched(state: &State, job: &Job, patch: &Patch) -> ApiResult<Option<JobChange>> {
    let before = serde_json::to_string(&JobBody::of(&job.definition, job.definition.state));
    let merged = before.and_then(|before| patch.apply(&before)).map_err(|error| internal(&error))?;
    let mut errors = FieldErrors::default();
    let mut body: JobBody = read(&merged, &mut errors)?;
    patch.check(&mut errors);
    let now = state.clock.now();
    read_only::check(patch, &JobView::new(job), now, &mut errors);
    // The client repeats the state that TrigRun has set.
    let repeats_state = job.state == JobState::Completed && body.state.as_deref() == Some(job.state.as_str());
    if repeats_state {
        body.state = Some(job.definition.state.as_str().to_owned());
    }
    let context = Context { policy: &state.policy, now, before: Some(&job.definition) };
    let definition = body.define(&context, &mut errors);
    let definition = errors.finish(definition)?;
    let change = change::redefine(job, definition, patch.names("state") && !repeats_state, now)?;
    Ok((change.definition != job.definition || change.state != job.state).then_some(change))
}

fn internal(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "a stored job could not be patched: this is a defect");
    Problem::internal()
}
