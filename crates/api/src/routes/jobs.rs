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

use missing_secrets::missing_secrets;

use crate::{
    auth::{Authorized, JobsRead, JobsRun, JobsWrite},
    extract::{
        body::{JsonText, read},
        key::{REPLAYED, idempotency_key},
        path::PathId,
        query::{Paged, Parameters, query},
    },
    problem::{Problem, ProblemBody},
    result::ApiResult,
    routes::{
        executions::{Asked, ExecutionView, run},
        list::ListView,
    },
    state::State,
};

/// Creates a job. A one_time job runs at once, and the answer names its execution.
#[utoipa::path(
    operation_id = "create_job", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "A second create with the same key answers with the first one's job.")),
    request_body(content = JobBody, example = json!({
        "name": "nightly report", "kind": "cron", "schedule": { "cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin" },
        "request": { "url": "https://example.com/report", "headers": { "Authorization": "Bearer secret://report-token" } },
    })),
    responses(
        (status = 201, body = JobView, headers(("Location" = String), ("ETag" = String))),
        (status = 200, description = "The job that this key made before; Idempotent-Replayed: true", body = JobView),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs")]
pub async fn create_job(
    state: web::Data<State>,
    allowed: Authorized<JobsWrite>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: JobBody = read(text.object()?, &mut errors)?;
    let key = idempotency_key(&request, &mut errors);
    let created = create::create(&state, allowed.workspace, body, key, errors).await?;
    let job = match created.job {
        Some(job) => job,
        None => load(&state, allowed.workspace, created.id).await?,
    };
    let mut response = if created.replayed { HttpResponse::Ok() } else { HttpResponse::Created() };
    if created.replayed {
        response.insert_header(REPLAYED);
    }
    response.insert_header((header::LOCATION, format!("/v1/jobs/{}", created.id)));
    let missing = missing_secrets(&state, job.workspace, &job.definition.request).await?;
    let view = JobView::new(&job).with_execution(created.execution).with_missing_secrets(&missing);
    Ok(with_tag(response, &job).json(view))
}

query! {
    pub struct JobFilter {
        /// active, paused, draft or completed.
        #[param(value_type = Option<String>)]
        state: Option<JobState> = Parameters::parsed,
        /// recurring, cron, scheduled or one_time.
        #[param(value_type = Option<String>)]
        kind: Option<Kind> = Parameters::parsed,
        /// Jobs with this tag.
        tag: Option<String> = Parameters::text,
        /// A part of the name, in any case.
        q: Option<String> = Parameters::text,
    }
}

/// Lists jobs, newest first.
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
    allowed: Authorized<JobsRead, Paged<JobFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = allowed.query;
    let JobFilter { state: job_state, kind, tag, q } = filter;
    let filter = jobs::Filter { state: job_state, kind, tag, q };
    let list =
        jobs::list(&mut *state.conn().await?, allowed.workspace, &filter, page, state.clock.now()).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, JobView::new)))
}

/// One job.
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
    allowed: Authorized<JobsRead>,
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let job = load(&state, allowed.workspace, id).await?;
    Ok(shown(&job))
}

/// Changes a job: a merge patch of any of its fields, all or nothing.
#[utoipa::path(
    operation_id = "patch_job", tag = "jobs",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag that the change was made from.")),
    request_body(content = JobBody, example = json!({ "schedule": { "cron": "0 5 * * *" }, "concurrency_limit": 1 })),
    responses(
        (status = 200, body = JobView, headers(("ETag" = String))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[patch("/jobs/{id}")]
pub async fn patch_job(
    state: web::Data<State>,
    allowed: Authorized<JobsWrite>,
    PathId(id): PathId<JobId>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let if_match = if_match(&request)?;
    let (job, execution) = change::patch(&state, allowed.workspace, id, text.object()?, if_match).await?;
    let missing = missing_secrets(&state, job.workspace, &job.definition.request).await?;
    let view = JobView::new(&job).with_execution(execution).with_missing_secrets(&missing);
    Ok(with_tag(HttpResponse::Ok(), &job).json(view))
}

/// Deletes a job with all its executions. One that is being sent ends unrecorded.
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
    allowed: Authorized<JobsWrite>,
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let workspace = allowed.workspace;
    state.run(async move |state| Ok(jobs::delete(&mut *state.conn().await?, workspace, id).await?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Stops a job's schedule. Fires that fall into the pause are not made up for. Executions already queued go on.
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
    allowed: Authorized<JobsWrite>,
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let (job, _) = change::set_state(&state, allowed.workspace, id, JobState::Paused).await?;
    Ok(shown(&job))
}

/// Lets a paused job, or a draft, go on from now.
#[utoipa::path(
    operation_id = "resume_job", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = JobView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/{id}/resume")]
pub async fn resume_job(
    state: web::Data<State>,
    allowed: Authorized<JobsWrite>,
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let (job, execution) = change::set_state(&state, allowed.workspace, id, JobState::Active).await?;
    Ok(with_tag(HttpResponse::Ok(), &job).json(JobView::new(&job).with_execution(execution)))
}

/// Runs a job once, now, beside its schedule. Works on paused and completed jobs, not on drafts.
#[utoipa::path(
    operation_id = "run_job_now", tag = "jobs",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "A second run with the same key answers with the first one's execution.")),
    responses(
        (status = 202, body = ExecutionView, headers(("Location" = String))),
        (status = 200, description = "The execution that this key made before; Idempotent-Replayed: true", body = ExecutionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/jobs/{id}/run-now")]
pub async fn run_job_now(
    state: web::Data<State>,
    allowed: Authorized<JobsRun>,
    PathId(job): PathId<JobId>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    run(&state, allowed.workspace, Asked::Run(job), &request).await
}

async fn load(state: &State, workspace: WorkspaceId, id: JobId) -> ApiResult<Job> {
    Ok(jobs::get(&mut *state.conn().await?, workspace, id, state.clock.now()).await?)
}

fn shown(job: &Job) -> HttpResponse {
    with_tag(HttpResponse::Ok(), job).json(JobView::new(job))
}

fn with_tag(mut response: HttpResponseBuilder, job: &Job) -> HttpResponseBuilder {
    response.insert_header((header::ETAG, format!("\"{}\"", job.version)));
    response
}

/// The versions that If-Match asks for (RFC 9110 §13.1.1); `None` for any. A weak tag never matches, and neither does that of something else.
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
    let invalid = || Invalid::new("etag_invalid", "must be the ETag of an earlier answer, with its quotes");
    let tags = tags.ok_or_else(|| Problem::of_field("If-Match", invalid()))?;
    Ok(Some(tags.into_iter().flatten().collect()))
}
