//! What fails, by cause: the same reason at the same host.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use trigrun_core::{
    domain::statistics::{Cause, CauseJob, FailureState, causes},
    store::statistics::{self, Counting},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, ExecutionsRead},
    enums,
    extract::query::{Parameters, query},
    result::ApiResult,
    state::State,
    time::instant,
};

/// Failures of jobs that one request reads.
const MAX_ROWS: i64 = 10_000;
const MAX_CAUSES: usize = 250;
const DEFAULT_SPAN: TimeDelta = TimeDelta::days(1);

query! {
    pub struct FailuresQuery {
        /// Failures that ended since then, RFC 3339: with `now` by default any, with `all` those of the last day.
        #[param(value_type = Option<String>, format = DateTime)]
        since: Option<DateTime<Utc>> = Parameters::instant,
        /// By default now.
        #[param(value_type = Option<enums::FailureState>)]
        state: Option<FailureState> = Parameters::parsed,
    }
}

/// Failures by cause.
#[derive(Serialize, ToSchema)]
#[schema(as = Failures)]
pub struct FailuresView {
    /// What was recorded before this instant is counted.
    #[schema(format = DateTime)]
    fresh_until: String,
    /// False if there are more than 10,000 failures of jobs or 250 causes: the others are left out.
    is_complete: bool,
    /// Those of most jobs first.
    data: Vec<CauseView>,
}

/// Executions that failed at the same host for the same reason.
#[derive(Serialize, ToSchema)]
#[schema(as = FailureCause)]
pub struct CauseView {
    /// The same as long as host, class and status are.
    #[schema(example = "api.example.com/http_5xx/503")]
    id: String,
    #[schema(example = "api.example.com")]
    host: String,
    #[schema(example = "http_5xx")]
    error_class: String,
    /// Null without a response.
    #[schema(example = 503)]
    status_code: Option<i16>,
    #[schema(example = "api.example.com responds with 503: 12 executions of 3 jobs.")]
    sentence: String,
    #[schema(format = DateTime)]
    first_at: String,
    #[schema(format = DateTime)]
    last_at: String,
    executions: i64,
    jobs_count: usize,
    /// Those with most failures in a row, at most 20.
    jobs: Vec<CauseJobView>,
    /// The last of the executions.
    sample_execution_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FailureJob)]
pub struct CauseJobView {
    id: String,
    name: String,
    /// 0 if its last execution succeeded.
    failures_in_a_row: i64,
    #[schema(format = DateTime)]
    failing_since: Option<String>,
}

/// Lists what fails, by cause: the host that jobs call, the class of the error and the status of the response. With `now`, each job that fails
/// counts with its failures in a row, for the reason of the last of them.
#[utoipa::path(
    operation_id = "get_failures", tag = "executions", params(FailuresQuery),
    responses(
        (status = 200, body = FailuresView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/failures")]
pub async fn get_failures(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, FailuresQuery>,
) -> ApiResult<HttpResponse> {
    let FailuresQuery { since, state: failures } = auth.query;
    let mut conn = state.connections.for_list().await?;
    let fresh_until = instant(statistics::fresh_until(&mut conn, Counting::Minutes).await?);
    let mut failed = match failures.unwrap_or_default() {
        FailureState::Now => statistics::failing_jobs(&mut conn, auth.workspace, MAX_ROWS + 1).await?,
        FailureState::All => {
            let now = state.clock.now();
            let since = since.unwrap_or(now - DEFAULT_SPAN);
            statistics::failures(&mut conn, auth.workspace, (since, now), MAX_ROWS + 1).await?
        }
    };
    drop(conn);
    let max_rows = usize::try_from(MAX_ROWS).unwrap_or(usize::MAX);
    let is_whole = failed.len() <= max_rows;
    failed.truncate(max_rows);
    failed.retain(|failed| since.is_none_or(|since| failed.last_at >= since));
    let mut causes = causes(failed);
    let is_complete = is_whole && causes.len() <= MAX_CAUSES;
    causes.truncate(MAX_CAUSES);
    let data = causes.into_iter().map(CauseView::from).collect();
    Ok(HttpResponse::Ok().json(FailuresView { fresh_until, is_complete, data }))
}

impl From<Cause> for CauseView {
    fn from(cause: Cause) -> Self {
        Self {
            sentence: cause.sentence(),
            id: cause.id,
            host: cause.host,
            error_class: cause.error_class,
            status_code: cause.status_code,
            first_at: instant(cause.first_at),
            last_at: instant(cause.last_at),
            executions: cause.executions,
            jobs_count: cause.jobs_count,
            jobs: cause.jobs.into_iter().map(CauseJobView::from).collect(),
            sample_execution_id: cause.sample.to_string(),
        }
    }
}

impl From<CauseJob> for CauseJobView {
    fn from(job: CauseJob) -> Self {
        let CauseJob { id, name, failures_in_a_row, failing_since } = job;
        Self { id: id.to_string(), name, failures_in_a_row, failing_since: failing_since.map(instant) }
    }
}
