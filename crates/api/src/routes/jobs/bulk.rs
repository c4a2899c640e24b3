//! Changes, runs or deletes many jobs in one call.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};
use trigrun_core::{
    domain::{
        access::Scope,
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job::{
            BulkAction,
            order::{JobOrder, Position, PositionKey},
        },
        page::Page,
    },
    store::jobs,
};
use utoipa::ToSchema;
use uuid::Uuid;

mod act;
mod body;

use crate::{
    auth::{AnyScope, Authorized},
    enums,
    extract::{body::JsonText, depth::depth, key::idempotency_key},
    job_refs::resolve_each,
    problem::{Problem, ProblemBody},
    rate_limits::seconds,
    result::ApiResult,
    routes::bulk::{MAX_IDS, MAX_PAGES, PAGE},
    state::State,
};
use act::{Caller, Done};
use body::{Bulk, JobsBulkBody, Of};

/// What was done to many jobs.
#[derive(Serialize, ToSchema)]
#[schema(as = JobsBulkResult)]
pub struct JobsBulkView {
    /// The jobs that this call found, at most 1000.
    matched: usize,
    /// Those of them that are now as the action makes them.
    done: usize,
    /// Those that could not be changed, run or deleted.
    failed: Vec<JobsBulkFailure>,
    /// The jobs that are done; in a dry run, those that match.
    jobs: Vec<JobsBulkJob>,
    /// Whether jobs are left for another call.
    more: bool,
    /// Send it as `cursor` in the next call, with the same action and filter.
    next_cursor: Option<String>,
    /// When the plan of the workspace allows further runs, if that is why jobs are left.
    retry_after_seconds: Option<u64>,
    /// Takes the changes back that this call has made, if it is sent to this operation; null where no single action does.
    undo: Option<JobsBulkUndo>,
}

/// A job that is done.
#[derive(Serialize, ToSchema)]
pub struct JobsBulkJob {
    #[schema(example = "job_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    key: Option<String>,
    name: String,
    /// After the change; of a deleted job, its last one.
    version: i32,
    /// False if the job was already as the action makes it.
    changed: bool,
    /// The execution that was requested.
    execution_id: Option<String>,
}

/// A job that could not be changed, run or deleted, and the problem.
#[derive(Serialize, ToSchema)]
pub struct JobsBulkFailure {
    /// The id, or as the request names the job.
    id: String,
    #[schema(example = "job_is_draft")]
    code: &'static str,
    detail: String,
}

/// A body for this operation.
#[derive(Serialize, ToSchema)]
pub struct JobsBulkUndo {
    #[schema(value_type = enums::JobsBulkAction)]
    action: &'static str,
    ids: Vec<String>,
    /// The versions that this call has written: a job that has been changed since stays as it is.
    versions: BTreeMap<String, i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tags: Option<Vec<String>>,
}

/// A job that a call concerns.
#[derive(Clone)]
pub struct Target {
    pub id: JobId,
    pub key: Option<String>,
    pub name: String,
    pub version: i32,
}

/// The jobs that a call concerns.
#[derive(Default)]
struct Selected {
    jobs: Vec<Target>,
    /// As the request names them.
    missing: Vec<String>,
    /// The search stopped after this one.
    stopped_after: Option<Uuid>,
}

/// Pauses, resumes, runs, deletes, tags or patches up to 1000 jobs, oldest first: those that `ids` names, or those that match `filter`.
///
/// A call ends after some seconds, or when the plan of the workspace allows no further run. If `more` is true, call again: with `next_cursor`
/// as `cursor`, or with the remaining ids. Each job succeeds or fails by itself. The action `run` needs the scope `jobs:run` instead, and a
/// filter needs `jobs:read`, too.
#[utoipa::path(
    operation_id = "bulk_jobs", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "With the same key, each job is run once, however many calls run it.")),
    request_body(content = JobsBulkBody, example = json!({
        "action": "pause", "filter": { "tag": "billing", "state": "active" }, "dry_run": true,
    })),
    responses(
        (status = 200, body = JobsBulkView),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/bulk")]
pub async fn bulk_jobs(
    state: web::Data<State>,
    auth: Authorized<AnyScope>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let key = idempotency_key(&request, &mut errors);
    let body: JobsBulkBody = text.read(&mut errors).await?;
    let bulk = body.check(errors)?;
    check_scopes(&auth, &bulk)?;
    let depth = depth(&request, auth.workspace)?;
    let selected = select(&state, auth.workspace, &bulk.of).await?;
    let (workspace, plan) = (auth.workspace, auth.plan);
    let caller = Caller { workspace, plan, by: auth.by, depth, key, headers: request.headers() };
    let done = match bulk.dry_run {
        true => Done::default(),
        false => act::on_all(&state, &caller, &bulk, &selected.jobs).await?,
    };
    Ok(HttpResponse::Ok().json(view(&bulk, selected, done)))
}

fn check_scopes(auth: &Authorized<AnyScope>, bulk: &Bulk) -> ApiResult<()> {
    let action = if bulk.action == BulkAction::Run { Scope::JobsRun } else { Scope::JobsWrite };
    // A filter shows jobs that the caller does not know.
    let filter = matches!(bulk.of, Of::Filter(_)).then_some(Scope::JobsRead);
    [Some(action), filter].into_iter().flatten().try_for_each(|scope| auth.caller.check_scope(scope))
}

async fn select(state: &State, workspace: WorkspaceId, of: &Of) -> ApiResult<Selected> {
    let search = match of {
        Of::Ids(refs) => return named(state, workspace, refs).await,
        Of::Filter(search) => search,
    };
    let position = |id| Position { by: PositionKey::Id, id };
    let mut selected = Selected { stopped_after: search.after, ..Selected::default() };
    for _ in 0..MAX_PAGES {
        let limit = PAGE.min((MAX_IDS - selected.jobs.len()) as i64);
        let page = Page { limit, before: selected.stopped_after.map(position) };
        let mut conn = state.connections.for_list().await?;
        let order = (JobOrder::OldestFirst, page);
        let page = jobs::sorted(&mut conn, workspace, &search.filter, order, state.clock.now()).await?;
        selected.stopped_after = page.next.map(|next| next.id);
        selected.jobs.extend(page.data.into_iter().map(|sorted| Target {
            id: sorted.job.id,
            key: sorted.job.definition.key,
            name: sorted.job.definition.name,
            version: sorted.job.version,
        }));
        if selected.stopped_after.is_none() || selected.jobs.len() >= MAX_IDS {
            break;
        }
    }
    Ok(selected)
}

/// The jobs that the request names, oldest first.
async fn named(state: &State, workspace: WorkspaceId, refs: &[body::Named]) -> ApiResult<Selected> {
    let parsed: Vec<_> = refs.iter().map(|named| named.job.clone()).collect();
    let ids = resolve_each(state, workspace, &parsed).await?;
    let known: Vec<JobId> = ids.iter().flatten().copied().collect();
    let mut briefs = jobs::brief(&mut *state.connections.for_list().await?, workspace, &known).await?;
    let mut selected = Selected::default();
    let mut seen = HashSet::new();
    for (named, id) in refs.iter().zip(ids) {
        match id.and_then(|id| Some((id, briefs.remove(&id)?))) {
            Some((id, brief)) => {
                seen.insert(id);
                let jobs::Brief { key, name, version, .. } = brief;
                selected.jobs.push(Target { id, key, name, version });
            }
            // It is named twice.
            None if id.is_some_and(|id| seen.contains(&id)) => {}
            None => selected.missing.push(named.text.clone()),
        }
    }
    selected.jobs.sort_unstable_by_key(|job| job.id);
    Ok(selected)
}

fn view(bulk: &Bulk, selected: Selected, done: Done) -> JobsBulkView {
    let last = match done.stopped_at {
        None => selected.stopped_after,
        Some(0) => None,
        Some(index) => selected.jobs.get(index - 1).map(|job| job.id.uuid()),
    };
    let next_cursor = match &bulk.of {
        Of::Ids(_) => None,
        // Nothing was begun: the next call continues where this one did.
        Of::Filter(search) if done.stopped_at == Some(0) => search.after.map(|after| search.cursor(after)),
        Of::Filter(search) => last.map(|last| search.cursor(last)),
    };
    let not_found = Problem::not_found();
    let missing = selected.missing.iter().map(|id| (id.clone(), &not_found));
    let failed = missing.chain(done.failed.iter().map(|(id, problem)| (id.to_string(), problem)));
    let failed = failed.map(|(id, problem)| JobsBulkFailure::new(id, problem)).collect();
    let jobs: Vec<JobsBulkJob> = match bulk.dry_run {
        true => selected.jobs.iter().map(|job| JobsBulkJob::new(job, false, None)).collect(),
        false => {
            done.jobs.iter().map(|one| JobsBulkJob::new(&one.job, one.is_changed, one.execution)).collect()
        }
    };
    JobsBulkView {
        matched: selected.jobs.len(),
        done: done.jobs.len(),
        failed,
        jobs,
        more: last.is_some() || done.stopped_at.is_some(),
        next_cursor,
        retry_after_seconds: done.retry_after.map(|wait: Duration| seconds(wait).max(1)),
        undo: undo(bulk, &done),
    }
}

/// Of the jobs that were changed.
fn undo(bulk: &Bulk, done: &Done) -> Option<JobsBulkUndo> {
    let opposite = match bulk.action {
        BulkAction::Pause => BulkAction::Resume,
        // A draft would not be a draft again.
        BulkAction::Resume if !done.has_activated_drafts => BulkAction::Pause,
        // With several tags, a job may have had some of them.
        BulkAction::AddTags if bulk.tags.len() == 1 => BulkAction::RemoveTags,
        BulkAction::RemoveTags if bulk.tags.len() == 1 => BulkAction::AddTags,
        _ => return None,
    };
    let changed: Vec<&Target> = done.jobs.iter().filter(|one| one.is_changed).map(|one| &one.job).collect();
    (!changed.is_empty()).then(|| JobsBulkUndo {
        action: opposite.as_str(),
        ids: changed.iter().map(|job| job.id.to_string()).collect(),
        versions: changed.iter().map(|job| (job.id.to_string(), job.version)).collect(),
        tags: (!bulk.tags.is_empty()).then(|| bulk.tags.clone()),
    })
}

impl JobsBulkJob {
    fn new(job: &Target, changed: bool, execution: Option<ExecutionId>) -> Self {
        Self {
            id: job.id.to_string(),
            key: job.key.clone(),
            name: job.name.clone(),
            version: job.version,
            changed,
            execution_id: execution.map(|id| id.to_string()),
        }
    }
}

impl JobsBulkFailure {
    fn new(id: String, problem: &Problem) -> Self {
        Self { id, code: problem.code().as_str(), detail: problem.detail() }
    }
}
