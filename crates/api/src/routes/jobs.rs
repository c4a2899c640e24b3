//! Jobs: saved requests with a schedule.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, delete, get, http::header, patch, post, web,
};
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        invalid::{FieldErrors, Invalid},
        job::{Job, JobState},
        schedule::Kind,
    },
    store::jobs,
};

mod body;
mod change;
mod create;
mod define;
pub mod import;
pub mod ledger;
mod missing_secrets;
mod patch;
mod view;

pub use body::{JobBody, ScheduleBody};
pub use define::{Context, schedule};
pub use view::JobView;

use change::Change;
use create::Requested;
use missing_secrets::missing_secrets;

use crate::{
    auth::{Authorized, JobsRead, JobsRun, JobsWrite},
    enums,
    extract::{
        body::JsonText,
        depth::depth,
        key::{REPLAYED, idempotency_key},
        path::PathId,
        query::{Paged, Parameters, query},
    },
    problem::{Problem, ProblemBody},
    result::ApiResult,
    routes::{
        executions::{ExecutionView, RunRequest, run},
        list::ListView,
    },
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
    let by = Requested { key, depth: depth(&request, auth.workspace)? };
    let created = create::create(&state, auth.workspace, body, by, errors).await?;
    let job = match created.job {
        Some(job) => job,
        None => load(&state, auth.workspace, created.id).await?,
    };
    let mut response = if created.replayed { HttpResponse::Ok() } else { HttpResponse::Created() };
    if created.replayed {
        response.insert_header(REPLAYED);
    }
    response.insert_header((header::LOCATION, format!("/v1/jobs/{}", created.id)));
    let missing = missing_secrets(&state, job.workspace, &job.definition.request).await?;
    let view = JobView::new(&job).with_execution(created.execution).with_missing_secrets(&missing);
    Ok(with_etag(response, &job).json(view))
}

query! {
    pub struct JobFilter {
        /// Jobs in this state.
        #[param(value_type = Option<enums::JobState>)]
        state: Option<JobState> = Parameters::parsed,
        /// Jobs of this kind.
        #[param(value_type = Option<enums::JobKind>)]
        kind: Option<Kind> = Parameters::parsed,
        /// Jobs with this tag.
        tag: Option<String> = Parameters::text,
        /// A part of the name, in any case.
        q: Option<String> = Parameters::text,
    }
}

/// Lists jobs, newest first. The jobs of a list have no `request.body`: GET /v1/jobs/{id} returns it.
#[utoipa::path(
    operation_id = "list_jobs", tag = "jobs",
    params(Paged::<JobFilter>),
    responses(
        (status = 200, body = ListView<JobView>),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/jobs")]
pub async fn list_jobs(
    state: web::Data<State>,
    auth: Authorized<JobsRead, Paged<JobFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = auth.query;
    let JobFilter { state: job_state, kind, tag, q } = filter;
    let filter = jobs::Filter { state: job_state, kind, tag, q };
    let list = jobs::list(
        &mut *state.connections.for_list().await?,
        auth.workspace,
        &filter,
        page,
        state.clock.now(),
    )
    .await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, |job| job.id.uuid(), JobView::without_body)))
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
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let job = load(&state, auth.workspace, id).await?;
    Ok(job_response(&job))
}

/// Changes a job with a JSON merge patch. If any field is invalid, nothing changes.
#[utoipa::path(
    operation_id = "patch_job", tag = "jobs",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag of the version that the change is based on.")),
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
    PathId(id): PathId<JobId>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let if_match = if_match(&request)?;
    let of = Change { workspace: auth.workspace, job: id, if_match, depth: depth(&request, auth.workspace)? };
    let (job, execution) = change::patch(&state, of, &request, &text).await?;
    let missing = missing_secrets(&state, job.workspace, &job.definition.request).await?;
    let view = JobView::new(&job).with_execution(execution).with_missing_secrets(&missing);
    Ok(with_etag(HttpResponse::Ok(), &job).json(view))
}

/// Deletes a job with all its executions. TrigRun does not record the result of a request in flight.
#[utoipa::path(
    operation_id = "delete_job", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 204),
    ),
    security(("token" = ["jobs:write"])),
)]
#[delete("/jobs/{id}")]
pub async fn delete_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let workspace = auth.workspace;
    state.run(async move |state| Ok(jobs::delete(&mut *state.conn().await?, workspace, id).await?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Pauses a job's schedule. Fires during the pause are not made up. Queued executions continue.
#[utoipa::path(
    operation_id = "pause_job", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/{id}/pause")]
pub async fn pause_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let of = Change { workspace: auth.workspace, job: id, if_match: None, depth: 0 };
    let (job, _) = change::set_state(&state, of, JobState::Paused).await?;
    Ok(job_response(&job))
}

/// Resumes a paused job, or activates a draft. Its schedule applies from now on.
#[utoipa::path(
    operation_id = "resume_job", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/{id}/resume")]
pub async fn resume_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    PathId(id): PathId<JobId>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let depth = depth(&request, auth.workspace)?;
    let of = Change { workspace: auth.workspace, job: id, if_match: None, depth };
    let (job, execution) = change::set_state(&state, of, JobState::Active).await?;
    Ok(with_etag(HttpResponse::Ok(), &job).json(JobView::new(&job).with_execution(execution)))
}

/// Runs a job once, immediately, without affecting its schedule. Works for paused and completed jobs, but not for drafts. A run of
/// TrigRun itself cannot run a paused job.
#[utoipa::path(
    operation_id = "run_job_now", tag = "jobs",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "A repeated run with the same key returns the execution of the first.")),
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
    auth: Authorized<JobsRun>,
    PathId(job): PathId<JobId>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    run(&state, auth.workspace, RunRequest::Run(job), &request).await
}

async fn load(state: &State, workspace: WorkspaceId, id: JobId) -> ApiResult<Job> {
    Ok(jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?)
}

fn job_response(job: &Job) -> HttpResponse {
    with_etag(HttpResponse::Ok(), job).json(JobView::new(job))
}

fn with_etag(mut response: HttpResponseBuilder, job: &Job) -> HttpResponseBuilder {
    response.insert_header((header::ETAG, format!("\"{}\"", job.version)));
    response
}

/// The versions that If-Match allows (RFC 9110 §13.1.1); `None` for any. Weak tags and tags of other resources never match.
fn if_match(request: &HttpRequest) -> ApiResult<Option<Vec<i32>>> {
    let Some(given) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
    let given = given.to_str().unwrap_or_default();
    if given.trim() == "*" {
        return Ok(None);
    }
    let version = |tag: &str| {
        let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
        Some(opaque.parse().ok().filter(|_| !tag.starts_with("W/")))
    };
    let tags: Option<Vec<Option<i32>>> = given.split(',').map(|tag| version(tag.trim())).collect();
    let invalid =
        || Invalid::new("etag_invalid", "must be the ETag of an earlier response, including its quotes");
    let tags = tags.ok_or_else(|| Problem::of_field("If-Match", invalid()))?;
    Ok(Some(tags.into_iter().flatten().collect()))
}
