//! The last executions of many jobs at once.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use trigrun_core::{
    domain::{id::JobId, job::key::JobRef},
    store::{
        executions::{self, Activity},
        partitions,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, ExecutionsRead},
    enums,
    extract::query::{Parameters, query},
    job_refs::resolve,
    result::ApiResult,
    state::State,
    time::{instant, micros},
};

query! {
    pub struct ActivityQuery {
        /// The ids or keys of the jobs, separated by commas.
        #[param(value_type = Vec<String>, style = Form, explode = false, min_items = 1, max_items = 100)]
        ids: Vec<JobRef> = Parameters::jobs_of_activity,
        /// How many executions of each job to return.
        #[param(value_type = Option<i64>, minimum = 1, maximum = 64, default = 20)]
        runs: i64 = Parameters::runs_of_activity,
    }
}

/// The last executions of jobs.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivityOfJobs)]
pub struct ActivityView {
    /// In the order of `ids`, each job once. Jobs that do not exist are left out.
    data: Vec<JobActivityView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobActivity)]
pub struct JobActivityView {
    job_id: String,
    /// Newest first.
    runs: Vec<RunView>,
}

/// An execution in short.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivityRun)]
pub struct RunView {
    id: String,
    #[schema(format = DateTime)]
    scheduled_for: String,
    #[schema(value_type = enums::ExecutionStatus)]
    status: &'static str,
    /// Milliseconds from the start of the first attempt to the end of the last.
    duration_ms: Option<f64>,
    attempt_count: u16,
}

/// Returns the last executions of up to 100 jobs, newest first, as far as they are kept.
#[utoipa::path(
    operation_id = "get_jobs_activity", tag = "jobs",
    params(ActivityQuery),
    responses(
        (status = 200, body = ActivityView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/jobs/activity")]
pub async fn get_jobs_activity(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, ActivityQuery>,
) -> ApiResult<HttpResponse> {
    let ActivityQuery { ids, runs } = auth.query;
    let jobs = resolve(&state, auth.workspace, &ids).await?;
    let mut conn = state.connections.for_list().await?;
    let kept = (partitions::oldest(&mut conn).await?.unwrap_or_default(), state.clock.now());
    let activity = executions::activity(&mut conn, auth.workspace, &jobs, kept, runs).await?;
    let of_job = |job: &JobId| Some(JobActivityView::new(*job, activity.get(job)?));
    Ok(HttpResponse::Ok().json(ActivityView { data: jobs.iter().filter_map(of_job).collect() }))
}

impl JobActivityView {
    fn new(job: JobId, runs: &[Activity]) -> Self {
        Self { job_id: job.to_string(), runs: runs.iter().map(RunView::from).collect() }
    }
}

impl From<&Activity> for RunView {
    fn from(run: &Activity) -> Self {
        Self {
            id: run.id.to_string(),
            scheduled_for: instant(run.scheduled_for),
            status: run.status.as_str(),
            duration_ms: run.duration_us.map(micros),
            attempt_count: run.attempt_count,
        }
    }
}
