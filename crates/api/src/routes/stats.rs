//! Statistics of ended executions: counts, latenesses and durations, over time.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use trigrun_core::domain::{job::key::JobRef, statistics::StatsBy};

mod collect;
mod source;
mod view;

pub use view::millis;

use crate::{
    auth::{Authorized, ExecutionsRead},
    enums,
    extract::query::{Parameters, query},
    job_refs::resolve_one,
    result::ApiResult,
    state::State,
};
use view::StatsView;

query! {
    pub struct StatsQuery {
        /// The start, RFC 3339, rounded down to a whole step; by default a day before `to`, or less if that has too many steps.
        #[param(value_type = Option<String>, format = DateTime)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// The end, rounded up to a whole step; by default now. There are at most 400 steps.
        #[param(value_type = Option<String>, format = DateTime)]
        to: Option<DateTime<Utc>> = Parameters::instant,
        /// The length of a bucket in seconds: whole minutes that divide a day. Less than 3600 only for the workspace and the last 30 hours, or for
        /// one job.
        #[param(minimum = 60, maximum = 86400, default = 3600)]
        step: Option<i64> = Parameters::number,
        /// The groups that `by` makes, those with most failures first.
        #[param(value_type = Option<enums::StatsBy>)]
        by: Option<StatsBy> = Parameters::parsed,
        /// Executions of this job: its id or key.
        #[param(value_type = Option<String>)]
        job_id: Option<JobRef> = Parameters::parsed,
        /// Executions of jobs that call this host.
        host: Option<String> = Parameters::host_name,
        /// Executions of jobs with this tag.
        tag: Option<String> = Parameters::text,
        /// How many keys are shown at most. Keys and buckets together are at most 25,000.
        #[param(minimum = 1, maximum = 250, default = 50)]
        limit: Option<i64> = Parameters::number,
    }
}

/// Returns statistics of executions that have ended, by the time at which they were due. They are counted some seconds after an execution has
/// been recorded, and hours of jobs and hosts some minutes after: `fresh_until` says how far.
#[utoipa::path(
    operation_id = "get_stats", tag = "executions", params(StatsQuery),
    responses(
        (status = 200, body = StatsView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/stats")]
pub async fn get_stats(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, StatsQuery>,
) -> ApiResult<HttpResponse> {
    let job = resolve_one(&state, auth.workspace, auth.query.job_id.as_ref()).await?;
    let request = auth.query.check(job, state.clock.now())?;
    let collected = collect::collect(&state, auth.workspace, &request).await?;
    Ok(HttpResponse::Ok().json(StatsView::new(&request, collected)))
}
