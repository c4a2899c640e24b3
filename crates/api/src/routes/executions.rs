//! Executions: what ran, when, and what came of it.

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use chrono::{DateTime, Utc};
use trigrun_core::{
    domain::{
        execution::{Source, Status},
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        page::Page,
    },
    store::{
        executions::{self, Filter, NewRun},
        jobs, leases,
    },
    telemetry::trace,
};

mod view;

pub use view::ExecutionView;

use crate::{
    auth::{Authorized, ExecutionsRead, JobsRun},
    extract::{
        key::{REPLAYED, idempotency_key},
        path::PathId,
        query::{Paged, Parameters, query},
    },
    problem::{Problem, ProblemBody},
    result::ApiResult,
    routes::list::ListView,
    state::State,
};

query! {
    pub struct ExecutionFilter {
        /// queued, running, retrying, succeeded, failed, cancelled or skipped.
        #[param(value_type = Option<String>)]
        status: Option<Status> = Parameters::parsed,
        /// schedule, manual, one_time or replay.
        #[param(value_type = Option<String>)]
        source: Option<Source> = Parameters::parsed,
        #[param(value_type = Option<String>)]
        job_id: Option<JobId> = Parameters::parsed,
        /// A part of the job's name, in any case.
        job_name: Option<String> = Parameters::text,
        /// Scheduled for this instant or later, RFC 3339.
        #[param(value_type = Option<String>)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// Scheduled before this instant, RFC 3339.
        #[param(value_type = Option<String>)]
        to: Option<DateTime<Utc>> = Parameters::instant,
    }
}

query! {
    pub struct JobExecutionFilter {
        /// queued, running, retrying, succeeded, failed, cancelled or skipped.
        #[param(value_type = Option<String>)]
        status: Option<Status> = Parameters::parsed,
        /// schedule, manual, one_time or replay.
        #[param(value_type = Option<String>)]
        source: Option<Source> = Parameters::parsed,
        /// Scheduled for this instant or later, RFC 3339.
        #[param(value_type = Option<String>)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// Scheduled before this instant, RFC 3339.
        #[param(value_type = Option<String>)]
        to: Option<DateTime<Utc>> = Parameters::instant,
    }
}

/// Lists executions, newest first.
#[utoipa::path(
    operation_id = "list_executions", tag = "executions",
    params(Paged::<ExecutionFilter>),
    responses(
        (status = 200, body = ListView<ExecutionView>),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/executions")]
pub async fn list_executions(
    state: web::Data<State>,
    allowed: Authorized<ExecutionsRead, Paged<ExecutionFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = allowed.query;
    let ExecutionFilter { status, source, job_id, job_name, from, to } = filter;
    let filter = Filter { status, source, job: job_id, job_name, from, to };
    list(&state, allowed.workspace, &filter, page, &filters).await
}

/// Lists the executions of one job, newest first.
#[utoipa::path(
    operation_id = "list_job_executions", tag = "executions",
    params(("id" = String, Path), Paged::<JobExecutionFilter>),
    responses(
        (status = 200, body = ListView<ExecutionView>),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/jobs/{id}/executions")]
pub async fn list_job_executions(
    state: web::Data<State>,
    allowed: Authorized<ExecutionsRead, Paged<JobExecutionFilter>>,
    PathId(job): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = allowed.query;
    let JobExecutionFilter { status, source, from, to } = filter;
    let filter = Filter { status, source, job: Some(job), job_name: None, from, to };
    jobs::get(&mut *state.conn().await?, allowed.workspace, job, state.clock.now()).await?;
    list(&state, allowed.workspace, &filter, page, &filters).await
}

/// One execution with all its attempts.
#[utoipa::path(
    operation_id = "get_execution", tag = "executions",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ExecutionView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/executions/{id}")]
pub async fn get_execution(
    state: web::Data<State>,
    allowed: Authorized<ExecutionsRead>,
    PathId(id): PathId<ExecutionId>,
) -> ApiResult<HttpResponse> {
    let execution = executions::get(&mut *state.conn().await?, allowed.workspace, id).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

/// Makes the execution's request once more, as the job now defines it.
#[utoipa::path(
    operation_id = "replay_execution", tag = "executions",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "A second replay with the same key answers with the first one's execution.")),
    responses(
        (status = 202, body = ExecutionView, headers(("Location" = String))),
        (status = 200, description = "The execution that this key made before; Idempotent-Replayed: true", body = ExecutionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/executions/{id}/replay")]
pub async fn replay_execution(
    state: web::Data<State>,
    allowed: Authorized<JobsRun>,
    PathId(id): PathId<ExecutionId>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    run(&state, allowed.workspace, Asked::Replay(id), &request).await
}

/// Cancels an execution that has not ended. A request that is on its way is aborted within five seconds.
#[utoipa::path(
    operation_id = "cancel_execution", tag = "executions", params(("id" = String, Path)),
    responses(
        (status = 200, body = ExecutionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/executions/{id}/cancel")]
pub async fn cancel_execution(
    state: web::Data<State>,
    allowed: Authorized<JobsRun>,
    PathId(id): PathId<ExecutionId>,
) -> ApiResult<HttpResponse> {
    let workspace = allowed.workspace;
    let ended =
        state.run(async move |state| Ok(leases::cancel(&mut *state.conn().await?, workspace, id).await?));
    match ended.await? {
        // Twice is as good as once.
        None | Some(Status::Cancelled) => {}
        Some(status) => {
            let detail = format!("The execution has ended already: it is {}.", status.as_str());
            return Err(Problem::conflict("execution_ended", &detail));
        }
    }
    state.waker.wake();
    let execution = executions::get(&mut *state.conn().await?, workspace, id).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

/// What is to run now.
#[derive(Clone, Copy)]
pub enum Asked {
    Run(JobId),
    Replay(ExecutionId),
}

/// Records an execution, once per idempotency key of the request, and shows it.
pub async fn run(
    state: &State,
    workspace: WorkspaceId,
    asked: Asked,
    request: &HttpRequest,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let key = idempotency_key(request, &mut errors);
    Problem::validation(errors)?;
    // The key comes first: what it has made was allowed then.
    if let Some(made) = made_before(state, workspace, key.as_deref(), asked).await? {
        return shown(state, workspace, made, true).await;
    }
    let (job, source, replay_of) = match asked {
        Asked::Run(job) => (job, Source::Manual, None),
        Asked::Replay(original) => {
            let job = executions::get(&mut *state.conn().await?, workspace, original).await?.job;
            (job, Source::Replay, Some(original))
        }
    };
    state.quotas.run(&state.db, workspace).await?;
    let traceparent = trace::current();
    let recorded = state.run(async move |state| {
        let now = state.clock.now();
        let run = NewRun { source, replay_of, traceparent: traceparent.as_deref(), key: key.as_deref(), now };
        // The connection is given back before another is taken: a hundred that hold one each would wait for each other.
        let inserted = executions::insert_now(&mut *state.conn().await?, workspace, job, run).await;
        match inserted {
            Err(error) if error.is_conflict("draft") => Err(Problem::conflict(
                "job_is_draft",
                "The job is a draft and does nothing until it is activated.",
            )),
            // Another request with the key was faster.
            Err(error) if error.is_conflict("run_keys_pkey") => {
                let made = made_before(&state, workspace, key.as_deref(), asked).await?;
                // Its job was deleted in between.
                Ok((made.ok_or_else(Problem::not_found)?, true))
            }
            inserted => Ok((inserted?, false)),
        }
    });
    let (id, replayed) = recorded.await?;
    state.waker.wake();
    shown(state, workspace, id, replayed).await
}

/// What this key has made already. It is an error when that was something else.
async fn made_before(
    state: &State,
    workspace: WorkspaceId,
    key: Option<&str>,
    asked: Asked,
) -> ApiResult<Option<ExecutionId>> {
    let Some(key) = key else { return Ok(None) };
    let made = executions::find_run(&mut *state.conn().await?, workspace, key).await?;
    let is_same = |made: executions::IdempotentRun| match asked {
        Asked::Run(job) => made.replay_of.is_none() && made.job == job,
        Asked::Replay(original) => made.replay_of == Some(original),
    };
    if made.is_some_and(|made| !is_same(made)) {
        let detail = "The key was used for the run of another job, or the replay of another execution.";
        return Err(Problem::conflict("idempotency_key_reused", detail));
    }
    Ok(made.map(|made| made.execution))
}

async fn shown(
    state: &State,
    workspace: WorkspaceId,
    id: ExecutionId,
    replayed: bool,
) -> ApiResult<HttpResponse> {
    let execution = executions::get(&mut *state.conn().await?, workspace, id).await?;
    let mut response = if replayed { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    if replayed {
        response.insert_header(REPLAYED);
    }
    response.insert_header((header::LOCATION, format!("/v1/executions/{id}")));
    Ok(response.json(ExecutionView::with_attempts(&execution)))
}

async fn list(
    state: &State,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
    filters: &str,
) -> ApiResult<HttpResponse> {
    let list = executions::list(&mut *state.conn().await?, workspace, filter, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, filters, ExecutionView::new)))
}
