//! Jobs: saved requests with a schedule.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, delete, get, http::header, patch, post, web,
};
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        invalid::FieldErrors,
        job::Job,
    },
    store::jobs,
};

pub mod activity;
pub mod apply;
pub mod baseline;
pub mod batch;
pub(super) mod body;
pub mod bulk;
mod change;
pub mod convert;
mod create;
mod declare;
mod define;
mod difference;
mod etag;
pub mod explain;
pub mod export;
mod filter;
pub mod import;
pub mod ledger;
pub mod list;
mod patch;
pub mod pause;
pub mod put;
mod read_only;
pub mod versions;
mod view;
mod warnings;

pub use body::{JobBody, ScheduleBody};
pub use define::{Context, schedule};
pub use view::JobView;
pub use warnings::secret_missing;

use change::{Change, Changed};
use create::{Created, Requested};
use etag::{IfMatch, etag};
use warnings::warnings;

use crate::{
    auth::{Authorized, JobsRead, JobsRun, JobsWrite},
    extract::{
        body::{EmptyBody, JsonText},
        depth::depth,
        key::idempotency_key,
        path::PathJob,
        query::Wait,
    },
    problem::ProblemBody,
    result::ApiResult,
    routes::executions::{ExecutionView, RunRequest, run},
    state::State,
};

/// Creates a job. A one_time job runs immediately, and the response contains its execution's id.
#[utoipa::path(
    operation_id = "create_job", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeated create with the same key returns the job of the first.")),
    request_body(content = JobBody, example = json!({
        "name": "nightly report", "kind": "cron", "schedule": { "cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin" },
        "request": { "url": "https://example.com/report", "headers": { "Authorization": "Bearer secret://report-token" } },
    })),
    responses(
        (status = 201, body = JobView, headers(("Location" = String), ("ETag" = String))),
        (status = 200, description = "The key was used before; the body is its job. Idempotent-Replayed: true", body = JobView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs")]
pub async fn create_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: JobBody = text.read(&mut errors).await?;
    let key = idempotency_key(&request, &mut errors);
    let digest = key.is_some().then(|| text.digest());
    let depth = depth(&request, auth.workspace)?;
    let token_hash = auth.caller.token_hash();
    let by = Requested { key, digest, depth, token_hash, author: auth.by, plan: auth.plan };
    let Created { id, job, execution, earlier } =
        create::create(&state, auth.workspace, body, by, errors).await?;
    let job = match job {
        Some(job) => job,
        None => load(&state, auth.workspace, id).await?,
    };
    let mut response = if earlier.is_some() { HttpResponse::Ok() } else { HttpResponse::Created() };
    let mut warnings = warnings(&state, job.workspace, &job.definition.request).await?;
    if let Some(earlier) = earlier {
        warnings.splice(0..0, earlier.describe(&mut response));
    }
    response.insert_header((header::LOCATION, format!("/v1/jobs/{id}")));
    let view = JobView::new(&job).with_execution(execution).with_warnings(warnings);
    Ok(with_etag(response, &job).json(view))
}

/// Returns a job.
#[utoipa::path(
    operation_id = "get_job", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView, headers(("ETag" = String))),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/jobs/{id}")]
pub async fn get_job(
    state: web::Data<State>,
    auth: Authorized<JobsRead>,
    path: PathJob,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let job = load(&state, auth.workspace, id).await?;
    Ok(job_response(&job))
}

/// Changes a job with a JSON merge patch. If any field is invalid, nothing changes.
#[utoipa::path(
    operation_id = "patch_job", tag = "jobs",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag, or the quoted version, that the request is based on.")),
    request_body(content = JobBody, example = json!({ "schedule": { "cron": "0 5 * * *" }, "concurrency_limit": 1 })),
    responses(
        (status = 200, body = JobView, headers(("ETag" = String))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[patch("/jobs/{id}")]
pub async fn patch_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    path: PathJob,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let (if_match, depth) = (IfMatch::of(&request)?, depth(&request, auth.workspace)?);
    let (workspace, plan) = (auth.workspace, auth.plan);
    let of = Change { workspace, plan, job: id, if_match, depth, by: auth.by, rules: None };
    let Changed { job, execution, .. } = change::patch(&state, of, &request, &text).await?;
    let warnings = warnings(&state, job.workspace, &job.definition.request).await?;
    let view = JobView::new(&job).with_execution(execution).with_warnings(warnings);
    Ok(with_etag(HttpResponse::Ok(), &job).json(view))
}

/// Deletes a job with all its executions. TrigRun does not record the result of a request in flight.
#[utoipa::path(
    operation_id = "delete_job", tag = "jobs",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag, or the quoted version, that the request is based on.")),
    responses(
        (status = 204),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[delete("/jobs/{id}")]
pub async fn delete_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    path: PathJob,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    change::delete(&state, auth.workspace, id, IfMatch::of(&request)?, auth.by).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Runs a job once, immediately, without affecting its schedule. Works for paused and completed jobs, but not for drafts. A run of
/// TrigRun itself cannot run a paused job.
#[utoipa::path(
    operation_id = "run_job_now", tag = "jobs",
    params(("id" = String, Path), Wait, ("Idempotency-Key" = Option<String>, Header, description = "A repeated run with the same key returns the execution of the first.")),
    responses(
        (status = 202, body = ExecutionView, headers(("Location" = String))),
        (status = 200, description = "The key was used before; the body is its execution. Idempotent-Replayed: true", body = ExecutionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/jobs/{id}/run-now")]
pub async fn run_job_now(
    state: web::Data<State>,
    auth: Authorized<JobsRun, Wait>,
    path: PathJob,
    request: HttpRequest,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    let job = path.id(&state, auth.workspace).await?;
    run(&state, (auth.workspace, auth.plan), RunRequest::Run(job), &request, auth.query.wait).await
}

async fn load(state: &State, workspace: WorkspaceId, id: JobId) -> ApiResult<Job> {
    Ok(jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?)
}

fn job_response(job: &Job) -> HttpResponse {
    with_etag(HttpResponse::Ok(), job).json(JobView::new(job))
}

fn with_etag(mut response: HttpResponseBuilder, job: &Job) -> HttpResponseBuilder {
    response.insert_header((header::ETAG, etag(job)));
    response
}
