//! Executions: what ran, when, and what came of it.

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use trigrun_core::{
    domain::{
        execution::{Source, Status},
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
    },
    store::{
        executions::{self, NewRun},
        jobs, leases,
    },
    telemetry::trace,
};

mod view;

pub use view::ExecutionView;

use crate::{
    auth::{Authorized, ExecutionsRead, JobsRun},
    extract::{
        key::{REPLAYED, idempotency_key},
        path::PathId,
        query::Parameters,
    },
    problem::{Problem, ProblemBody},
    routes::list::ListView,
    state::{ApiResult, State},
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
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/executions")]
pub async fn list_executions(
    state: web::Data<State>,
    allowed: Authorized<ExecutionsRead>,
    mut parameters: Parameters,
) -> ApiResult<HttpResponse> {
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
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/jobs/{id}/executions")]
pub async fn list_job_executions(
    state: web::Data<State>,
    allowed: Authorized<ExecutionsRead>,
    PathId(job): PathId<JobId>,
    mut parameters: Parameters,
) -> ApiResult<HttpResponse> {
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
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/executions/{id}")]
pub async fn get_execution(
    state: web::Data<State>,
    allowed: Authorized<ExecutionsRead>,
    PathId(id): PathId<ExecutionId>,
) -> ApiResult<HttpResponse> {
    let execution = executions::get(&mut *state.conn().await?, allowed.workspace, id).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

/// Makes the execution's request once more, as the job now defines it.
#[utoipa::path(
    operation_id = "replay_execution", tag = "executions",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "A second replay with the same key answers with the first one's execution.")),
    responses(
        (status = 202, body = ExecutionView, headers(("Location" = String))),
        (status = 200, description = "The execution that this key made before; Idempotent-Replayed: true", body = ExecutionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/executions/{id}/replay")]
pub async fn replay_execution(
    state: web::Data<State>,
    allowed: Authorized<JobsRun>,
    PathId(id): PathId<ExecutionId>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    run(&state, allowed.workspace, Asked::Replay(id), &request).await
}

/// Cancels an execution that has not ended. A request that is on its way is aborted within five seconds.
#[utoipa::path(
    operation_id = "cancel_execution", tag = "executions", params(("id" = String, Path)),
    responses(
        (status = 200, body = ExecutionView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:run"])),
)]
#[post("/executions/{id}/cancel")]
pub async fn cancel_execution(
    state: web::Data<State>,
    allowed: Authorized<JobsRun>,
    PathId(id): PathId<ExecutionId>,
) -> ApiResult<HttpResponse> {
    let workspace = allowed.workspace;
    let ended =
        state.run(async move |state| Ok(leases::cancel(&mut *state.conn().await?, workspace, id).await?));
    match ended.await? {
        // Twice is as good as once.
        None | Some(Status::Cancelled) => {}
        Some(status) => {
            let detail = format!("The execution has ended already: it is {}.", status.as_str());
            return Err(Problem::conflict("execution_ended", &detail));
        }
    }
    state.waker.wake();
    let execution = executions::get(&mut *state.conn().await?, workspace, id).await?;
    Ok(HttpResponse::Ok().json(ExecutionView::with_attempts(&execution)))
}

/// What is to run now.
#[derive(Clone, Copy)]
pub enum Asked {
    Run(JobId),
    Replay(ExecutionId),
}

/// Records an execution, once per idempotency key of the request, and shows it.
pub async fn run(
    state: &State,
    workspace: WorkspaceId,
    asked: Asked,
    request: &HttpRequest,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let key = idempotency_key(request, &mut errors);
    Problem::validation(errors)?;
    // The key comes first: what it has made was allowed then.
    if let Some(made) = made_before(state, workspace, key.as_deref(), asked).await? {
        return shown(state, workspace, made, true).await;
    }
    let (job, source, replay_of) = match asked {
        Asked::Run(job) => (job, Source::Manual, None),
        Asked::Replay(original) => {
            let job = executions::get(&mut *state.conn().await?, workspace, original).await?.job;
            (job, Source::Replay, Some(original))
        }
    };
    state.quotas.run(state, workspace).await?;
    let traceparent = trace::current();
    let recorded = state.run(async move |state| {
        let now = state.clock.now();
        let run = NewRun { source, replay_of, traceparent: traceparent.as_deref(), key: key.as_deref(), now };
        // The connection is given back before another is taken: a hundred that hold one each would wait for each other.
        let inserted = executions::insert_now(&mut *state.conn().await?, workspace, job, run).await;
        match inserted {
            Err(error) if error.is_conflict("draft") => Err(Problem::conflict(
                "job_is_draft",
                "The job is a draft and does nothing until it is activated.",
            )),
            // Another request with the key was faster.
            Err(error) if error.is_conflict("run_keys_pkey") => {
                let made = made_before(&state, workspace, key.as_deref(), asked).await?;
                // Its job was deleted in between.
                Ok((made.ok_or_else(Problem::not_found)?, true))
            }
            inserted => Ok((inserted?, false)),
        }
    });
    let (id, replayed) = recorded.await?;
    state.waker.wake();
    shown(state, workspace, id, replayed).await
}

/// What this key has made already. It is an error when that was something else.
async fn made_before(
    state: &State,
    workspace: WorkspaceId,
    key: Option<&str>,
    asked: Asked,
) -> ApiResult<Option<ExecutionId>> {
    let Some(key) = key else { return Ok(None) };
    let made = executions::find_run(&mut *state.conn().await?, workspace, key).await?;
    let is_same = |made: executions::IdempotentRun| match asked {
        Asked::Run(job) => made.replay_of.is_none() && made.job == job,
        Asked::Replay(original) => made.replay_of == Some(original),
    };
    if made.is_some_and(|made| !is_same(made)) {
        let detail = "The key was used for the run of another job, or the replay of another execution.";
        return Err(Problem::conflict("idempotency_key_reused", detail));
    }
    Ok(made.map(|made| made.execution))
}

async fn shown(
    state: &State,
    workspace: WorkspaceId,
    id: ExecutionId,
    replayed: bool,
) -> ApiResult<HttpResponse> {
    let execution = executions::get(&mut *state.conn().await?, workspace, id).await?;
    let mut response = if replayed { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    if replayed {
        response.insert_header(REPLAYED);
    }
    response.insert_header((header::LOCATION, format!("/v1/executions/{id}")));
    Ok(response.json(ExecutionView::with_attempts(&execution)))
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
    allowed: &Authorized<ExecutionsRead>,
    filter: &executions::Filter,
    mut parameters: Parameters,
) -> ApiResult<HttpResponse> {
    let page = parameters.page();
    let filters = parameters.finish()?;
    let list = executions::list(&mut *state.conn().await?, allowed.workspace, filter, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, ExecutionView::new)))
}
