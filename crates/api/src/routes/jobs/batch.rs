//! Creates many jobs in one transaction, all or none.

use actix_web::{HttpRequest, HttpResponse, post, web};
use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trigrun_core::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::{FieldErrors, Invalid, Violations},
        job::{
            Definition, Job,
            change::{ChangeError, first_fire},
        },
    },
    store::jobs::{self, GroupedJob, NewJob},
    telemetry::trace,
};
use utoipa::ToSchema;

use super::{
    body::JobBody,
    create::{Requested, fresh},
    define::{Context, in_the_past},
    view::JobView,
    warnings::warnings_of_all,
};
use crate::{
    auth::{Authorized, JobsWrite},
    extract::{
        body::{JsonText, digest, required},
        depth::depth,
        json::{MAX_ERRORS, read},
        key::{Earlier, idempotency_key},
    },
    job_writer::PendingJob,
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    state::State,
};

const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
pub const MAX_ITEMS: usize = 1000;

/// Jobs that are created together.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = BatchInput)]
pub struct BatchBody {
    #[schema(required, value_type = Option<Vec<JobBody>>, min_items = 1, max_items = 1000)]
    pub items: Option<Vec<Box<RawValue>>>,
}

/// The jobs that a batch has created.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
pub struct BatchView {
    /// In the order of `items`, without `request.body`. If the key was used before: the jobs of the first batch that still exist.
    created: Vec<JobView>,
    /// What is allowed but may be unintended, such as a reference to a secret that does not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
}

/// Creates up to 1000 jobs, all or none. Each item is a job as `POST /v1/jobs` takes it; errors point into `items`.
///
/// All jobs are created in one transaction: if the connection breaks before the response, either all of them exist or none. The body may have 8 MiB.
#[utoipa::path(
    operation_id = "create_jobs", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeated batch with the same key returns the jobs of the first.")),
    request_body(content = BatchBody, example = json!({ "items": [
        { "name": "report", "kind": "cron", "schedule": { "cron": "30 4 * * *" }, "request": { "url": "https://example.com/report" } },
        { "name": "cleanup", "kind": "recurring", "schedule": { "every_n_minutes": 60 }, "request": { "url": "https://example.com/cleanup" } },
    ] })),
    responses(
        (status = 201, body = BatchView),
        (status = 200, description = "The key was used before; the body has its jobs. Idempotent-Replayed: true", body = BatchView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/batch")]
pub async fn create_jobs(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    request: HttpRequest,
    text: JsonText<MAX_BATCH_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let key = idempotency_key(&request, &mut errors);
    let (depth, token_hash) = (depth(&request, auth.workspace)?, auth.caller.token_hash());
    let (has_key, for_check) = (key.is_some(), state.clone());
    let (checked, digest) = text
        .read_with(move |text| {
            let digest = has_key.then(|| digest(text.as_bytes()));
            Ok((check(text, &for_check, errors), digest))
        })
        .await?;
    let by = Requested { key, digest, depth, token_hash, author: auth.by, plan: auth.plan };
    // The key comes first: the jobs that it created were valid then, even if a run_at has passed since.
    if let Some(response) = created_before(&state, auth.workspace, &by).await? {
        return Ok(response);
    }
    let batch = pending(&state, auth.workspace, checked?, &by)?;
    create(&state, auth.workspace, batch, by).await
}

/// The definitions of all items. Takes long: it belongs on a blocking thread.
fn check(text: &str, state: &State, mut errors: FieldErrors) -> ApiResult<Vec<Definition>> {
    let body: BatchBody = read(text, &mut errors)?;
    let items = required(&mut errors, "/items", body.items).and_then(|items| {
        let count = match items.len() {
            1..=MAX_ITEMS => Ok(items),
            _ => Err(Invalid::new("out_of_range", format!("must have 1 to {MAX_ITEMS} items"))),
        };
        errors.take("/items", count)
    });
    let context = Context { policy: &state.policy, now: state.clock.now(), before: None };
    let mut definitions = Vec::new();
    let mut invalid = 0;
    for (index, item) in items.iter().flatten().enumerate() {
        match define(item.get(), &context) {
            Ok(definition) => definitions.push(definition),
            Err(violations) => {
                for error in violations.into_vec() {
                    invalid += 1;
                    errors.push(format!("/items/{index}{}", error.pointer), error.invalid);
                }
            }
        }
        if invalid >= MAX_ERRORS {
            break;
        }
    }
    Ok(errors.finish(items.map(|_| definitions))?)
}

/// The definition of one item. The pointers of its errors begin in the item.
fn define(text: &str, context: &Context<'_>) -> Result<Definition, Violations> {
    if !text.starts_with('{') {
        // Not a sentence about the body, as `Violations::of` would write for an empty pointer.
        let mut errors = FieldErrors::default();
        let rejected = errors.push("", Invalid::new("wrong_type", "The item must be an object."));
        return errors.finish(Err(rejected));
    }
    let mut errors = FieldErrors::default();
    let mut body: JobBody = read(text, &mut errors)?;
    body.copy();
    let definition = body.define(context, &mut errors);
    errors.finish(definition)
}

fn pending(
    state: &State,
    workspace: WorkspaceId,
    definitions: Vec<Definition>,
    by: &Requested,
) -> ApiResult<Vec<PendingJob>> {
    let mut errors = FieldErrors::default();
    let traceparent = trace::current();
    // The precision that Postgres stores. Read after the check, so that no fire passes during a long one.
    let now = state.clock.now().trunc_subsecs(6);
    let mut batch = Vec::with_capacity(definitions.len());
    for (index, definition) in definitions.into_iter().enumerate() {
        let first_fire = match first_fire(&definition, now, now) {
            Ok(first_fire) => first_fire,
            Err(error) => {
                let (field, invalid) = match error {
                    // It was in the future when the item was checked.
                    ChangeError::RunAtPast => ("/run_at", in_the_past()),
                    error => ("", Invalid::new(error.code(), error.to_string())),
                };
                errors.push(format!("/items/{index}/schedule{field}"), invalid);
                continue;
            }
        };
        batch.push(PendingJob {
            workspace,
            // Ids are a microsecond apart, so that lists show the jobs in the order of their items.
            id: JobId::at(now + TimeDelta::microseconds(index as i64)),
            definition,
            now,
            first_fire,
            traceparent: traceparent.clone(),
            depth: by.depth,
            by: by.author.clone(),
            token_hash: by.token_hash.clone(),
        });
    }
    Ok(errors.finish(Ok(batch))?)
}

async fn create(
    state: &State,
    workspace: WorkspaceId,
    batch: Vec<PendingJob>,
    by: Requested,
) -> ApiResult<HttpResponse> {
    let runs = batch.iter().filter(|job| job.definition.requests_run()).count();
    if let Some(runs) = u32::try_from(runs).ok().filter(|runs| *runs > 0) {
        state.quotas.run(by.plan, workspace, runs).await?;
    }
    let written = state.run(async move |state| {
        let key_of = |index| by.key.as_ref().map(|key| jobs::key_in_group(key, index));
        let keys: Vec<_> = (0..batch.len()).map(key_of).collect();
        let digest = by.digest.as_deref();
        let new: Vec<_> = batch
            .iter()
            .zip(&keys)
            .map(|(job, key)| NewJob {
                idempotency_key: key.as_deref(),
                request_digest: digest,
                ..job.new_job()
            })
            .collect();
        let inserted =
            jobs::insert_group(&mut *state.conn().await?, workspace, by.key.as_deref(), &new, by.plan.jobs())
                .await;
        drop(new);
        match inserted {
            Ok(runs) => Ok((by, Some(batch.into_iter().map(fresh).zip(runs).collect::<Vec<_>>()))),
            // Another request with this key was faster.
            Err(error) if error.is_conflict("group_key") => Ok((by, None)),
            Err(error) => Err(by.not_written(error)),
        }
    });
    let (by, created) = written.await?;
    state.waker.wake();
    let Some(created) = created else {
        let earlier = created_before(state, workspace, &by).await?;
        return earlier.ok_or_else(|| {
            Problem::new(ProblemCode::JobChanges, "The jobs of this key were just deleted; try again.")
        });
    };
    let warnings = warnings_of_all(state, workspace, created.iter().map(|(job, _)| &job.definition.request));
    let warnings = warnings.await?;
    Ok(HttpResponse::Created().json(BatchView { created: views(&created), warnings }))
}

fn views(created: &[(Job, Option<ExecutionId>)]) -> Vec<JobView> {
    created.iter().map(|(job, run)| JobView::without_body(job).with_execution(*run)).collect()
}

/// The response to a key that was used before; `None` if it was not, or if none of its jobs exists any more.
async fn created_before(
    state: &State,
    workspace: WorkspaceId,
    by: &Requested,
) -> ApiResult<Option<HttpResponse>> {
    let Some(key) = &by.key else { return Ok(None) };
    let found = jobs::find_group(&mut *state.conn().await?, workspace, key, state.clock.now()).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let differs = found.iter().any(|GroupedJob { request_digest, .. }| *request_digest != by.digest);
    let mut response = HttpResponse::Ok();
    let warnings = Vec::from_iter(Earlier { differs }.describe(&mut response));
    let created = found.iter().map(|found| JobView::without_body(&found.job)).collect();
    Ok(Some(response.json(BatchView { created, warnings })))
}
