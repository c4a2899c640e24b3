//! Lists of jobs, and counts of them.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use trigrun_core::{
    domain::{
        invalid::Invalid,
        job::{
            JobState,
            order::{JobOrder, Position},
        },
        page::Page,
    },
    store::{
        StoreError,
        jobs::{self, Counts, Filter, MAX_SORTED},
    },
};
use utoipa::{IntoParams, ToSchema};

use super::{filter::JobFilter, view::JobView};
use crate::{
    auth::{Authorized, JobsRead},
    enums,
    extract::query::{PageParameters, Parameters, Query, query},
    problem::Problem,
    result::ApiResult,
    routes::list::ListView,
    state::State,
};

/// How many jobs are counted at most.
const MAX_COUNTED: i64 = 10_000;

query! {
    struct OrderParameter {
        /// How the list is sorted; a minus sign turns the order around. By name in any case. By the next or the last run, jobs without one
        /// come last. By `attention`, active jobs that are failing come first, then those whose secrets do not exist, then those with a run
        /// that has been due for a minute and has not begun, then all others, each by the next run. A workspace with more than 10,000 jobs
        /// cannot be sorted by a run or by attention.
        #[param(value_type = Option<enums::JobOrder>, default = "-created_at")]
        sort: Option<JobOrder> = Parameters::parsed,
    }
}

/// The query of the list: its filters, its order, and which page of it is requested.
pub struct JobsQuery {
    filter: Filter,
    order: JobOrder,
    page: Page<Position>,
    /// The filters and the order as text: a cursor is bound to them.
    filters: String,
}

impl Query for JobsQuery {
    fn take(parameters: &mut Parameters) -> Self {
        let filter = JobFilter::take(parameters).into();
        let order = OrderParameter::take(parameters).sort.unwrap_or_default();
        let page = PageParameters::take(parameters)
            .page(parameters, |cursor, filters| Position::read(cursor, order, filters));
        Self { filter, order, page, filters: parameters.filters().to_owned() }
    }
}

impl IntoParams for JobsQuery {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut parameters = JobFilter::into_params(&place);
        parameters.extend(OrderParameter::into_params(&place));
        parameters.extend(PageParameters::into_params(place));
        parameters
    }
}

/// Lists jobs, newest first unless `sort` says otherwise. The jobs of a list have no `request.body`: GET /v1/jobs/{id} returns it.
#[utoipa::path(
    operation_id = "list_jobs", tag = "jobs",
    params(JobsQuery),
    responses(
        (status = 200, body = ListView<JobView>),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/jobs")]
pub async fn list_jobs(
    state: web::Data<State>,
    auth: Authorized<JobsRead, JobsQuery>,
) -> ApiResult<HttpResponse> {
    let JobsQuery { filter, order, page, filters } = auth.query;
    let mut conn = state.connections.for_list().await?;
    let list = jobs::sorted(&mut conn, auth.workspace, &filter, (order, page), state.clock.now()).await;
    Ok(HttpResponse::Ok().json(ListView::with_cursors(
        list.map_err(not_sorted)?,
        |sorted| sorted.position.clone(),
        |position| position.cursor(&filters),
        |sorted| JobView::without_body(&sorted.job),
    )))
}

fn not_sorted(error: StoreError) -> Problem {
    if !error.is_conflict("too_many_jobs") {
        return error.into();
    }
    let detail = format!("can sort at most {MAX_SORTED} jobs by this, and the workspace has more");
    let hint =
        "Sort by `name` or `created_at`. GET /v1/upcoming lists the next fires, GET /v1/failures what fails.";
    Problem::of_field("?sort", Invalid::new("too_many_jobs", detail).hint(hint))
}

/// How many jobs match, in all and by their states.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = JobCounts)]
pub struct CountsView {
    all: i64,
    active: i64,
    paused: i64,
    draft: i64,
    completed: i64,
    /// The workspace has more than 10,000 jobs: only the newest were counted.
    capped: bool,
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        let mut view = Self { capped: counts.capped, ..Self::default() };
        for (state, jobs) in counts.by_state {
            view.all += jobs;
            *match state {
                JobState::Active => &mut view.active,
                JobState::Paused => &mut view.paused,
                JobState::Draft => &mut view.draft,
                JobState::Completed => &mut view.completed,
            } = jobs;
        }
        view
    }
}

/// Counts jobs by their states, with the filters of the list. Of a workspace with more than 10,000 jobs, the newest are counted.
#[utoipa::path(
    operation_id = "count_jobs", tag = "jobs",
    params(JobFilter),
    responses(
        (status = 200, body = CountsView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/jobs/counts")]
pub async fn count_jobs(
    state: web::Data<State>,
    auth: Authorized<JobsRead, JobFilter>,
) -> ApiResult<HttpResponse> {
    let mut conn = state.connections.for_list().await?;
    let counts = jobs::count(&mut conn, auth.workspace, &auth.query.into(), MAX_COUNTED).await?;
    Ok(HttpResponse::Ok().json(CountsView::from(counts)))
}
