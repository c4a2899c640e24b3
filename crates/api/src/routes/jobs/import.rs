//! A crontab, taken over as jobs: line by line, all of them in one transaction.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use trigrun_core::{
    domain::{crontab::Refused, id::WorkspaceId, invalid::FieldErrors},
    store::jobs::{self, NewJob},
};
use utoipa::ToSchema;

mod lines;

use super::{
    body::{JobBody, RetryBody},
    missing_secrets,
    view::of_missing,
};
use crate::{
    auth::{Authorized, JobsWrite},
    extract::{
        body::{JsonText, each_once, object, read},
        key::{REPLAYED, idempotency_key},
    },
    problem::{Problem, ProblemBody},
    state::{ApiResult, State},
    time::instant,
};
use lines::{Import, Line};

/// A crontab whose lines are an expression and the URL to call, and what its jobs have in common.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ImportInput)]
pub struct ImportBody {
    /// At most 1000 lines with a job, beside comments and blank lines. `CRON_TZ=` sets the zone of the lines after it.
    #[schema(
        required,
        example = "# reports\n0 9 * * MON-FRI https://example.com/report\n@daily https://example.com/tidy"
    )]
    crontab: Option<String>,
    /// Called by the lines without a URL.
    default_url: Option<String>,
    /// The zone of the lines before the first `CRON_TZ=`: an IANA name.
    #[schema(default = "UTC", example = "Europe/Berlin")]
    timezone: Option<String>,
    /// active, paused or draft.
    #[schema(default = "active")]
    state: Option<String>,
    #[serde(deserialize_with = "object")]
    request: Option<ImportRequestBody>,
    #[serde(deserialize_with = "object")]
    retry_policy: Option<RetryBody>,
    /// Create nothing when there is an error in any line, and answer 422 with the errors at `/crontab/<line>`.
    #[schema(default = false)]
    atomic: Option<bool>,
    /// Create nothing, and show what would be created.
    #[schema(default = false)]
    dry_run: Option<bool>,
}

/// What every line sends to its URL, and how the answers are judged: as in a job.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ImportRequest)]
pub struct ImportRequestBody {
    /// Known here only to say where it belongs.
    #[schema(ignore)]
    url: Option<Box<RawValue>>,
    /// GET, POST, PUT, PATCH or DELETE.
    #[schema(default = "GET")]
    method: Option<String>,
    /// At most 64 and 16 KiB together.
    #[serde(deserialize_with = "each_once")]
    headers: Option<BTreeMap<String, String>>,
    /// At most 256 KiB; with the headers, 8 MiB over all jobs of the import.
    #[schema(value_type = Value)]
    body: Option<Box<RawValue>>,
    /// 1 to 300.
    #[schema(default = 30)]
    timeout_seconds: Option<i64>,
    #[schema(default = json!([200, 201, 202, 204]))]
    success_statuses: Option<Vec<i64>>,
}

/// What became of each line that asks for something: a job, or an error.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
pub struct ImportView {
    /// In a dry run, what would have been created.
    created: Vec<ImportedView>,
    errors: Vec<LineErrorView>,
    /// What is allowed and yet may not be what was meant, such as a secret that does not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    dry_run: bool,
}

/// A line, and the job made of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Imported)]
pub struct ImportedView {
    /// Counted from 1.
    line: usize,
    #[schema(example = "0 9 * * MON-FRI https://example.com/report")]
    text: String,
    job: ImportedJobView,
}

/// A job as it was created, or in a dry run as it would be: then it has no id.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportedJob)]
pub struct ImportedJobView {
    id: Option<String>,
    #[serde(flatten)]
    body: JobBody,
    /// Null unless the job is active.
    next_run_at: Option<String>,
}

/// A line that no job was made of, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = LineError)]
pub struct LineErrorView {
    /// Counted from 1.
    line: usize,
    /// The line, or the beginning of a very long one.
    #[schema(example = "@reboot https://example.com/start")]
    text: String,
    #[schema(example = "cron_reboot")]
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    hint: Option<String>,
}

/// Creates a job of kind cron for each line of a crontab.
///
/// A line that cannot be a job is reported, and does not keep the others from being created unless `atomic` is set. What is
/// created is created together: a client that receives nothing will find all of it or none.
#[utoipa::path(
    operation_id = "import_jobs", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "A second import with the same key answers with the first one's jobs.")),
    request_body = ImportBody,
    responses(
        (status = 201, description = "Jobs were created", body = ImportView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 200, description = "Nothing was created: a dry run, no line that can be a job, or, with Idempotent-Replayed: true, the jobs that this key made before", body = ImportView),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/import")]
pub async fn import_jobs(
    state: web::Data<State>,
    allowed: Authorized<JobsWrite>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: ImportBody = read(text.object()?, &mut errors)?;
    let key = idempotency_key(&request, &mut errors);
    let judge = {
        let state = state.clone();
        move || body.judge(&state, errors)
    };
    let import = web::block(judge).await.map_err(|_| Problem::internal())??;
    let warnings = warnings(&state, allowed.workspace, &import).await?;
    if import.dry_run || import.lines.is_empty() {
        return Ok(HttpResponse::Ok().json(ImportView::of(import, warnings)));
    }
    let (import, replayed) = create(&state, allowed.workspace, import, key).await?;
    let mut response = if replayed { HttpResponse::Ok() } else { HttpResponse::Created() };
    if replayed {
        response.insert_header(REPLAYED);
    }
    Ok(response.json(ImportView::of(import, warnings)))
}

/// The jobs differ in nothing that could name a secret: one speaks for all.
async fn warnings(state: &State, workspace: WorkspaceId, import: &Import) -> ApiResult<Vec<String>> {
    let Some(line) = import.lines.first() else { return Ok(Vec::new()) };
    Ok(of_missing(&missing_secrets(state, workspace, &line.definition.request).await?))
}

/// Creates them all; or, when the key was used before, finds what it made then, and says so.
async fn create(
    state: &State,
    workspace: WorkspaceId,
    mut import: Import,
    key: Option<String>,
) -> ApiResult<(Import, bool)> {
    let plan = state.quotas.plan(state, workspace).await?;
    if let Some(key) = key {
        import.lines.iter_mut().for_each(|line| line.key = Some(key_of_line(&key, line.number)));
    }
    let created = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let all: Vec<NewJob<'_>> = import.lines.iter().map(|line| line.new_job(import.now)).collect();
        match jobs::insert_all(&mut conn, workspace, &all, plan.jobs()).await {
            Ok(()) => Ok((import, false)),
            Err(error) if error.is_conflict("jobs_idempotency_key") => {
                let keys: Vec<&str> = import.lines.iter().filter_map(|line| line.key.as_deref()).collect();
                let made = jobs::find_by_idempotency_keys(&mut conn, workspace, &keys).await?;
                let import = import.made_before(&made).ok_or_else(|| {
                    let detail = "This key has made other jobs than these, or some of them are deleted. Give another crontab another key.";
                    Problem::conflict("idempotency_key_reused", detail)
                })?;
                Ok((import, true))
            }
            Err(error) => Err(plan.refused(error)),
        }
    });
    let (import, replayed) = created.await?;
    state.waker.wake();
    Ok((import, replayed))
}

/// No header could hold it: it is no key of a job that was created by itself.
fn key_of_line(key: &str, line: usize) -> String {
    format!("{key}\u{1f}{line}")
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
