//! The next fires of all jobs, in order.

use actix_web::{HttpRequest, HttpResponse, get, http::header::HeaderMap, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        invalid::{FieldErrors, both},
        job::key::JobRef,
        page,
        timer::Timer,
        upcoming::{Position, Upcoming, merge},
    },
    store::{
        jobs::{self, Brief},
        secrets, timers,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, JobsRead},
    extract::query::{Parameters, query},
    job_refs::resolve_one,
    result::ApiResult,
    routes::{
        forecast::{Loaded, Selection, load},
        jobs::secret_missing,
        list::ListView,
    },
    state::State,
    time::instant,
};

query! {
    pub struct UpcomingQuery {
        /// The maximum number of items on the page.
        #[param(minimum = 1, maximum = 250, default = 50)]
        limit: Option<i64> = Parameters::number,
        /// `next_cursor` of the previous page. The filters must be the same.
        cursor: Option<String> = Parameters::text,
        /// Fires before this instant, RFC 3339.
        #[param(value_type = Option<String>, format = DateTime)]
        to: Option<DateTime<Utc>> = Parameters::instant,
        /// Fires of the job with this id or key.
        #[param(value_type = Option<String>)]
        job_id: Option<JobRef> = Parameters::parsed,
        /// Fires of jobs that call this host.
        host: Option<String> = Parameters::host_name,
        /// Fires of jobs with this tag.
        tag: Option<String> = Parameters::text,
    }
}

/// A fire that a job will have, if nothing changes.
#[derive(Serialize, ToSchema)]
#[schema(as = Upcoming)]
pub struct UpcomingView {
    #[schema(format = DateTime, example = "2026-12-01T03:30:00.000Z")]
    at: String,
    /// The same instant in the job's time zone.
    #[schema(format = DateTime, example = "2026-12-01T04:30:00+01:00")]
    local: String,
    job_id: String,
    job_name: String,
    #[schema(example = "example.com")]
    host: String,
    /// How a clock change affects this fire.
    note: Option<String>,
    /// Null unless it is known today that the run will fail.
    will_fail: Option<WillFailView>,
}

/// Why a run will fail.
#[derive(Serialize, ToSchema)]
#[schema(as = WillFail)]
pub struct WillFailView {
    /// The error class that the execution would have.
    #[schema(example = "secret_missing")]
    code: &'static str,
    detail: String,
}

/// Lists the next fires of all active jobs, soonest first. A fire is an execution, and no longer in this list, up to two seconds before it is
/// due. In a workspace with more than 100,000 jobs, the newest have no fires here.
#[utoipa::path(
    operation_id = "list_upcoming", tag = "schedules", params(UpcomingQuery),
    responses(
        (status = 200, body = ListView<UpcomingView>),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/upcoming")]
pub async fn list_upcoming(
    state: web::Data<State>,
    auth: Authorized<JobsRead, UpcomingQuery>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let UpcomingPage { limit, after, filters } = auth.query.page(state.clock.now())?;
    let to = auth.query.to;
    let Loaded { timers, held: _held, .. } =
        auth.query.timers(&state, auth.workspace, request.headers()).await?;
    // The next fires of thousands of jobs: it runs on a blocking thread. One more than the page shows that there is another.
    let merge = move || (merge(&timers, after, to, limit + 1), timers);
    let (mut fires, timers) = state.capacity.compute(request.headers(), merge).await?;
    let has_more = fires.len() > limit;
    fires.truncate(limit);
    let last = fires.last().filter(|_| has_more);
    let last = last.map(|last| Position { at: last.fire.at, job: timers[last.timer].job });
    let next_cursor = last.map(|last| last.cursor(&filters));
    let data = views(&state, auth.workspace, fires, &timers).await?;
    Ok(HttpResponse::Ok().json(ListView { data, next_cursor, has_more }))
}

struct UpcomingPage {
    limit: usize,
    after: Position,
    filters: String,
}

impl UpcomingQuery {
    fn page(&self, now: DateTime<Utc>) -> ApiResult<UpcomingPage> {
        let Self { limit, cursor, to, job_id, host, tag } = self;
        let (mut errors, filters) =
            (FieldErrors::default(), format!("{to:?}\n{job_id:?}\n{host:?}\n{tag:?}"));
        let limit =
            errors.take("?limit", page::limit(*limit)).map(|limit| usize::try_from(limit).unwrap_or(0));
        let after = match cursor {
            Some(cursor) => errors.take("?cursor", Position::read(cursor, &filters)),
            None => Ok(Position::before(now)),
        };
        let (limit, after) = errors.finish(both(limit, after))?;
        Ok(UpcomingPage { limit, after, filters })
    }

    async fn timers(self, state: &State, workspace: WorkspaceId, headers: &HeaderMap) -> ApiResult<Loaded> {
        let Self { job_id, host, tag, .. } = self;
        let Some(job) = resolve_one(state, workspace, job_id.as_ref()).await? else {
            return load(state, workspace, headers, &Selection { host, tag }).await;
        };
        let mut conn = state.connections.for_list().await?;
        let timer = timers::active_job(&mut conn, workspace, job, tag.as_deref()).await?;
        let timers = timer.filter(|timer| host.is_none_or(|host| host == timer.host)).into_iter().collect();
        Ok(Loaded { timers, is_complete: true, held: Vec::new() })
    }
}

async fn views(
    state: &State,
    workspace: WorkspaceId,
    fires: Vec<Upcoming>,
    timers: &[Timer],
) -> ApiResult<Vec<UpcomingView>> {
    let jobs: HashSet<JobId> = fires.iter().map(|next| timers[next.timer].job).collect();
    let jobs: Vec<JobId> = jobs.into_iter().collect();
    let mut conn = state.connections.for_list().await?;
    let briefs = jobs::brief(&mut conn, workspace, &jobs).await?;
    let named: BTreeSet<&String> = briefs.values().flat_map(|brief| &brief.secrets).collect();
    let named: Vec<String> = named.into_iter().cloned().collect();
    let missing = secrets::missing(&mut conn, workspace, &named).await?;
    Ok(fires.into_iter().filter_map(|next| UpcomingView::new(next, timers, &briefs, &missing)).collect())
}

impl UpcomingView {
    /// `None` if the job has been deleted meanwhile.
    fn new(
        next: Upcoming,
        timers: &[Timer],
        briefs: &HashMap<JobId, Brief>,
        missing: &[String],
    ) -> Option<Self> {
        let (timer, fire) = (&timers[next.timer], next.fire);
        let brief = briefs.get(&timer.job)?;
        let missing = brief.secrets.iter().find(|secret| missing.contains(secret));
        Some(Self {
            at: instant(fire.at),
            local: fire.local,
            job_id: timer.job.to_string(),
            job_name: brief.name.clone(),
            host: timer.host.clone(),
            note: fire.note,
            will_fail: missing
                .map(|name| WillFailView { code: "secret_missing", detail: secret_missing(name) }),
        })
    }
}
