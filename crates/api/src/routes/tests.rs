//! Tests: requests that are sent once, to try them before they are saved.

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use trigrun_core::{
    domain::{
        access::Scope,
        id::{ExecutionId, TestId, WorkspaceId},
        invalid::{FieldErrors, Invalid},
        job::key::JobRef,
        request_test::{RequestTest, TestStatus},
    },
    store::{
        jobs,
        request_tests::{self, NewTest},
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, JobsWrite},
    enums,
    extract::{
        body::{JsonText, required},
        depth::depth,
        path::PathId,
        query::Wait,
    },
    job_refs::resolve_one,
    problem::ProblemBody,
    result::ApiResult,
    routes::{
        executions::{AttemptView, request::SentRequestView},
        jobs::body::RequestBody,
    },
    state::State,
    time::instant,
};

/// A request to try.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TestInput)]
pub struct TestBody {
    #[schema(required)]
    pub request: Option<RequestBody>,
    /// The id or key of the job that the request names as its job, in headers and variables. By default it names the test.
    #[schema(example = "nightly-report")]
    pub job_id: Option<String>,
}

/// A request that is sent once, to try it. It is kept for an hour, or until the workspace has made 100 newer ones.
#[derive(Serialize, ToSchema)]
#[schema(as = Test)]
pub struct TestView {
    #[schema(example = "tst_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    #[schema(value_type = enums::TestStatus)]
    status: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    /// Why the test failed, in a sentence.
    error: Option<String>,
    /// Null until it has ended.
    attempt: Option<AttemptView>,
    request: SentRequestView,
}

/// Sends a request once, now, to try it: by an executor, signed and guarded like that of a job, without retries.
///
/// Each workspace has 10 tests a minute.
#[utoipa::path(
    operation_id = "create_test", tag = "tests", params(Wait),
    request_body = TestBody,
    responses(
        (status = 202, body = TestView, headers(("Location" = String))),
        (status = 404, description = "There is no job with this id or key.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write", "jobs:run"])),
)]
#[post("/tests")]
pub async fn create_test(
    state: web::Data<State>,
    auth: Authorized<JobsWrite, Wait>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    auth.caller.check_scope(Scope::JobsRun)?;
    let workspace = auth.workspace;
    let mut errors = FieldErrors::default();
    let TestBody { request: wanted, job_id } = text.read(&mut errors).await?;
    let wanted = required(&mut errors, "/request", wanted)
        .and_then(|request| request.define(&state.policy, &mut errors));
    let job = job(&mut errors, job_id.as_deref());
    let wanted = errors.finish(wanted)?;
    let depth = depth(&request, workspace)?;
    let job = resolve_one(&state, workspace, job.as_ref()).await?;
    if let Some(job) = job {
        jobs::get(&mut *state.conn().await?, workspace, job, state.clock.now()).await?;
    }
    state.limits.test_request(&workspace.to_string()).await?;
    state.quotas.run(auth.plan, workspace, 1).await?;
    let now = state.clock.now();
    let id = TestId::at(now);
    let inserted = state.run(async move |state| {
        let new = NewTest { id, job, created_at: now, depth, request: &wanted };
        Ok(request_tests::insert(&mut *state.conn().await?, workspace, &new).await?)
    });
    inserted.await?;
    let test = read(&state, workspace, id, auth.query.wait).await?;
    let location = (header::LOCATION, format!("/v1/tests/{id}"));
    Ok(HttpResponse::Accepted().insert_header(location).json(TestView::new(&state, &test)))
}

/// Returns a test, at once or when it has ended.
#[utoipa::path(
    operation_id = "get_test", tag = "tests",
    params(("id" = String, Path), Wait),
    responses(
        (status = 200, body = TestView),
    ),
    security(("token" = ["jobs:write"])),
)]
#[get("/tests/{id}")]
pub async fn get_test(
    state: web::Data<State>,
    auth: Authorized<JobsWrite, Wait>,
    PathId(id): PathId<TestId>,
) -> ApiResult<HttpResponse> {
    let test = read(&state, auth.workspace, id, auth.query.wait).await?;
    Ok(HttpResponse::Ok().json(TestView::new(&state, &test)))
}

fn job(errors: &mut FieldErrors, given: Option<&str>) -> Option<JobRef> {
    let parsed: Result<Option<JobRef>, Invalid> = given.map(str::parse).transpose();
    errors.take("/job_id", parsed).ok().flatten()
}

/// The test: when it has ended, or as it is after this time.
async fn read(state: &State, workspace: WorkspaceId, id: TestId, wait: Duration) -> ApiResult<RequestTest> {
    let test = request_tests::get(&mut *state.conn().await?, workspace, id).await?;
    let (status, _) = test.status(state.clock.now());
    if wait.is_zero() || matches!(status, TestStatus::Succeeded | TestStatus::Failed) {
        return Ok(test);
    }
    // Its request names it so.
    state.waiting.until_ended(ExecutionId::from_uuid(id.uuid()), wait).await;
    Ok(request_tests::get(&mut *state.conn().await?, workspace, id).await?)
}

impl TestView {
    fn new(state: &State, test: &RequestTest) -> Self {
        let (status, error) = test.status(state.clock.now());
        Self {
            id: test.id.to_string(),
            status: status.as_str(),
            created_at: instant(test.created_at),
            error: error.map(str::to_owned),
            attempt: test.attempt.as_ref().map(AttemptView::from),
            request: SentRequestView::new(&test.sent, test.sent.request(&state.policy)),
        }
    }
}
