//! The request of an attempt, as it was sent.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use trigrun_core::{
    domain::{
        id::ExecutionId,
        sent_request::{LEFT_OUT, SentAttempt, SentHeader, SentRequest},
    },
    store::{StoreError, sent},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, JobsRead},
    enums,
    extract::{
        path::PathId,
        query::{Parameters, query},
    },
    result::ApiResult,
    sought,
    state::State,
};

query! {
    pub struct AttemptQuery {
        /// The number of the attempt; by default the last one.
        #[param(minimum = 1, maximum = 32767)]
        attempt: Option<u16> = Parameters::attempt,
    }
}

/// The request of an attempt. TrigRun computes it from the job's version and the execution.
#[derive(Serialize, ToSchema)]
#[schema(as = SentRequest)]
pub struct SentRequestView {
    /// The number of the attempt.
    attempt: u16,
    #[schema(value_type = enums::Method)]
    method: &'static str,
    /// With the values of its variables.
    #[schema(example = "https://example.com/report")]
    url: String,
    /// Null if no connection was made, or while the attempt runs.
    #[schema(example = "HTTP/2")]
    http_version: Option<String>,
    headers: Vec<SentHeaderView>,
    /// The names of headers that were sent and are not stored, with the signature.
    #[schema(example = json!(LEFT_OUT))]
    left_out: Vec<&'static str>,
    /// The first 64 KiB of the body.
    body: Option<String>,
    /// Whether the body is longer.
    body_truncated: bool,
    /// A command for a shell that sends the request without what is left out. Replace each `secret://…` with its value. Null if the body
    /// is truncated.
    #[schema(
        example = "curl --globoff -X GET 'https://example.com/report' \\\n  -H 'User-Agent: TrigRun/0.1.0'"
    )]
    curl: Option<String>,
}

/// A header. Instead of the value of a secret, it has `secret://` and the name of the secret.
#[derive(Serialize, ToSchema)]
#[schema(as = SentHeader)]
pub struct SentHeaderView {
    name: String,
    value: String,
    /// The names of the secrets in the value.
    secrets: Vec<String>,
}

/// Returns the request of an attempt, without values of secrets and without the signature.
#[utoipa::path(
    operation_id = "get_execution_request", tag = "executions",
    params(("id" = String, Path), AttemptQuery),
    responses(
        (status = 200, body = SentRequestView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/executions/{id}/request")]
pub async fn get_execution_request(
    state: web::Data<State>,
    auth: Authorized<JobsRead, AttemptQuery>,
    PathId(id): PathId<ExecutionId>,
) -> ApiResult<HttpResponse> {
    let number = auth.query.attempt;
    let sent = sent::get(&mut *state.conn().await?, auth.workspace, id, number).await;
    if matches!(sent, Err(StoreError::NotFound)) {
        sought::sought(
            "There is no execution with this id in this workspace, or it has had no such attempt.",
        );
    }
    let sent = sent?;
    Ok(HttpResponse::Ok().json(SentRequestView::new(&sent, sent.request(&state.policy))))
}

impl SentRequestView {
    pub fn new(attempt: &SentAttempt, request: SentRequest) -> Self {
        Self {
            attempt: attempt.number,
            method: request.method.as_str(),
            http_version: attempt.http_version.clone(),
            left_out: LEFT_OUT.to_vec(),
            curl: request.curl(),
            url: request.url,
            headers: request.headers.into_iter().map(SentHeaderView::from).collect(),
            body: request.body,
            body_truncated: request.body_truncated,
        }
    }
}

impl From<SentHeader> for SentHeaderView {
    fn from(SentHeader { name, value, secrets }: SentHeader) -> Self {
        Self { name, value, secrets }
    }
}
