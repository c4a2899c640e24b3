//! Executions: runs of jobs, and their results.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use trigrun_core::{
    domain::{
        execution::{Source, Status},
        id::{ExecutionId, JobId, WorkspaceId},
        job::key::JobRef,
        page::Page,
        statuses::StatusItem,
    },
    store::{
        executions::{self, Filter},
        jobs, leases,
    },
};

pub mod bulk;
pub mod request;
mod run;
mod view;

pub use run::{RunRequest, not_run, run};
pub use view::{AttemptView, ExecutionView};

use crate::{
    auth::{Authorized, ExecutionsRead, JobsRun},
    enums,
    extract::{
        body::EmptyBody,
        path::{PathId, PathJob},
        query::{Paged, Parameters, Wait, query},
    },
    job_refs::{resolve, resolve_one},
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
        /// The status of the last response, or a range of statuses such as 5xx.
        #[param(value_type = Option<String>, pattern = "^[1-5]([0-9]{2}|xx)$")]
        status_code: Option<StatusItem> = Parameters::parsed,
        /// Executions with this many attempts or more.
        #[param(minimum = 1, maximum = 10)]
        min_attempts: Option<u16> = Parameters::attempts,
        /// The error class of the execution.
        error_class: Option<String> = Parameters::text,
        /// Executions with this source.
        #[param(value_type = Option<enums::ExecutionSource>)]
        source: Option<Source> = Parameters::parsed,
        /// Executions of the job with this id or key.
        #[param(value_type = Option<String>)]
        job_id: Option<JobRef> = Parameters::parsed,
        /// Executions of any of these jobs: ids or keys, separated by commas.
        #[param(value_type = Option<Vec<String>>, style = Form, explode = false, max_items = 20)]
        job_ids: Vec<JobRef> = Parameters::jobs,
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
        /// The status of the last response, or a range of statuses such as 5xx.
        #[param(value_type = Option<String>, pattern = "^[1-5]([0-9]{2}|xx)$")]
        status_code: Option<StatusItem> = Parameters::parsed,
        /// Executions with this many attempts or more.
        #[param(minimum = 1, maximum = 10)]
        min_attempts: Option<u16> = Parameters::attempts,
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

impl ExecutionFilter {
    async fn resolve(self, state: &State, workspace: WorkspaceId) -> ApiResult<Filter> {
        Ok(Filter {
            statuses: self.status,
            source: self.source,
            job: resolve_one(state, workspace, self.job_id.as_ref()).await?,
            jobs: resolve(state, workspace, &self.job_ids).await?,
            job_name: self.job_name,
            tag: self.tag,
            host: self.host,
            status_code: self.status_code,
            min_attempts: self.min_attempts,
            error_class: self.error_class,
            from: self.from,
            to: self.to,
        })
    }
}

impl JobExecutionFilter {
    fn of_job(self, job: JobId) -> Filter {
        let Self { status, status_code, min_attempts, error_class, source, from, to } = self;
        let of_job = Filter { job: Some(job), ..Filter::default() };
        Filter { statuses: status, status_code, min_attempts, error_class, source, from, to, ..of_job }
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
    let filter = filter.resolve(&state, auth.workspace).await?;
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
    path: PathJob,
) -> ApiResult<HttpResponse> {
    let job = path.id(&state, auth.workspace).await?;
    let Paged { filter, page, filters } = auth.query;
    let filter = filter.of_job(job);
    jobs::get(&mut *state.conn().await?, auth.workspace, job, state.clock.now()).await?;
    list(&state, auth.workspace, &filter, page, &filters).await
}

/// Returns an execution with all its attempts, at once or when it has ended.
#[utoipa::path(
    operation_id = "get_execution", tag = "executions",
    params(("id" = String, Path), Wait),
    responses(
        (status = 200, body = ExecutionView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/executions/{id}")]
pub async fn get_execution(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, Wait>,
    PathId(id): PathId<ExecutionId>,
) -> ApiResult<HttpResponse> {
    let execution = run::read(&state, auth.workspace, id, auth.query.wait).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

/// Replays an execution: makes its request again, with the current definition of the job.
#[utoipa::path(
    operation_id = "replay_execution", tag = "executions",
    params(("id" = String, Path), Wait, ("Idempotency-Key" = Option<String>, Header, description = "A repeated replay with the same key returns the execution of the first.")),
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
    auth: Authorized<JobsRun, Wait>,
    PathId(id): PathId<ExecutionId>,
    request: HttpRequest,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    run(&state, (auth.workspace, auth.plan), RunRequest::Replay(id), &request, auth.query.wait).await
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
