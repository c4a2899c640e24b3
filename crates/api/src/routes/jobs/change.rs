//! Changes of a job: read, decide, and write against the version that was read. Whoever comes second reads again.

use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use std::time::Duration;
use trigrun_core::{
    crypto,
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job::{Definition, Job, JobState},
        schedule::{Kind, Schedule},
    },
    store::jobs::{self, Change, FutureFires},
    telemetry::trace,
};

use super::{body::JobBody, define::Context, patch};
use crate::{
    extract::body::{read, read_noting},
    problem::Problem,
    result::ApiResult,
    state::State,
};

/// So often somebody else may come first; before the next try there is a pause of up to so long, so that they do not march in step.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// What is to become of the job, and the state that it then shows.
struct Decided {
    definition: Definition,
    state: JobState,
}

/// Lays a merge patch over the job.
pub async fn patch(
    state: &State,
    workspace: WorkspaceId,
    id: JobId,
    text: &str,
    if_match: Option<Vec<i32>>,
) -> ApiResult<(Job, Option<ExecutionId>)> {
    retrying(state, workspace, id, if_match, |job| Ok(Some(patched(state, job, text)?))).await
}

/// Pauses or resumes; a job that is so already stays as it is.
pub async fn set_state(
    state: &State,
    workspace: WorkspaceId,
    id: JobId,
    wanted: JobState,
) -> ApiResult<(Job, Option<ExecutionId>)> {
    let decide = |job: &Job| {
        let conflict = |code, detail| Err(Problem::conflict(code, detail));
        match (job.state, wanted) {
            (now, wanted) if now == wanted => return Ok(None),
            (JobState::Completed, _) => {
                return conflict(
                    "job_completed",
                    "The job is completed: its only run has ended. Use run-now, or give it a new schedule.",
                );
            }
            (JobState::Draft, JobState::Paused) => {
                return conflict(
                    "job_is_draft",
                    "The job is a draft and does nothing yet; there is nothing to pause.",
                );
            }
            _ => {}
        }
        if let (JobState::Active, Schedule::Scheduled { run_at }) = (wanted, &job.definition.schedule)
            && *run_at <= state.clock.now()
        {
            return Err(run_at_past());
        }
        Ok(Some(Decided {
            definition: Definition { state: wanted, ..job.definition.clone() },
            state: wanted,
        }))
    };
    retrying(state, workspace, id, None, decide).await
}

async fn retrying(
    state: &State,
    workspace: WorkspaceId,
    id: JobId,
    if_match: Option<Vec<i32>>,
    decide: impl Fn(&Job) -> ApiResult<Option<Decided>>,
) -> ApiResult<(Job, Option<ExecutionId>)> {
    for _ in 0..TRIES {
        let job = jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?;
        if if_match.as_ref().is_some_and(|versions| !versions.contains(&job.version)) {
            return Err(stale());
        }
        let Some(decided) = decide(&job)? else { return Ok((job, None)) };
        if let Some(execution) = write(state, workspace, job, decided).await? {
            state.waker.wake();
            let job = jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?;
            return Ok((job, execution));
        }
        tokio::time::sleep(PAUSE.mul_f64(crypto::unit())).await;
    }
    Err(Problem::conflict("job_changes", "Others keep changing this job; try again."))
}

fn run_at_past() -> Problem {
    Problem::conflict(
        "run_at_past",
        "The job's run_at has passed while it was not active; give it a new one.",
    )
}

fn stale() -> Problem {
    let detail = "The job has another version than If-Match asks for; read it again.";
    Problem::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
}

/// `None` when somebody else changed the job first.
async fn write(
    state: &State,
    workspace: WorkspaceId,
    job: Job,
    decided: Decided,
) -> ApiResult<Option<Option<ExecutionId>>> {
    let runs =
        decided.definition.schedule.kind() == Kind::OneTime && decided.definition.state == JobState::Active;
    if runs && timing(&job, &decided.definition, state.clock.now())? != FutureFires::Keep {
        state.quotas.run(&state.db, workspace).await?;
    }
    let traceparent = trace::current();
    state
        .run(async move |state| {
            let change = Change {
                from_version: job.version,
                definition: &decided.definition,
                state: decided.state,
                timing: timing(&job, &decided.definition, state.clock.now())?,
                anchor: job.created_at,
                traceparent: traceparent.as_deref(),
            };
            match jobs::change(&mut *state.conn().await?, workspace, job.id, &change).await {
                Ok(execution) => Ok(Some(execution)),
                // Read again, the job says what is wrong with its schedule.
                Err(error) if error.is_conflict("version") || error.is_conflict("schedule_unreadable") => {
                    Ok(None)
                }
                // It was still to come when the request was read.
                Err(error) if error.is_conflict("run_at_past") => Err(run_at_past()),
                Err(error) => Err(error.into()),
            }
        })
        .await
}

/// A new schedule or another state begins from now; anything else leaves the fires as they are.
fn timing(job: &Job, new: &Definition, now: DateTime<Utc>) -> ApiResult<FutureFires> {
    let old = &job.definition;
    let same_schedule = old.schedule == new.schedule;
    // A one_time job has had its execution: pausing and resuming does not make another.
    let has_run = new.schedule.kind() == Kind::OneTime && same_schedule && job.last_execution.is_some();
    if has_run || same_schedule && old.state == new.state {
        return Ok(FutureFires::Keep);
    }
    // What cannot be computed now is refused with its reason; what counts is the moment at which the change comes into force.
    next_fire(new, job.created_at, now)?;
    Ok(FutureFires::Reset)
}

/// The first fire after now, of a job that is active.
pub fn next_fire(
    definition: &Definition,
    anchor: DateTime<Utc>,
    now: DateTime<Utc>,
) -> ApiResult<Option<DateTime<Utc>>> {
    if definition.state != JobState::Active {
        return Ok(None);
    }
    // A zone may have left the database since the schedule was checked.
    definition
        .schedule
        .next_after(anchor, now)
        .map_err(|error| Problem::conflict("schedule_unreadable", &error.to_string()))
}

/// What the patch itself says twice, which the merge would not show any more. What else does not fit there may fit in the whole: null is no
/// header, but takes one away.
fn twice(text: &str, errors: &mut FieldErrors) {
    let mut of_patch = FieldErrors::default();
    let _merged_is_judged: Option<JobBody> = read_noting(text, &mut of_patch);
    for error in of_patch.into_vec() {
        if error.invalid.code == "field_twice" {
            errors.push(error.pointer, error.invalid);
        }
    }
}

fn patched(state: &State, job: &Job, text: &str) -> ApiResult<Decided> {
    let was_completed = job.state == JobState::Completed;
    let before = serde_json::to_string(&JobBody::of(&job.definition, job.definition.state));
    let merged = before.and_then(|before| patch::apply(&before, text)).map_err(|error| {
        tracing::error!(%error, "a stored job could not be patched: this is a defect");
        Problem::internal()
    })?;
    let mut errors = FieldErrors::default();
    twice(text, &mut errors);
    let body: JobBody = read(&merged, &mut errors)?;
    let context = Context { policy: &state.policy, now: state.clock.now(), before: Some(&job.definition) };
    let definition = body.define(&context, &mut errors);
    Problem::validation(errors)?;
    let definition = definition.ok_or_else(Problem::internal)?;
    let same_schedule = definition.schedule == job.definition.schedule;
    if was_completed && same_schedule && patch::names(text, "state") {
        let detail = "The job is completed: its only run has ended. Use run-now, or give it a new schedule.";
        return Err(Problem::conflict("job_completed", detail));
    }
    let state = if was_completed && same_schedule { JobState::Completed } else { definition.state };
    Ok(Decided { definition, state })
}
