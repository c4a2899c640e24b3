//! A stream of executions as they end, as server-sent events (HTML Living Standard §9.2).

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{CACHE_CONTROL, HeaderName},
    web,
};
use futures_util::stream;
use std::{convert::Infallible, time::Duration};
use trigrun_core::domain::{
    execution::{Execution, Status},
    invalid::Invalid,
    job::key::JobRef,
};

use crate::{
    auth::{Authorized, ExecutionsRead},
    connections, enums,
    extract::query::{Parameters, query},
    job_refs::resolve_one,
    problem::{Problem, ProblemBody},
    result::ApiResult,
    routes::executions::ExecutionView,
    state::State,
    streams::Filter,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks nginx to pass each event on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

query! {
    pub struct StreamQuery {
        /// Executions that ended with one of these statuses, separated by commas.
        #[param(value_type = Option<Vec<enums::ExecutionStatus>>, style = Form, explode = false)]
        status: Vec<Status> = Parameters::each,
        /// Executions of this job: its id or key.
        #[param(value_type = Option<String>)]
        job_id: Option<JobRef> = Parameters::parsed,
        /// After how many seconds the stream ends.
        #[param(value_type = Option<u8>, minimum = 1, maximum = 60, default = 60)]
        seconds: Duration = Parameters::stream_seconds,
    }
}

/// Streams executions as they end, as server-sent events. An event `execution` has an execution as in lists; an event `lost` says how many
/// events (`count`, null if unknown) the client did not get, because it read too slowly or was away for too long.
///
/// A stream ends after a minute at most. To go on without a loss, connect again and send the last id in the header `Last-Event-ID`, as EventSource does. An
/// execution may then come twice. An account can have 16 streams at a time.
#[utoipa::path(
    operation_id = "stream_executions", tag = "executions", params(StreamQuery),
    responses(
        (status = 200, description = "Server-sent events.", body = String, content_type = "text/event-stream"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/stream")]
pub async fn stream_executions(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, StreamQuery>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let StreamQuery { status: statuses, job_id, seconds } = auth.query;
    if !statuses.iter().all(|status| status.is_terminal()) {
        let detail = "must name statuses with which executions end: succeeded, failed, cancelled, skipped";
        return Err(Problem::of_field("?status", Invalid::new("parameter_invalid", detail)));
    }
    let job = resolve_one(&state, auth.workspace, job_id.as_ref()).await?;
    let (filter, account, position) = (Filter { statuses, job }, connections::account(), position(&request)?);
    let open = state.streams.open(account, auth.workspace, filter, position, seconds)?;
    let parts = stream::unfold(open, |mut open| async {
        let part = open.next().await?;
        Some((Ok::<_, Infallible>(part), open))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        .streaming(parts))
}

/// An event of the stream. Its data is one line: JSON escapes line breaks.
pub fn event(execution: &Execution) -> web::Bytes {
    let data = serde_json::to_string(&ExecutionView::new(execution)).unwrap_or_default();
    format!("event: execution\ndata: {data}\n\n").into()
}

fn position(request: &HttpRequest) -> ApiResult<Option<i64>> {
    let Some(given) = request.headers().get(LAST_EVENT_ID) else { return Ok(None) };
    let position = given.to_str().ok().and_then(|text| text.parse().ok()).filter(|position| *position >= 0);
    position.map(Some).ok_or_else(|| {
        let detail = "is not the id of an event: send the last `id` of the stream, or none";
        Problem::of_field("Last-Event-ID", Invalid::new("header_invalid", detail))
    })
}
