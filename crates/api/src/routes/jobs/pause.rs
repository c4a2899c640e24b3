//! Pauses and resumes a job.

use actix_web::{HttpRequest, HttpResponse, post, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use trigrun_core::domain::{
    invalid::FieldErrors,
    job::{
        JobState,
        pause::{self, PauseTerms},
    },
};
use utoipa::ToSchema;

use super::{
    change::{self, Change, Changed},
    etag::IfMatch,
    job_response,
    view::JobView,
    with_etag,
};
use crate::{
    auth::{Authorized, JobsWrite},
    extract::{
        body::{EmptyBody, OptionalBody},
        depth::depth,
        path::PathJob,
    },
    problem::ProblemBody,
    result::ApiResult,
    state::State,
    time::read_instant,
};

/// Why a job is paused, and until when. Both may be left out, as may the whole body.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PauseInput)]
pub struct PauseBody {
    #[schema(min_length = 1, max_length = 500, example = "The target is being moved.")]
    note: Option<String>,
    /// When the job resumes by itself, RFC 3339, in the future. A fire at this very instant runs.
    #[schema(format = DateTime, example = "2999-01-01T09:00:00Z")]
    until: Option<String>,
}

impl PauseBody {
    /// `None` if the client says nothing.
    fn check(self, now: DateTime<Utc>, mut errors: FieldErrors) -> ApiResult<Option<PauseTerms>> {
        let says_something = self.note.is_some() || self.until.is_some();
        let note = self.note.map(|note| errors.take("/note", pause::note(&note))).transpose();
        let until = |at: String| read_instant(&at).and_then(|at| pause::until(at, now));
        let until = self.until.map(|at| errors.take("/until", until(at))).transpose();
        let terms = (|| Ok(PauseTerms { note: note?, until: until? }))();
        Ok(errors.finish(terms).map(|terms| says_something.then_some(terms))?)
    }
}

/// Pauses a job's schedule, until it is resumed or until an instant. Fires during the pause are not made up. Queued executions continue.
///
/// If the job is paused already, `note` and `until` replace those of the pause; without a body, nothing changes.
#[utoipa::path(
    operation_id = "pause_job", tag = "jobs",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag, or the quoted version, that the request is based on.")),
    request_body(content = Option<PauseBody>, example = json!({ "note": "The target is being moved.", "until": "2999-01-01T09:00:00Z" })),
    responses(
        (status = 200, body = JobView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/{id}/pause")]
pub async fn pause_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    path: PathJob,
    request: HttpRequest,
    OptionalBody(body, errors): OptionalBody<PauseBody>,
) -> ApiResult<HttpResponse> {
    let terms = body.check(state.clock.now(), errors)?;
    let id = path.id(&state, auth.workspace).await?;
    let if_match = IfMatch::of(&request)?;
    // A pause makes nothing due, unless it ends by itself.
    let ends = terms.as_ref().is_some_and(|terms| terms.until.is_some());
    let depth = if ends { depth(&request, auth.workspace)? } else { 0 };
    let (workspace, plan) = (auth.workspace, auth.plan);
    let of = Change { workspace, plan, job: id, if_match, depth, by: auth.by, rules: None };
    Ok(job_response(&change::pause(&state, of, terms).await?.job))
}

/// Resumes a paused job, or activates a draft. Its schedule applies from now on.
#[utoipa::path(
    operation_id = "resume_job", tag = "jobs",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The ETag, or the quoted version, that the request is based on.")),
    responses(
        (status = 200, body = JobView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/{id}/resume")]
pub async fn resume_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite>,
    path: PathJob,
    request: HttpRequest,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let (if_match, depth) = (IfMatch::of(&request)?, depth(&request, auth.workspace)?);
    let (workspace, plan) = (auth.workspace, auth.plan);
    let of = Change { workspace, plan, job: id, if_match, depth, by: auth.by, rules: None };
    let Changed { job, execution, .. } = change::set_state(&state, of, JobState::Active).await?;
    Ok(with_etag(HttpResponse::Ok(), &job).json(JobView::new(&job).with_execution(execution)))
}
