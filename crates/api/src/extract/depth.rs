//! The header `TrigRun-Depth`: a request that comes from a run of TrigRun itself says how deep in a chain of runs it is.

use actix_web::HttpRequest;
use trigrun_core::{
    domain::{
        chain::{self, Depth},
        id::WorkspaceId,
    },
    telemetry::metrics,
};

use crate::{
    problem::{Problem, ProblemCode},
    result::ApiResult,
};

/// The depth of what this request makes due; 508 if it is too deep.
pub fn depth(request: &HttpRequest, workspace: WorkspaceId) -> ApiResult<Depth> {
    let depth = chain::read(request.headers().get_all(chain::DEPTH_HEADER).map(|value| value.to_str().ok()));
    if depth <= chain::MAX_DEPTH {
        return Ok(depth);
    }
    let execution = request.headers().get("trigrun-execution-id").and_then(|value| value.to_str().ok());
    let execution = execution.filter(|id| id.len() <= 64);
    tracing::warn!(%workspace, depth, execution, "loop detected");
    metrics::loop_detected();
    Err(Problem::new(
        ProblemCode::LoopDetected,
        format!(
            "This request comes from a chain of more than {} runs that each made the next one due. A run cannot do that endlessly; let it end here, or start runs from outside.",
            chain::MAX_DEPTH
        ),
    ))
}
