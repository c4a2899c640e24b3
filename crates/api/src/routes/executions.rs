//! Executions: what ran, when, and what came of it.

use actix_web::{HttpResponse, get, web};
use trigrun_core::{
    domain::id::{ExecutionId, JobId},
    store::{executions, jobs},
};

mod view;

pub use view::ExecutionView;

use crate::{
    auth::{Allowed, ExecutionsRead},
    extract::{path::PathId, query::Parameters},
    problem::ProblemBody,
    routes::list::ListView,
    state::{Answer, State},
};

/// Lists executions, newest first.
#[utoipa::path(
    operation_id = "list_executions", tag = "executions",
    params(
        ("status" = Option<String>, Query, description = "queued, running, retrying, succeeded, failed, cancelled or skipped"),
        ("source" = Option<String>, Query, description = "schedule, manual, one_time or replay"),
        ("job_id" = Option<String>, Query), ("job_name" = Option<String>, Query, description = "a part of the name, in any case"),
        ("from" = Option<String>, Query, description = "scheduled for this instant or later, RFC 3339"),
        ("to" = Option<String>, Query, description = "scheduled before this instant, RFC 3339"),
        ("limit" = Option<i64>, Query, description = "1 to 250, 50 unless given"), ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = ListView<ExecutionView>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/executions")]
pub async fn list_executions(
    state: web::Data<State>,
    allowed: Allowed<ExecutionsRead>,
    mut parameters: Parameters,
) -> Answer<HttpResponse> {
    let job = parameters.parsed("job_id");
    let filter = filter(&mut parameters, job);
    page_of(&state, &allowed, &filter, parameters).await
}

/// Lists the executions of one job, newest first.
#[utoipa::path(
    operation_id = "list_job_executions", tag = "executions",
    params(
        ("id" = String, Path), ("status" = Option<String>, Query), ("source" = Option<String>, Query),
        ("from" = Option<String>, Query), ("to" = Option<String>, Query),
        ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = ListView<ExecutionView>),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/jobs/{id}/executions")]
pub async fn list_job_executions(
    state: web::Data<State>,
    allowed: Allowed<ExecutionsRead>,
    PathId(job): PathId<JobId>,
    mut parameters: Parameters,
) -> Answer<HttpResponse> {
    let filter = filter(&mut parameters, Some(job));
    jobs::get(&mut *state.conn().await?, allowed.workspace, job, state.clock.now()).await?;
    page_of(&state, &allowed, &filter, parameters).await
}

/// One execution with all its attempts.
#[utoipa::path(
    operation_id = "get_execution", tag = "executions",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ExecutionView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/executions/{id}")]
pub async fn get_execution(
    state: web::Data<State>,
    allowed: Allowed<ExecutionsRead>,
    PathId(id): PathId<ExecutionId>,
) -> Answer<HttpResponse> {
    let execution = executions::get(&mut *state.conn().await?, allowed.workspace, id).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

fn filter(parameters: &mut Parameters, job: Option<JobId>) -> executions::Filter {
    executions::Filter {
        status: parameters.parsed("status"),
        source: parameters.parsed("source"),
        job,
        job_name: parameters.text("job_name"),
        from: parameters.instant("from"),
        to: parameters.instant("to"),
    }
}

async fn page_of(
    state: &State,
    allowed: &Allowed<ExecutionsRead>,
    filter: &executions::Filter,
    mut parameters: Parameters,
) -> Answer<HttpResponse> {
    let page = parameters.page();
    let filters = parameters.finish()?;
    let list = executions::list(&mut *state.conn().await?, allowed.workspace, filter, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, ExecutionView::new)))
}
