//! Changes, runs or deletes jobs one after the other, for a bounded time.

use actix_web::http::header::HeaderMap;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use trigrun_core::{
    domain::{
        audit::Author,
        chain::Depth,
        execution::Source,
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job::{
            self, BulkAction, Definition, Job, JobState,
            change::{self as rules, JobChange},
        },
    },
    store::{
        executions::{self, NewRun},
        jobs,
    },
    telemetry::trace,
};

use super::{Bulk, Target};
use crate::{
    problem::Problem,
    quotas::Plan,
    result::ApiResult,
    routes::{
        bulk::{deadline, key_of},
        executions::not_run,
        jobs::change::{self, Change, Changed},
    },
    state::State,
};

/// Who asks for it.
pub struct Caller<'a> {
    pub workspace: WorkspaceId,
    /// What the workspace may have.
    pub plan: Plan,
    pub by: Author,
    pub depth: Depth,
    /// Of the runs.
    pub key: Option<String>,
    pub headers: &'a HeaderMap,
}

/// A job as it is after the call.
pub struct DoneJob {
    pub job: Target,
    pub is_changed: bool,
    pub execution: Option<ExecutionId>,
}

/// What has been done.
#[derive(Default)]
pub struct Done {
    pub jobs: Vec<DoneJob>,
    pub failed: Vec<(JobId, Problem)>,
    /// The index of the first job that is left.
    pub stopped_at: Option<usize>,
    pub retry_after: Option<Duration>,
    pub has_activated_drafts: bool,
}

/// Begins no job after half of the time of the request. A problem of one job does not stop the others; one of the server does. What was done
/// stands in the audit log, whatever ends the call.
pub async fn on_all(state: &State, caller: &Caller<'_>, bulk: &Bulk, jobs: &[Target]) -> ApiResult<Done> {
    let (deadline, mut done) = (deadline(state), Done::default());
    let mut ended = Ok(());
    for (index, job) in jobs.iter().enumerate() {
        if Instant::now() > deadline {
            done.stopped_at = Some(index);
            break;
        }
        match on_one(state, caller, bulk, job, &mut done).await {
            Ok(Some(one)) => done.jobs.push(one),
            Ok(None) => {
                done.stopped_at = Some(index);
                break;
            }
            Err(problem) if problem.is_of_server() => {
                ended = Err(problem);
                break;
            }
            Err(problem) => done.failed.push((job.id, problem)),
        }
    }
    if !done.jobs.is_empty() {
        record(state, caller, bulk, &done).await?;
    }
    ended.map(|()| done)
}

/// `None` if the plan of the workspace allows no run yet.
async fn on_one(
    state: &State,
    caller: &Caller<'_>,
    bulk: &Bulk,
    job: &Target,
    done: &mut Done,
) -> ApiResult<Option<DoneJob>> {
    let key = || job.key.as_ref().and_then(|key| bulk.versions.get(key));
    let version = bulk.versions.get(&job.id.to_string()).or_else(key).copied();
    if version.is_some_and(|version| version != i64::from(job.version)) {
        return Err(change::stale());
    }
    match bulk.action {
        BulkAction::Run => {
            done.retry_after = allowed(state, caller, job).await?;
            if done.retry_after.is_some() {
                return Ok(None);
            }
            let execution = Some(run(state, caller, job.id).await?);
            Ok(Some(DoneJob { job: job.clone(), is_changed: false, execution }))
        }
        BulkAction::Delete => {
            let version = version.map(|_| job.version);
            change::delete_version(state, caller.workspace, job.id, version, caller.by.clone()).await?;
            Ok(Some(DoneJob { job: job.clone(), is_changed: true, execution: None }))
        }
        BulkAction::Pause
        | BulkAction::Resume
        | BulkAction::AddTags
        | BulkAction::RemoveTags
        | BulkAction::Patch => change_one(state, caller, bulk, (job.id, version), done).await.map(Some),
    }
}

/// Changes a job, if it has this version.
async fn change_one(
    state: &State,
    caller: &Caller<'_>,
    bulk: &Bulk,
    (job, version): (JobId, Option<i64>),
    done: &mut Done,
) -> ApiResult<DoneJob> {
    let Caller { workspace, plan, depth, ref by, .. } = *caller;
    let of = Change { workspace, plan, job, if_match: None, depth, by: by.clone(), rules: None };
    let was_draft = Cell::new(false);
    let decide = async |job: &Job| {
        if version.is_some_and(|version| version != i64::from(job.version)) {
            return Err(change::stale());
        }
        was_draft.set(job.state == JobState::Draft);
        decide(state, caller, bulk, job).await
    };
    let Changed { job, execution, is_changed } = change::retrying(state, of, decide).await?;
    done.has_activated_drafts |= is_changed && was_draft.get();
    let job = Target { id: job.id, key: job.definition.key, name: job.definition.name, version: job.version };
    Ok(DoneJob { job, is_changed, execution })
}

/// The change of a job; `None` if it is like that already.
async fn decide(state: &State, caller: &Caller<'_>, bulk: &Bulk, job: &Job) -> ApiResult<Option<JobChange>> {
    let now = state.clock.now();
    let tags = match (bulk.action, &bulk.patch) {
        (BulkAction::Pause, _) => return Ok(rules::set_state(job, JobState::Paused, now)?),
        (BulkAction::Resume, _) => return Ok(rules::set_state(job, JobState::Active, now)?),
        (_, Some((patch, bytes))) => {
            return change::decide_patch(state, caller.headers, job, (patch, *bytes)).await;
        }
        (BulkAction::AddTags, _) => job.definition.tags.iter().chain(&bulk.tags).cloned().collect(),
        _ => job.definition.tags.iter().filter(|tag| !bulk.tags.contains(tag)).cloned().collect(),
    };
    let mut errors = FieldErrors::default();
    let tags = errors.take("/tags", job::tags(tags));
    let definition = Definition { tags: errors.finish(tags)?, ..job.definition.clone() };
    let change = rules::redefine(job, definition, false, now)?;
    Ok((change.definition != job.definition).then_some(change))
}

/// Counts a run, unless the key has been used: how long to wait if the plan does not allow it yet.
async fn allowed(state: &State, caller: &Caller<'_>, job: &Target) -> ApiResult<Option<Duration>> {
    if let Some(key) = &caller.key {
        let key = key_of(key, job.id);
        if executions::find_run(&mut *state.conn().await?, caller.workspace, &key).await?.is_some() {
            return Ok(None);
        }
    }
    Ok(state.quotas.wait(caller.plan, caller.workspace, 1).await)
}

/// Runs a job, once for a key.
async fn run(state: &State, caller: &Caller<'_>, job: JobId) -> ApiResult<ExecutionId> {
    let (workspace, depth, traceparent) = (caller.workspace, caller.depth, trace::current());
    let key = caller.key.as_ref().map(|key| key_of(key, job));
    let recorded = state.run(async move |state| {
        let (traceparent, key, now) = (traceparent.as_deref(), key.as_deref(), state.clock.now());
        let new = NewRun { source: Source::Manual, replay_of: None, traceparent, depth, key, now };
        let inserted = executions::insert_now(&mut *state.conn().await?, workspace, job, new).await;
        match (inserted, key) {
            (Err(error), Some(key)) if error.is_conflict("run_keys_pkey") => {
                let earlier = executions::find_run(&mut *state.conn().await?, workspace, key).await?;
                earlier.map(|earlier| earlier.execution).ok_or_else(Problem::not_found)
            }
            (inserted, _) => inserted.map_err(not_run),
        }
    });
    let execution = recorded.await?;
    state.waker.wake();
    Ok(execution)
}

/// One entry for the call. The entries of the jobs are written with their changes.
async fn record(state: &State, caller: &Caller<'_>, bulk: &Bulk, done: &Done) -> ApiResult<()> {
    // It is listed after the entries of the jobs.
    let (workspace, by, action) = (caller.workspace, caller.by.later(1), bulk.action);
    let counts = (done.jobs.len(), done.failed.len());
    let recorded = state.run(async move |state| {
        Ok(jobs::record_bulk(&mut *state.conn().await?, workspace, &by, action, counts).await?)
    });
    recorded.await
}
