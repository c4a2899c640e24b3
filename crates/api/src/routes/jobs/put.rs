//! Creates or replaces the job with a key.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    put, web,
};
use serde::Serialize;
use trigrun_core::{
    domain::{
        chain::Depth,
        id::WorkspaceId,
        invalid::Invalid,
        job::{
            Job,
            change::{FutureFires, first_fire},
            key,
        },
    },
    store::{StoreError, jobs},
};
use utoipa::ToSchema;

use super::{
    change::{self, Change, stale},
    create::{Requested, create_defined},
    declare::{Decision, Names, declaration},
    difference::{FieldChangeView, differences},
    etag::{IfMatch, etag},
    view::JobView,
    warnings::warnings,
};
use crate::{
    auth::{Authorized, JobsWrite},
    enums,
    extract::{
        body::JsonText,
        depth::depth,
        query::{Parameters, query},
    },
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    state::State,
    time::instant,
};

/// Whether the job was as it was sent already.
const UNCHANGED: &str = "trigrun-unchanged";
/// For a key whose job others create and delete at the same time.
const MAX_ATTEMPTS: usize = 5;

query! {
    pub struct PutQuery {
        /// `true` returns what would change, and changes nothing.
        #[param(required = false)]
        pub dry_run: bool = Parameters::flag,
    }
}

/// What a declaration does to one job.
#[derive(Serialize, ToSchema)]
#[schema(as = JobChange)]
pub struct ChangeView {
    #[schema(example = "nightly-report")]
    pub key: String,
    /// Null if the job does not exist yet.
    pub id: Option<String>,
    /// The version that the change is based on; null if the job does not exist yet.
    pub version: Option<i32>,
    #[schema(value_type = enums::ChangeAction)]
    pub action: &'static str,
    /// Whether the job was changed by something else than the last application of its stack.
    pub drifted: bool,
    /// The fields that change. Those of a new job are not listed.
    pub fields: Vec<FieldChangeView>,
    pub next_run_at: NextRunView,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub problem: Option<ChangeProblemView>,
}

/// Why a job was not changed. The code is one of those of problems.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangeProblem)]
pub struct ChangeProblemView {
    code: &'static str,
    detail: String,
}

impl ChangeProblemView {
    pub fn of(problem: &Problem) -> Self {
        Self { code: problem.code().as_str(), detail: problem.detail() }
    }
}

/// A job that is sent under its key. The document completes it with the fields of a job.
#[derive(ToSchema)]
#[schema(as = DeclaredJobInput)]
#[expect(dead_code)]
pub struct DeclaredJobBody {
    /// The key, unless it is given.
    #[schema(min_length = 1, max_length = 200, example = "nightly report")]
    name: Option<String>,
    /// May be left out where a field of `schedule` says it.
    #[schema(value_type = Option<enums::DeclaredKind>)]
    kind: Option<String>,
}

/// The job; with dry_run, what would change.
#[derive(Serialize, ToSchema)]
#[schema(as = PutResult)]
#[serde(untagged)]
#[expect(dead_code, reason = "responses are one of both")]
pub enum PutView {
    Job(Box<JobView>),
    Change(Box<ChangeView>),
}

/// The next fire before and after a change.
#[derive(Serialize, ToSchema)]
#[schema(as = NextRunChange)]
pub struct NextRunView {
    #[schema(format = DateTime)]
    pub before: Option<String>,
    #[schema(format = DateTime)]
    pub after: Option<String>,
}

impl ChangeView {
    /// Adds a field that changes beside the definition of an existing job.
    pub fn with_field(&mut self, field: FieldChangeView) {
        self.action = "update";
        self.fields.push(field);
    }

    pub fn of(state: &State, key: &str, job: Option<&Job>, decision: &Decision) -> Self {
        let now = state.clock.now();
        let before = job.and_then(|job| job.next_run_at);
        let (action, after, fields) = match (decision, job) {
            (Decision::Create(new), _) => ("create", first_fire(new, now, now).ok().flatten(), Vec::new()),
            (Decision::Change(change), Some(job)) => {
                let next = match change.future_fires {
                    FutureFires::Keep => before,
                    FutureFires::Reset => first_fire(&change.definition, change.anchor, now).ok().flatten(),
                };
                ("update", next, differences(&job.definition, &change.definition))
            }
            (Decision::Change(_) | Decision::Keep, _) => ("unchanged", before, Vec::new()),
        };
        let is_foreign = |job: &Job| job.applied_version.is_some_and(|applied| applied != job.version);
        Self {
            key: key.to_owned(),
            id: job.map(|job| job.id.to_string()),
            version: job.map(|job| job.version),
            action,
            drifted: action == "update" && job.is_some_and(is_foreign),
            fields,
            next_run_at: NextRunView { before: before.map(instant), after: after.map(instant) },
            problem: None,
        }
    }
}

/// Creates the job with this key, or replaces its definition. What is absent gets its default, but for `state` and `stack`, which stay as they are,
/// and for `name`, which is then the key.
///
/// A job that already is as it is sent stays as it is: the response has `TrigRun-Unchanged: true`, and the job no new version. So the request can be repeated.
#[utoipa::path(
    operation_id = "put_job", tag = "jobs",
    params(
        ("id" = String, Path, description = "The key.", example = "nightly-report"),
        PutQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag, or the quoted version, that the request is based on."),
        ("If-None-Match" = Option<String>, Header, description = "`*` only creates the job: if it exists, the response is 412."),
    ),
    request_body(content = DeclaredJobBody, example = json!({
        "name": "nightly report", "schedule": { "cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin" },
        "request": { "url": "https://example.com/report", "headers": { "Authorization": "Bearer secret://report-token" } },
    })),
    responses(
        (status = 200, description = "The job, with its ETag. It was replaced, or is unchanged (TrigRun-Unchanged: true). With dry_run, what would change.", body = PutView),
        (status = 201, body = PutView, headers(("Location" = String), ("ETag" = String))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json"),
        (status = 508, description = "The request comes from a chain of too many runs (TrigRun-Depth).", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["jobs:write"])),
)]
#[put("/jobs/{id}")]
pub async fn put_job(
    state: web::Data<State>,
    auth: Authorized<JobsWrite, PutQuery>,
    path: web::Path<String>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let key = key::key(&path).map_err(not_a_key)?;
    let put = Put {
        key,
        only_create: only_create(&request)?,
        if_match: IfMatch::of(&request)?,
        text: text.read_with(|text| Ok(text.to_owned())).await?,
        depth: depth(&request, auth.workspace)?,
    };
    let dry_run = auth.query.dry_run;
    for _ in 0..MAX_ATTEMPTS {
        let job = put.find(&state, auth.workspace).await?;
        if dry_run {
            return put.plan(&state, job.as_ref());
        }
        let done = match job {
            Some(job) => put.replace(&state, &auth, &job).await?,
            None => put.create(&state, &auth).await?,
        };
        if let Some(response) = done {
            return Ok(response);
        }
    }
    Err(Problem::new(ProblemCode::JobChanges, "Others keep creating and deleting this job; try again."))
}

fn not_a_key(invalid: Invalid) -> Problem {
    let hint = invalid.hint.unwrap_or("PUT takes a key. To change a job by its id, use PATCH.".to_owned());
    let detail = format!("The key {}.", invalid.detail);
    Problem::of_field("{id}", Invalid { detail, hint: Some(hint), ..invalid })
}

/// RFC 9110 §13.1.2. Only `*` is of use for a job, which has one representation.
fn only_create(request: &HttpRequest) -> ApiResult<bool> {
    match request.headers().get(header::IF_NONE_MATCH).map(|given| given.as_bytes().trim_ascii()) {
        None => Ok(false),
        Some(b"*") => Ok(true),
        Some(_) => Err(Problem::of_field("If-None-Match", Invalid::new("etag_invalid", "must be *"))),
    }
}

/// What the request asks for.
struct Put {
    key: String,
    only_create: bool,
    if_match: Option<IfMatch>,
    text: String,
    depth: Depth,
}

impl Put {
    fn names(&self) -> Names<'_> {
        Names { key: &self.key, stack: None }
    }

    /// The job with the key, if the conditions of the request allow to go on.
    async fn find(&self, state: &State, workspace: WorkspaceId) -> ApiResult<Option<Job>> {
        let mut conn = state.conn().await?;
        let job = match jobs::find_by_key(&mut conn, workspace, &self.key).await? {
            None => None,
            Some(id) => match jobs::get(&mut conn, workspace, id, state.clock.now()).await {
                // Deleted in between.
                Err(StoreError::NotFound) => None,
                job => Some(job?),
            },
        };
        if self.only_create && job.is_some() {
            let detail = format!("A job with the key {} exists.", self.key);
            return Err(Problem::new(ProblemCode::JobExists, detail));
        }
        let allows = |tags: &IfMatch| job.as_ref().is_some_and(|job| tags.allows(job));
        if self.if_match.as_ref().is_some_and(|tags| !allows(tags)) {
            return Err(stale());
        }
        Ok(job)
    }

    fn plan(&self, state: &State, job: Option<&Job>) -> ApiResult<HttpResponse> {
        let decision = declaration(state, self.names(), &self.text, job)?.decide(state, job)?;
        Ok(HttpResponse::Ok().json(ChangeView::of(state, &self.key, job, &decision)))
    }

    /// `None` if the job was deleted in between.
    async fn replace(
        &self,
        state: &State,
        auth: &Authorized<JobsWrite, PutQuery>,
        job: &Job,
    ) -> ApiResult<Option<HttpResponse>> {
        let (if_match, by) = (self.if_match.clone(), auth.by.clone());
        let (workspace, plan, depth) = (auth.workspace, auth.plan, self.depth);
        let of = Change { workspace, plan, job: job.id, if_match, depth, by, rules: None };
        let decide = async |job: &Job| match declaration(state, self.names(), &self.text, Some(job))?
            .decide(state, Some(job))?
        {
            Decision::Change(change) => Ok(Some(*change)),
            Decision::Create(_) | Decision::Keep => Ok(None),
        };
        let changed = match change::retrying(state, of, decide).await {
            Err(problem) if problem.is(StatusCode::NOT_FOUND) => return Ok(None),
            changed => changed?,
        };
        let mut response = HttpResponse::Ok();
        if !changed.is_changed {
            response.insert_header((UNCHANGED, "true"));
        }
        respond(state, response, &changed.job).await.map(Some)
    }

    /// `None` if another request has created the job in between.
    async fn create(
        &self,
        state: &State,
        auth: &Authorized<JobsWrite, PutQuery>,
    ) -> ApiResult<Option<HttpResponse>> {
        let definition = declaration(state, self.names(), &self.text, None)?.definition;
        let (token_hash, author) = (auth.caller.token_hash(), auth.by.clone());
        let (depth, plan) = (self.depth, auth.plan);
        let by = Requested { key: None, digest: None, depth, token_hash, author, plan };
        let created = match create_defined(state, auth.workspace, definition, by).await {
            Err(problem) if problem.has(ProblemCode::KeyTaken) => return Ok(None),
            created => created?,
        };
        let job = match created.job {
            Some(job) => job,
            None => {
                jobs::get(&mut *state.conn().await?, auth.workspace, created.id, state.clock.now()).await?
            }
        };
        let mut response = HttpResponse::Created();
        response.insert_header((header::LOCATION, format!("/v1/jobs/{}", job.id)));
        respond(state, response, &job).await.map(Some)
    }
}

async fn respond(state: &State, mut response: HttpResponseBuilder, job: &Job) -> ApiResult<HttpResponse> {
    let warnings = warnings(state, job.workspace, &job.definition.request).await?;
    response.insert_header((header::ETAG, etag(job)));
    Ok(response.json(JobView::new(job).with_warnings(warnings)))
}
