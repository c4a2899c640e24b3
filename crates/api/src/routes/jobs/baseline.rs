//! How long the requests of a job normally take.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use trigrun_core::{
    domain::{
        baseline::{Baseline, Percentiles},
        id::ExecutionId,
    },
    store::{executions, jobs},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, ExecutionsRead},
    extract::{
        path::PathJob,
        query::{Parameters, query},
    },
    result::ApiResult,
    state::State,
    time::millis,
};

query! {
    pub struct BaselineQuery {
        /// The execution to compare: only those that were due before it count. By default all.
        #[param(value_type = Option<String>)]
        before: Option<ExecutionId> = Parameters::parsed,
        /// The number of executions.
        #[param(value_type = Option<u8>, minimum = 1, maximum = 250, default = 50)]
        runs: i64 = Parameters::runs,
    }
}

/// The percentiles of the phases of a job's requests, from the last executions that succeeded. A phase is null if none of them had it.
#[derive(Serialize, ToSchema)]
#[schema(as = Baseline)]
pub struct BaselineView {
    /// The number of executions that were found, of the last 2,000 of the job.
    #[schema(example = 50)]
    runs: usize,
    dns_ms: Option<PercentilesView>,
    connect_ms: Option<PercentilesView>,
    tls_ms: Option<PercentilesView>,
    first_byte_ms: Option<PercentilesView>,
    body_ms: Option<PercentilesView>,
    total_ms: Option<PercentilesView>,
}

/// Milliseconds that half of the executions did not exceed, and 95 % of them.
#[derive(Serialize, ToSchema)]
#[schema(as = Percentiles)]
pub struct PercentilesView {
    #[schema(example = 12.5)]
    p50: f64,
    #[schema(example = 40.0)]
    p95: f64,
}

/// Returns how long the phases of a job's requests normally take.
#[utoipa::path(
    operation_id = "get_job_baseline", tag = "jobs",
    params(("id" = String, Path), BaselineQuery),
    responses(
        (status = 200, body = BaselineView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/jobs/{id}/baseline")]
pub async fn get_job_baseline(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, BaselineQuery>,
    path: PathJob,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let BaselineQuery { before, runs } = auth.query;
    jobs::get(&mut *state.conn().await?, auth.workspace, id, state.clock.now()).await?;
    let mut conn = state.connections.for_list().await?;
    let phases = executions::phases(&mut conn, auth.workspace, id, before, runs).await?;
    Ok(HttpResponse::Ok().json(BaselineView::from(Baseline::of(&phases))))
}

impl From<Baseline> for BaselineView {
    fn from(baseline: Baseline) -> Self {
        let view = |phase: Option<Percentiles>| phase.map(PercentilesView::from);
        Self {
            runs: baseline.runs,
            dns_ms: view(baseline.dns),
            connect_ms: view(baseline.connect),
            tls_ms: view(baseline.tls),
            first_byte_ms: view(baseline.first_byte),
            body_ms: view(baseline.body),
            total_ms: view(baseline.total),
        }
    }
}

impl From<Percentiles> for PercentilesView {
    fn from(Percentiles { p50, p95 }: Percentiles) -> Self {
        Self { p50: millis(p50), p95: millis(p95) }
    }
}
