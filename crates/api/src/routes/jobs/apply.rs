//! Applies a stack: makes its jobs what the request says, and returns what that changes.

use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::Serialize;
use trigrun_core::domain::{access::Scope, job::Prune};
use utoipa::ToSchema;

pub mod body;
pub mod notify;
mod plan;
mod write;

use body::{ApplyBody, Wanted};
use plan::Plan;
use write::{Application, orphan_view};

use super::{create::Requested, put::ChangeView};
use crate::{
    auth::{Authorized, JobsWrite},
    extract::{
        body::JsonText,
        depth::depth,
        query::{Parameters, query},
    },
    problem::ProblemBody,
    result::ApiResult,
    state::State,
};

/// Of a thousand jobs of a few kilobytes each.
const MAX_BYTES: usize = 4 * 1024 * 1024;

query! {
    pub struct ApplyQuery {
        /// `true` also lists the jobs that do not change.
        #[param(required = false)]
        pub all: bool = Parameters::flag,
    }
}

/// What an application does, or would do.
#[derive(Serialize, ToSchema)]
#[schema(as = Application)]
pub struct ApplyView {
    stack: String,
    dry_run: bool,
    summary: SummaryView,
    /// Created jobs, then changed ones, then those of the stack that were not sent. Unchanged jobs only with `?all=true`.
    changes: Vec<ChangeView>,
    /// The keys of jobs that stay paused, because the request does not name their state.
    paused: Vec<String>,
}

/// How many jobs each action concerns.
#[derive(Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = ApplicationSummary)]
pub struct SummaryView {
    create: usize,
    update: usize,
    pause: usize,
    delete: usize,
    orphan: usize,
    unchanged: usize,
    /// Jobs whose `problem` says why nothing was done. Apply the stack again.
    failed: usize,
}

impl SummaryView {
    fn of(changes: &[ChangeView], unchanged: usize) -> Self {
        let mut summary = Self { unchanged, ..Self::default() };
        for change in changes {
            let count = match (change.problem.is_some(), change.action) {
                (true, _) => &mut summary.failed,
                (false, "create") => &mut summary.create,
                (false, "update") => &mut summary.update,
                (false, "pause") => &mut summary.pause,
                (false, "delete") => &mut summary.delete,
                (false, _) => &mut summary.orphan,
            };
            *count += 1;
        }
        summary
    }
}

/// Makes the jobs of a stack what the request says: creates, changes, and, with `prune`, pauses or deletes. The body may have 4 MiB.
///
/// A job that already is as it is sent stays as it is, so the request can be repeated. One invalid job means that nothing changes. Jobs of other
/// stacks, and those of none, are never changed or deleted unless `take_over` or `adopt` says so. A request with `notify` also needs the scope
/// `notifications:write`.
#[utoipa::path(
    operation_id = "apply_jobs", tag = "jobs",
    params(ApplyQuery),
    request_body(content = ApplyBody, example = json!({
        "stack": "web-prod",
        "jobs": { "nightly-report": {
            "schedule": { "cron": "30 4 * * *", "timezone": "Europe/Berlin" }, "request": { "url": "https://example.com/report" },
            "notify": [{ "channel": "on-call", "event": "on_failure", "after_failures": 3 }],
        } },
        "prune": "delete", "dry_run": true,
    })),
    responses(
        (status = 200, body = ApplyView),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[post("/jobs/apply")]
pub async fn apply_jobs(
    state: web::Data<State>,
    auth: Authorized<JobsWrite, ApplyQuery>,
    request: HttpRequest,
    text: JsonText<MAX_BYTES>,
) -> ApiResult<HttpResponse> {
    let (depth, token_hash) = (depth(&request, auth.workspace)?, auth.caller.token_hash());
    let wanted = text.read_with(|text| Ok(Wanted::read(text)?)).await?;
    if wanted.notifies() {
        auth.caller.check_scope(Scope::NotificationsWrite)?;
    }
    let (mut plan, wanted) = plan::plan(&state, auth.workspace, request.headers(), wanted).await?;
    let (unchanged, paused) = (std::mem::take(&mut plan.unchanged), std::mem::take(&mut plan.paused));
    let mut changes = if wanted.dry_run {
        plan.views()
    } else {
        let author = auth.by;
        let by = Requested { key: None, digest: None, depth, token_hash, author, plan: auth.plan };
        Application { state: &state, workspace: auth.workspace, wanted: &wanted, by }.carry_out(plan).await?
    };
    let summary = SummaryView::of(&changes, unchanged.len());
    changes.extend(unchanged.into_iter().filter(|_| auth.query.all));
    let Wanted { stack, dry_run, .. } = wanted;
    Ok(HttpResponse::Ok().json(ApplyView { stack, dry_run, summary, changes, paused }))
}

impl Plan {
    /// What would be done.
    fn views(self) -> Vec<ChangeView> {
        let action = match self.prune {
            Prune::Keep => "orphan",
            Prune::Pause => "pause",
            Prune::Delete => "delete",
        };
        let mut views: Vec<_> = self.creations.into_iter().map(|creation| creation.view).collect();
        views.extend(self.changes.into_iter().map(|change| change.view));
        views.extend(self.orphans.iter().map(|orphan| orphan_view(orphan, action)));
        views
    }
}
