//! Converts what other schedulers and tools store into bodies of jobs. It creates nothing.

use actix_web::{HttpRequest, HttpResponse, post, web};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

mod body;
mod check;

use crate::{
    auth::{Authorized, JobsRead},
    enums,
    extract::body::JsonText,
    result::ApiResult,
    state::State,
};
use body::ConversionBody;

const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// The jobs that a source describes, and what they cannot have of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Conversion)]
pub struct ConversionView {
    #[schema(value_type = enums::SourceFormat, example = "crontab")]
    format: &'static str,
    /// The jobs by their suggested keys, in the order of the source.
    #[schema(value_type = BTreeMap<String, ConvertedView>)]
    jobs: IndexMap<String, ConvertedView>,
    /// What is not as in the source.
    findings: Vec<FindingView>,
    /// The secrets that the jobs refer to, with the values of the source. TrigRun keeps none of them: create them before the jobs run.
    secrets: Vec<ConvertedSecretView>,
    /// Parts of the source that say nothing about a job, and belong to none.
    left_out: Vec<LeftOutView>,
    /// How many parts of the source say nothing about a job, in total.
    meaningless: usize,
}

/// A job, and where it comes from.
#[derive(Serialize, ToSchema)]
#[schema(as = Converted)]
pub struct ConvertedView {
    /// The line of a text, counted from 1; null for JSON.
    line: Option<usize>,
    /// The line, or the name of the job in its document; a long one is cut.
    #[schema(example = "0 3 * * 1-5 curl -X POST https://example.com/report")]
    text: String,
    /// The body of `POST /v1/jobs`: a `JobInput` with what the source says, and no defaults.
    #[schema(value_type = Object)]
    job: Box<RawValue>,
    #[schema(example = "at 03:00 from Monday to Friday, Europe/Berlin time")]
    schedule_in_words: String,
    /// When the job would run next if it were created now and active; null if it runs once, now.
    #[schema(format = DateTime)]
    next_run_at: Option<String>,
    /// The secrets that the job refers to.
    credentials: Vec<CredentialView>,
    /// The parts of the source that the job does not have.
    left_out: Vec<LeftOutView>,
}

/// A place in a job that refers to a secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub struct CredentialView {
    #[schema(example = "/request/headers/Authorization")]
    pointer: String,
    /// The name of the secret in the job; choose another one in both places if you like.
    #[schema(example = "report-authorization")]
    suggested_name: String,
}

/// A part of the source, and why no job has it.
#[derive(Serialize, ToSchema)]
#[schema(as = LeftOut)]
pub struct LeftOutView {
    #[schema(example = "line 3")]
    place: String,
    #[schema(example = "--location")]
    text: String,
    why: String,
}

/// Something about the source that a reader should know.
#[derive(Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingView {
    #[schema(value_type = enums::FindingLevel)]
    level: &'static str,
    /// The key of its job; null if there is no job.
    key: Option<String>,
    /// A line, or a JSON pointer into the source.
    #[schema(example = "line 3")]
    place: String,
    /// The line of a text, counted from 1; null for JSON.
    line: Option<usize>,
    #[schema(example = "option_lost")]
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
}

/// A secret of the source.
#[derive(Serialize, ToSchema)]
#[schema(as = ConvertedSecret)]
pub struct ConvertedSecretView {
    #[schema(example = "report-authorization")]
    name: String,
    value: String,
}

/// Converts curl commands, crontabs, URLs, HTTP files and exports of other schedulers into bodies of jobs. It creates nothing.
///
/// Each job of the response is a body of `POST /v1/jobs`. Whatever a job cannot have of its source is a finding with its place. The body may have 4 MiB. It is neither stored nor
/// logged.
#[utoipa::path(
    operation_id = "convert_jobs", tag = "jobs",
    request_body(content = ConversionBody, example = json!({
        "format": "auto", "source": "CRON_TZ=Europe/Berlin\n# report\n0 3 * * 1-5 curl -fsS -X POST https://example.com/report > /dev/null 2>&1",
    })),
    responses(
        (status = 200, body = ConversionView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[post("/jobs/convert")]
pub async fn convert_jobs(
    state: web::Data<State>,
    _: Authorized<JobsRead>,
    request: HttpRequest,
    text: JsonText<MAX_BODY_BYTES>,
) -> ApiResult<HttpResponse> {
    let mut errors = Default::default();
    let body: ConversionBody = text.read(&mut errors).await?;
    // It takes long, and unknown time zones take longer.
    let capacity = state.capacity.clone();
    let view = capacity.compute(request.headers(), move || body.convert(&state, errors)).await?;
    Ok(HttpResponse::Ok().json(view?))
}
