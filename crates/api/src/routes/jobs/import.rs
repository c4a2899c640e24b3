//! Imports a crontab: each line becomes a job, all in one transaction.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;
use trigrun_core::{
    domain::{crontab::Refused, id::WorkspaceId, invalid::FieldErrors},
    store::jobs::{self, GroupedJob, NewJob},
};
use utoipa::ToSchema;

mod body;
mod lines;

use crate::{
    auth::{Authorized, JobsWrite},
    extract::{
        body::JsonText,
        depth::depth,
        key::{Earlier, idempotency_key},
    },
    problem::ProblemBody,
    result::ApiResult,
    routes::jobs::{body::JobBody, create::Requested, warnings::warnings_of_all},
    state::State,
    time::instant,
};
use body::ImportBody;
use lines::{Import, Line};

/// The result of each line: a job, or an error.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
pub struct ImportView {
    /// The created jobs; in a dry run, the jobs that would be created.
    created: Vec<ImportedView>,
    errors: Vec<LineErrorView>,
    /// What is allowed but may be unintended, such as a reference to a secret that does not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    dry_run: bool,
}

/// A line and its job.
#[derive(Serialize, ToSchema)]
#[schema(as = Imported)]
pub struct ImportedView {
    /// Counted from 1.
    line: usize,
    #[schema(example = "0 9 * * MON-FRI https://example.com/report")]
    text: String,
    job: ImportedJobView,
}

/// A created job. In a dry run, it has no id.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportedJob)]
pub struct ImportedJobView {
    id: Option<String>,
    #[serde(flatten)]
    body: JobBody,
    /// Null unless the job is active.
    #[schema(format = DateTime)]
    next_run_at: Option<String>,
}

/// An invalid line, and why it is invalid.
#[derive(Serialize, ToSchema)]
#[schema(as = LineError)]
pub struct LineErrorView {
    /// Counted from 1.
    line: usize,
    /// The line; a very long one is truncated.
    #[schema(example = "@reboot https://example.com/start")]
    text: String,
    #[schema(example = "cron_reboot")]
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
}

/// Imports a crontab: creates a job of kind cron for each line.
///
/// The response reports invalid lines. Unless `atomic` is set, the other lines are still created. Without any valid line, it is 422. All jobs are created in one transaction: if
/// the connection breaks before the response, either all of them exist or none.
#[utoipa::path(
    operation_id = "import_jobs", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeated import with the same key returns the jobs of the first.")),
    request_body = ImportBody,
    responses(
        (status = 201, description = "The import created jobs.", body = ImportView),
        (status = 200, description = "The import created no jobs: it was a dry run, or the key was used before (Idempotent-Replayed: true).", body = ImportView),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/import")]
pub async fn import_jobs(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: ImportBody = text.read(&mut errors).await?;
    let key = idempotency_key(&request, &mut errors);
    let digest = key.is_some().then(|| text.digest());
    let depth = depth(&request, auth.workspace)?;
    let check = {
        let state = state.clone();
        move || body.check(&state, errors)
    };
    let import = state.capacity.compute(request.headers(), check).await??;
    let requests = import.lines.iter().map(|line| &line.definition.request);
    let mut warnings = warnings_of_all(&state, auth.workspace, requests).await?;
    if import.dry_run {
        return Ok(HttpResponse::Ok().json(ImportView::of(import, warnings)));
    }
    let token_hash = auth.caller.token_hash();
    let requested = Requested { key, digest, depth, token_hash, author: auth.by, plan: auth.plan };
    let (import, earlier) = create(&state, auth.workspace, import, requested).await?;
    let Some(Replayed { earlier, deleted }) = earlier else {
        return Ok(HttpResponse::Created().json(ImportView::of(import, warnings)));
    };
    let mut response = HttpResponse::Ok();
    if earlier.differs {
        warnings.clear();
    }
    warnings.splice(0..0, earlier.describe(&mut response));
    if deleted > 0 {
        warnings.push(format!("{deleted} of the jobs that the import created have been deleted since."));
    }
    Ok(response.json(ImportView::of(import, warnings)))
}

/// An earlier import used the key.
struct Replayed {
    earlier: Earlier,
    /// How many of its jobs are known to be deleted.
    deleted: usize,
}

/// Creates all jobs. If the key was used before, returns the jobs that exist of the earlier import.
async fn create(
    state: &State,
    workspace: WorkspaceId,
    mut import: Import,
    by: Requested,
) -> ApiResult<(Import, Option<Replayed>)> {
    if let Some(key) = &by.key {
        import.lines.iter_mut().for_each(|line| line.key = Some(jobs::key_in_group(key, line.number)));
    }
    let created = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let (key, digest) = (by.key.as_deref(), by.digest.as_deref());
        let new = import.lines.iter().map(|line| line.new_job(import.now, &by));
        let all: Vec<NewJob<'_>> = new.collect();
        match (jobs::insert_group(&mut conn, workspace, key, &all, by.plan.jobs()).await, key) {
            (Ok(_), _) => Ok((import, None)),
            (Err(error), Some(key)) if error.is_conflict("group_key") => {
                let found = jobs::find_group(&mut conn, workspace, key, state.clock.now()).await?;
                let is_same = |job: &GroupedJob| job.request_digest.as_deref() == digest;
                let differs = !found.iter().all(is_same);
                let deleted = if differs { 0 } else { import.lines.len().saturating_sub(found.len()) };
                let earlier = Earlier { differs };
                Ok((import.created_before(found, differs), Some(Replayed { earlier, deleted })))
            }
            (Err(error), _) => Err(by.not_written(error)),
        }
    });
    let created = created.await?;
    state.waker.wake();
    Ok(created)
}

impl ImportView {
    fn of(import: Import, warnings: Vec<String>) -> Self {
        let dry_run = import.dry_run;
        Self {
            created: import.lines.into_iter().map(|line| ImportedView::of(line, dry_run)).collect(),
            errors: import.refused.into_iter().map(LineErrorView::from).collect(),
            warnings,
            dry_run,
        }
    }
}

impl ImportedView {
    fn of(line: Line, dry_run: bool) -> Self {
        let job = ImportedJobView {
            id: (!dry_run).then(|| line.id.to_string()),
            body: JobBody::of(&line.definition, line.definition.state),
            next_run_at: line.first_fire.map(instant),
        };
        Self { line: line.number, text: line.text, job }
    }
}

impl From<Refused> for LineErrorView {
    fn from(Refused { line, text, invalid }: Refused) -> Self {
        Self { line, text, code: invalid.code, detail: invalid.detail, hint: invalid.hint }
    }
}
