//! Replays or cancels many executions in one call.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;
use std::time::Duration;
use trigrun_core::{
    domain::{
        access::Scope,
        execution::{BulkAction, Execution},
        id::{ExecutionId, WorkspaceId},
        invalid::FieldErrors,
    },
    store::executions,
};
use utoipa::ToSchema;

mod act;
mod body;

use super::ExecutionView;
use crate::{
    auth::{Authorized, JobsRun},
    extract::{body::JsonText, depth::depth, key::idempotency_key},
    problem::{Problem, ProblemBody, ProblemCode},
    rate_limits::seconds,
    result::ApiResult,
    routes::bulk::{MAX_IDS, MAX_PAGES, PAGE},
    state::State,
};
use act::{Done, Replays};
use body::{Bulk, BulkBody, Of};

/// What a bulk operation has done.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkResult)]
pub struct BulkView {
    /// The executions that this call found, at most 1000.
    matched: usize,
    /// Those of them that were replayed or cancelled.
    done: usize,
    /// Those that could not be.
    failed: Vec<BulkFailure>,
    /// The replays, or the executions that were cancelled; in a dry run, those that match. Oldest first.
    executions: Vec<ExecutionView>,
    /// Whether executions are left for another call.
    more: bool,
    /// Send it as `cursor` in the next call, with the same action and filter.
    next_cursor: Option<String>,
    /// When the plan of the workspace allows further replays, if that is why executions are left.
    retry_after_seconds: Option<u64>,
}

/// An execution that could not be replayed or cancelled, and the code of the problem.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkFailure)]
pub struct BulkFailure {
    id: String,
    #[schema(example = "job_is_draft")]
    code: &'static str,
}

/// The executions that a call concerns.
pub struct Selected {
    executions: Vec<Execution>,
    missing: Vec<ExecutionId>,
    /// The search stopped after this one.
    stopped_after: Option<uuid::Uuid>,
}

/// Replays or cancels up to 1000 executions, oldest first: those that `ids` names, or those that match `filter`.
///
/// A call ends after some seconds, or when the plan of the workspace allows no further replay. If `more` is true, call again: with
/// `next_cursor` as `cursor`, or with the remaining ids. Each execution succeeds or fails by itself. A filter needs the scope
/// `executions:read`, too.
#[utoipa::path(
    operation_id = "bulk_executions", tag = "executions",
    params(("Idempotency-Key" = Option<String>, Header, description = "With the same key, each execution is replayed once, however many calls replay it.")),
    request_body(content = BulkBody, example = json!({
        "action": "replay", "filter": { "status": ["failed"], "from": "2026-03-28T00:00:00Z" }, "dry_run": true,
    })),
    responses(
        (status = 200, body = BulkView),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/executions/bulk")]
pub async fn bulk_executions(
    state: web::Data<State>,
    auth: Authorized<JobsRun>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let key = idempotency_key(&request, &mut errors);
    let body: BulkBody = text.read(&mut errors).await?;
    let mut bulk = body.check(state.clock.now(), errors)?;
    check_scope(&auth, &bulk)?;
    if let Of::Filter(search) = &mut bulk.of {
        search.find_jobs(&state, auth.workspace).await?;
    }
    let depth = depth(&request, auth.workspace)?;
    let selected = select(&state, auth.workspace, &bulk.of).await?;
    let (workspace, ids) = (auth.workspace, selected.targets());
    let done = match bulk.action {
        _ if bulk.dry_run => Done::default(),
        BulkAction::Replay => {
            let replays = Replays { plan: auth.plan, key, depth };
            act::replay(&state, workspace, ids, replays).await?
        }
        BulkAction::Cancel => act::cancel(&state, workspace, ids).await?,
    };
    respond(&state, workspace, &bulk, selected, done).await
}

/// A filter shows executions that the caller does not know.
fn check_scope(auth: &Authorized<JobsRun>, bulk: &Bulk) -> ApiResult<()> {
    let is_allowed = matches!(bulk.of, Of::Ids(_)) || auth.caller.scopes().contains(&Scope::ExecutionsRead);
    let detail = "The token lacks the scope executions:read, which a filter needs. Use a token that has it, or send `ids`.";
    is_allowed.then_some(()).ok_or_else(|| Problem::new(ProblemCode::ScopeMissing, detail))
}

async fn select(state: &State, workspace: WorkspaceId, of: &Of) -> ApiResult<Selected> {
    let mut conn = state.connections.for_list().await?;
    let search = match of {
        Of::Filter(search) => search,
        Of::Ids(ids) => {
            let ids: Vec<ExecutionId> = ids.iter().copied().collect();
            let executions = executions::find_all(&mut conn, workspace, &ids).await?;
            let is_missing =
                |id: &ExecutionId| executions.binary_search_by_key(id, |found| found.id).is_err();
            let missing = ids.into_iter().filter(is_missing).collect();
            return Ok(Selected { executions, missing, stopped_after: None });
        }
    };
    let (mut found, mut after, mut pages) = (Vec::new(), search.after, 0);
    loop {
        let limit = PAGE.min((MAX_IDS - found.len()) as i64);
        let page = executions::list_oldest_first(&mut conn, workspace, &search.filter, limit, after).await?;
        (after, pages) = (page.next, pages + 1);
        found.extend(page.data);
        if after.is_none() || found.len() >= MAX_IDS || pages >= MAX_PAGES {
            return Ok(Selected { executions: found, missing: Vec::new(), stopped_after: after });
        }
    }
}

impl Selected {
    fn targets(&self) -> Vec<act::Target> {
        self.executions.iter().map(|execution| act::Target { id: execution.id, job: execution.job }).collect()
    }

    /// After which execution the next call continues; `None` at the end.
    fn stopped_after(&self, done: &Done) -> Option<uuid::Uuid> {
        match done.stopped_at {
            Some(0) | None => self.stopped_after,
            Some(index) => self.executions.get(index - 1).map(|last| last.id.uuid()),
        }
    }
}

async fn respond(
    state: &State,
    workspace: WorkspaceId,
    bulk: &Bulk,
    selected: Selected,
    done: Done,
) -> ApiResult<HttpResponse> {
    let stopped_after = selected.stopped_after(&done);
    let next_cursor = match &bulk.of {
        Of::Filter(search) if done.stopped_at == Some(0) => search.after.map(|after| search.cursor(after)),
        Of::Filter(search) => stopped_after.map(|after| search.cursor(after)),
        Of::Ids(_) => None,
    };
    let missing = selected.missing.iter().map(|id| (*id, ProblemCode::NotFound));
    let failed = missing.chain(done.failed.iter().copied());
    let failed = failed.map(|(id, code)| BulkFailure { id: id.to_string(), code: code.as_str() }).collect();
    let (matched, count) = (selected.executions.len(), done.executions.len());
    let shown = match bulk.dry_run {
        true => selected.executions,
        false => {
            executions::find_all(&mut *state.connections.for_list().await?, workspace, &done.executions)
                .await?
        }
    };
    Ok(HttpResponse::Ok().json(BulkView {
        matched,
        done: count,
        failed,
        executions: shown.iter().map(ExecutionView::new).collect(),
        more: stopped_after.is_some() || done.stopped_at.is_some(),
        next_cursor,
        retry_after_seconds: done.retry_after.map(|wait: Duration| seconds(wait).max(1)),
    }))
}
