//! The hosts that jobs call.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::TimeDelta;
use serde::Serialize;
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        forecast::fires_by_host,
        schedule::MinuteSpan,
        statistics::{Sums, bucket},
    },
    store::{
        jobs::{self, CalledHost},
        statistics,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, JobsRead},
    result::ApiResult,
    routes::{
        forecast::{Loaded, Selection, load},
        stats::millis,
    },
    state::State,
};

const MAX_HOSTS: i64 = 250;
/// Jobs that are counted.
const MAX_JOBS: i64 = 100_000;
/// Hours of hosts that are added up.
const MAX_ROWS: i64 = 100_000;
const PAST: TimeDelta = TimeDelta::days(7);

/// The hosts that jobs call.
#[derive(Serialize, ToSchema)]
#[schema(as = Hosts)]
pub struct HostsView {
    /// False if there are more than 250 hosts, 100,000 jobs or 100,000 hours with an execution: the others are left out.
    is_complete: bool,
    /// Those that most jobs call first.
    data: Vec<HostView>,
}

/// A host, and what its jobs did.
#[derive(Serialize, ToSchema)]
#[schema(as = Host)]
pub struct HostView {
    #[schema(example = "api.example.com")]
    host: String,
    #[schema(example = 12)]
    jobs: i64,
    active: i64,
    /// Jobs whose last execution failed.
    failing: i64,
    /// Executions that were due in the last seven days. They are counted some minutes after they have ended.
    succeeded_7d: i64,
    failed_7d: i64,
    /// What 95 % of these executions did not exceed, in milliseconds; null without one.
    #[schema(example = 310.5)]
    p95_ms: Option<f64>,
    /// Fires of the next 60 minutes.
    next_hour: u64,
}

/// Lists the hosts that jobs call, with their jobs, the results of the last seven days and the fires of the next hour.
#[utoipa::path(
    operation_id = "get_hosts", tag = "jobs",
    responses(
        (status = 200, body = HostsView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/hosts")]
pub async fn get_hosts(
    state: web::Data<State>,
    auth: Authorized<JobsRead>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let (now, workspace) = (state.clock.now(), auth.workspace);
    let mut conn = state.connections.for_list().await?;
    let mut called = jobs::called_hosts(&mut conn, workspace, MAX_JOBS, MAX_HOSTS + 1).await?;
    let mut past: HashMap<String, Sums> = HashMap::new();
    let span = (bucket(now - PAST, 3600), now);
    let read = statistics::hosts(&mut conn, workspace, span, None, MAX_ROWS + 1, |(host, _, sums)| {
        past.entry(host).or_default().merge(&sums);
    })
    .await?;
    drop(conn);
    let Loaded { timers, is_complete, held: _held } =
        load(&state, workspace, request.headers(), &Selection::default()).await?;
    let next = move || fires_by_host(timers, MinuteSpan::new(now, now + TimeDelta::hours(1)));
    let next = state.capacity.compute(request.headers(), next).await?;
    let max_hosts = usize::try_from(MAX_HOSTS).unwrap_or(usize::MAX);
    let is_complete = is_complete && called.len() <= max_hosts && read <= MAX_ROWS;
    called.truncate(max_hosts);
    let view = |called: CalledHost| {
        let next_hour = next.get(&called.host).copied().unwrap_or(0);
        HostView::new(past.remove(&called.host).unwrap_or_default(), next_hour, called)
    };
    Ok(HttpResponse::Ok().json(HostsView { is_complete, data: called.into_iter().map(view).collect() }))
}

impl HostView {
    fn new(past: Sums, next_hour: u64, called: CalledHost) -> Self {
        let CalledHost { host, jobs, active, failing } = called;
        Self {
            host,
            jobs,
            active,
            failing,
            succeeded_7d: past.succeeded,
            failed_7d: past.failed,
            p95_ms: past.duration.quantile_us(0.95).map(millis),
            next_hour,
        }
    }
}
