//! Executions: runs of jobs, and their results.

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
    enums,
    extract::{
        body::EmptyBody,
        depth::depth,
        key::{Earlier, idempotency_key},
        path::PathId,
        query::{Paged, Parameters, query},
    },
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    routes::list::ListView,
    state::State,
};

query! {
    pub struct ExecutionFilter {
        /// Executions with one of these statuses, separated by commas.
        #[param(value_type = Option<Vec<enums::ExecutionStatus>>, style = Form, explode = false)]
        status: Vec<Status> = Parameters::each,
        /// The status of the last response.
        #[param(minimum = 100, maximum = 599)]
        status_code: Option<u16> = Parameters::status_code,
        /// The error class of the execution.
        error_class: Option<String> = Parameters::text,
        /// Executions with this source.
        #[param(value_type = Option<enums::ExecutionSource>)]
        source: Option<Source> = Parameters::parsed,
        #[param(value_type = Option<String>)]
        job_id: Option<JobId> = Parameters::parsed,
        /// A part of the job's name, in any case.
        job_name: Option<String> = Parameters::text,
        /// Executions of jobs with this tag.
        tag: Option<String> = Parameters::text,
        /// The host of the URL, such as example.com or example.com:8443. Without a port, it matches any.
        host: Option<String> = Parameters::host,
        /// Scheduled for this instant or later, RFC 3339.
        #[param(value_type = Option<String>, format = DateTime)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// Scheduled before this instant, RFC 3339.
        #[param(value_type = Option<String>, format = DateTime)]
        to: Option<DateTime<Utc>> = Parameters::instant,
    }
}

query! {
    pub struct JobExecutionFilter {
        /// Executions with one of these statuses, separated by commas.
        #[param(value_type = Option<Vec<enums::ExecutionStatus>>, style = Form, explode = false)]
        status: Vec<Status> = Parameters::each,
        /// The status of the last response.
        #[param(minimum = 100, maximum = 599)]
        status_code: Option<u16> = Parameters::status_code,
        /// The error class of the execution.
        error_class: Option<String> = Parameters::text,
        /// Executions with this source.
        #[param(value_type = Option<enums::ExecutionSource>)]
        source: Option<Source> = Parameters::parsed,
        /// Scheduled for this instant or later, RFC 3339.
        #[param(value_type = Option<String>, format = DateTime)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// Scheduled before this instant, RFC 3339.
        #[param(value_type = Option<String>, format = DateTime)]
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
    auth: Authorized<ExecutionsRead, Paged<ExecutionFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = auth.query;
    let ExecutionFilter { status, status_code, error_class, source, job_id, job_name, tag, host, from, to } =
        filter;
    let filter = Filter {
        statuses: status,
        status_code,
        error_class,
        source,
        job: job_id,
        job_name,
        tag,
        host,
        from,
        to,
    };
    list(&state, auth.workspace, &filter, page, &filters).await
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
    auth: Authorized<ExecutionsRead, Paged<JobExecutionFilter>>,
    PathId(job): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = auth.query;
    let JobExecutionFilter { status, status_code, error_class, source, from, to } = filter;
    let job_only = Filter { job: Some(job), ..Filter::default() };
    let filter = Filter { statuses: status, status_code, error_class, source, from, to, ..job_only };
    jobs::get(&mut *state.conn().await?, auth.workspace, job, state.clock.now()).await?;
    list(&state, auth.workspace, &filter, page, &filters).await
}

/// Returns an execution with all its attempts.
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
    auth: Authorized<ExecutionsRead>,
    PathId(id): PathId<ExecutionId>,
) -> ApiResult<HttpResponse> {
    let execution = executions::get(&mut *state.conn().await?, auth.workspace, id).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

/// Replays an execution: makes its request again, with the current definition of the job.
#[utoipa::path(
    operation_id = "replay_execution", tag = "executions",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "A repeated replay with the same key returns the execution of the first.")),
    responses(
        (status = 202, body = ExecutionView, headers(("Location" = String))),
        (status = 200, description = "The key was used before; the body is its execution. Idempotent-Replayed: true", body = ExecutionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/executions/{id}/replay")]
pub async fn replay_execution(
    state: web::Data<State>,
    auth: Authorized<JobsRun>,
    PathId(id): PathId<ExecutionId>,
    request: HttpRequest,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    run(&state, auth.workspace, RunRequest::Replay(id), &request).await
}

/// Cancels an execution that has not ended. TrigRun aborts a request in flight within five seconds.
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
    auth: Authorized<JobsRun>,
    PathId(id): PathId<ExecutionId>,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    let workspace = auth.workspace;
    let ended =
        state.run(async move |state| Ok(leases::cancel(&mut *state.conn().await?, workspace, id).await?));
    match ended.await? {
        // Cancelling is idempotent.
        None | Some(Status::Cancelled) => {}
        Some(status) => {
            let detail = format!("The execution has already ended: it is {}.", status.as_str());
            return Err(Problem::new(ProblemCode::ExecutionEnded, detail));
        }
    }
    state.waker.wake();
    let execution = executions::get(&mut *state.conn().await?, workspace, id).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

/// What to run immediately.
#[derive(Clone, Copy)]
pub enum RunRequest {
    Run(JobId),
    Replay(ExecutionId),
}

/// Records an execution, once per idempotency key of the request, and returns it.
pub async fn run(
    state: &State,
    workspace: WorkspaceId,
    run: RunRequest,
    request: &HttpRequest,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let key = idempotency_key(request, &mut errors);
    let key = errors.finish(Ok(key))?;
    let depth = depth(request, workspace)?;
    // The key is checked first: its execution was allowed when it was created.
    if let Some(earlier) = created_before(state, workspace, key.as_deref(), run).await? {
        return respond(state, workspace, earlier).await;
    }
    let (job, source, replay_of) = match run {
        RunRequest::Run(job) => (job, Source::Manual, None),
        RunRequest::Replay(original) => {
            let job = executions::get(&mut *state.conn().await?, workspace, original).await?.job;
            (job, Source::Replay, Some(original))
        }
    };
    state.quotas.run(state.connections.unshared(), workspace, 1).await?;
    let traceparent = trace::current();
    let recorded = state.run(async move |state| {
        let now = state.clock.now();
        let (traceparent, key) = (traceparent.as_deref(), key.as_deref());
        let new = NewRun { source, replay_of, traceparent, depth, key, now };
        // Releases the connection before another is acquired: requests that hold one each would wait for each other.
        let inserted = executions::insert_now(&mut *state.conn().await?, workspace, job, new).await;
        match inserted {
            Err(error) if error.is_conflict("draft") => {
                Err(Problem::new(ProblemCode::JobIsDraft, "The job is a draft. Activate it first."))
            }
            Err(error) if error.is_conflict("paused") => Err(Problem::new(
                ProblemCode::JobIsPaused,
                "The job is paused, and this request comes from a run of TrigRun. Only other clients can run a paused job.",
            )),
            // A concurrent request with the same key was faster.
            Err(error) if error.is_conflict("run_keys_pkey") => {
                let earlier = created_before(&state, workspace, key, run).await?;
                // Its job was deleted in the meantime.
                earlier.ok_or_else(Problem::not_found)
            }
            inserted => Ok(Recorded { id: inserted?, earlier: None }),
        }
    });
    let recorded = recorded.await?;
    state.waker.wake();
    respond(state, workspace, recorded).await
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
) -> ApiResult<HttpResponse> {
    let execution = executions::get(&mut *state.conn().await?, workspace, id).await?;
    let mut response = if earlier.is_some() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    let warning = earlier.and_then(|earlier| earlier.describe(&mut response));
    response.insert_header((header::LOCATION, format!("/v1/executions/{id}")));
    Ok(response.json(ExecutionView::with_attempts(&execution).with_warning(warning)))
}

async fn list(
    state: &State,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
    filters: &str,
) -> ApiResult<HttpResponse> {
    let list = executions::list(&mut *state.connections.for_list().await?, workspace, filter, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(
        list,
        filters,
        |execution| execution.id.uuid(),
        ExecutionView::new,
    )))
}
